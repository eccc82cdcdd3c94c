"""Does DeiT offer both of its heads, and is it a ViT without its distillation token?"""

import keras
import numpy as np

import vitgraph
from tests.variants import CLASSES, TINY, assert_close, assert_same, images, shared, take_weights, value
from vitgraph.checkpoints.derived import plain_weights


def test_the_answer_is_the_mean_of_both_heads():
    model = shared("deit")
    heads = keras.Model(model.input, [model.get_layer(name).output for name in ("head", "head_dist", "predictions")])
    logits, dist_logits, answer = map(value, heads(images()))
    assert np.abs(logits - dist_logits).max() > 0.1
    assert_close(answer, (logits + dist_logits) / 2)


def test_both_heads_are_trained_apart():
    model = TINY["deit"].build()
    heads = {name: model.get_layer(name).output for name in ("head", "head_dist")}
    student = keras.Model(model.input, heads)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    student.compile("sgd", dict.fromkeys(heads, cross_entropy))
    before = [value(model.get_layer(name).kernel) for name in heads]
    student.fit(images(), {"head": np.arange(2), "head_dist": CLASSES - 1 - np.arange(2)}, verbose=0)
    steps = [value(model.get_layer(name).kernel) - old for name, old in zip(heads, before, strict=True)]
    assert all(np.abs(step).max() > 0 for step in steps)
    assert np.abs(steps[0] - steps[1]).max() > 0


def test_pooled_tokens_are_the_mean_of_both():
    pooled = take_weights(TINY["deit"].build(include_top=False, pooling="token"), "deit")
    tokens = keras.Model(shared("deit").input, shared("deit").get_layer("norm").output)(images())
    assert_close(pooled(images()), value(tokens)[:, :2].mean(axis=1))


def test_without_its_token_it_is_a_vit():
    plain = TINY["deit"].build(distilled=False)
    numbers = {name: number for name, number in TINY["deit"].arguments.items() if name != "distilled"}
    vit = vitgraph.build_vit((64, 64, 3), num_classes=CLASSES, classifier_activation=None, **numbers)
    assert [layer.name for layer in vit.layers] == [layer.name for layer in plain.layers]
    weights = plain_weights(shared("deit"))
    for model in (plain, vit):
        vitgraph.load_weights(model, weights, source="vitgraph")
    assert_same(vit(images()), plain(images()))
    table = value(shared("deit").get_layer("pos_embed").table)
    np.testing.assert_array_equal(value(vit.get_layer("pos_embed").table), table[:, [0, *range(2, table.shape[1])]])
