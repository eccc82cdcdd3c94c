"""PiT's two heads."""

import keras

from tests.variants import TINY, assert_close, images, shared, take_weights, value


def test_the_scores_are_the_mean_of_two_heads_with_a_token_each():
    model = shared("pit")
    names = ("fc_norm", "head", "head_dist", "predictions")
    tokens, head, head_dist, scores = keras.Model(model.input, [model.get_layer(n).output for n in names])(images())
    assert_close(head, model.get_layer("head")(tokens[:, 0]))
    assert_close(head_dist, model.get_layer("head_dist")(tokens[:, 1]))
    assert_close(scores, (value(head) + value(head_dist)) / 2)


def test_the_mean_of_both_tokens_is_what_the_heads_see():
    model = take_weights(TINY["pit"].build(include_top=False, pooling="token"), "pit")
    tokens = keras.Model(shared("pit").input, shared("pit").get_layer("fc_norm").output)(images())
    assert_close(model(images()), value(tokens).mean(axis=1))
