"""Do talking heads compute what their paper says? Against numpy, and as nothing but attention where none is mixed."""

import keras
import numpy as np

from tests.variants import assert_close, images, shared, value
from vitgraph.blocks import AttentionMap, HeadMixture, SelfAttention, TalkingHeadsAttention

HEADS, TOKENS, WIDTH = 3, 7, 4


def inputs():
    random = np.random.default_rng(0)
    qkv = random.standard_normal((2, TOKENS, 3 * HEADS * WIDTH)).astype("float32")
    return qkv, *random.standard_normal((2, HEADS + 1, HEADS)).astype("float32")


def softmax(x):
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


def test_heads_are_mixed_before_and_after_the_softmax():
    qkv, before, after = inputs()
    q, k, v = qkv.reshape(2, TOKENS, 3, HEADS, WIDTH).transpose(2, 0, 3, 1, 4)
    scores = np.einsum("bhnd,bhmd->bnmh", q, k) / WIDTH**0.5
    scores = scores @ before[:-1] + before[-1]
    weights = softmax(scores.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1) @ after[:-1] + after[-1]
    expected = np.einsum("bnmh,bhmd->bnhd", weights, v).reshape(2, TOKENS, -1)
    core = TalkingHeadsAttention(HEADS)
    assert_close(core(qkv, before, after), expected)
    assert_close(AttentionMap(core)([qkv, before, after]), weights.transpose(0, 3, 1, 2))


def test_heads_that_keep_to_themselves_are_plain_attention():
    qkv, *_ = inputs()
    alone = np.eye(HEADS + 1, HEADS, dtype="float32")
    assert_close(TalkingHeadsAttention(HEADS)(qkv, alone, alone), SelfAttention(HEADS)(qkv))


def test_a_mixture_is_its_kernel_and_bias_whatever_the_input():
    layer = HeadMixture(HEADS)
    one, other = layer(np.zeros((2, 5, 6))), layer(np.ones((1, 4, 6)))
    np.testing.assert_array_equal(value(one), value(other))
    np.testing.assert_array_equal(value(one), [*value(layer.kernel), value(layer.bias)])


def test_the_class_stage_changes_the_class_token_alone():
    """And that token sees nothing of the patches but what the blocks gave."""
    model = shared("cait")
    names = ("block_1", "cls_stage_token", "cls_stage_0", "cls_stage_1")
    patches, *stages = keras.Model(model.input, [model.get_layer(name).output for name in names])(images())
    for stage in stages:
        np.testing.assert_array_equal(value(stage)[:, 1:], value(patches))
    tokens = [value(stage)[:, 0] for stage in stages]
    assert np.array_equal(tokens[0][0], tokens[0][1])
    assert all(np.abs(one - other).max() > 0.01 for one, other in zip(tokens, tokens[1:], strict=False))
