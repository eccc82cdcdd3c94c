"""Does re-attention compute what its paper says? Against numpy, and as nothing but attention where maps are kept."""

import keras
import numpy as np

import vitgraph
from tests.variants import TINY, assert_close, images, shared, take_weights, value
from vitgraph.blocks import AttentionMap, MapAttention, MixHeads, SelfAttention

HEADS, TOKENS, WIDTH = 3, 7, 4


def inputs():
    random = np.random.default_rng(0)
    qkv = random.standard_normal((2, TOKENS, 3 * HEADS * WIDTH)).astype("float32")
    return qkv, random.standard_normal((HEADS + 1, HEADS)).astype("float32")


def test_each_head_becomes_a_sum_of_heads():
    qkv, mixture = inputs()
    maps = value(AttentionMap(SelfAttention(HEADS))([qkv]))
    expected = np.einsum("bhnm,hg->bgnm", maps, mixture[:-1]) + mixture[-1][:, None, None]
    assert_close(MixHeads()(maps, mixture), expected)


def test_maps_are_multiplied_with_the_values():
    qkv, _ = inputs()
    maps = np.random.default_rng(1).standard_normal((2, HEADS, TOKENS, TOKENS)).astype("float32")
    v = qkv.reshape(2, TOKENS, 3, HEADS, WIDTH)[:, :, 2]
    expected = 0.3 * np.einsum("bhnm,bmhd->bnhd", maps, v).reshape(2, TOKENS, -1)
    core = MapAttention(HEADS, 0.3)
    assert_close(core(qkv, maps), expected)
    assert_close(AttentionMap(core)([qkv, maps]), 0.3 * maps)


def test_maps_as_they_are_make_plain_attention():
    qkv, _ = inputs()
    maps = AttentionMap(SelfAttention(HEADS))([qkv])
    assert_close(MapAttention(HEADS)(qkv, maps), SelfAttention(HEADS)(qkv))


def test_each_heads_maps_are_normed_over_the_batch():
    """In training the norm leaves a head's maps with its own mean and deviation, whatever the mixture made of them."""
    model = take_weights(TINY["deepvit"].build(), "deepvit")
    norm = model.get_layer("block_1_attn_var_norm")
    maps = value(keras.Model(model.input, norm.input)(images(8)))
    assert_close(vitgraph.attention(model)(images(8))["block_1_attn"], value(norm(maps)) * 8**-0.5)
    normed, variance = value(norm(maps, training=True)), maps.var((0, 2, 3))
    np.testing.assert_allclose(normed.mean((0, 2, 3)), value(norm.beta), atol=1e-4)
    deviation = np.abs(value(norm.gamma)) * np.sqrt(variance / (variance + 1e-5))
    np.testing.assert_allclose(normed.std((0, 2, 3)), deviation, atol=1e-4)


def test_an_adjusted_scale_is_a_number_before_the_norm():
    """norm(a x) / a, where the builder has an epsilon that is 1 / a^2 times as large."""
    model, plain = shared("deepvit"), take_weights(TINY["deepvit"].build(scale_adjustment=1.0), "deepvit")
    x = np.random.default_rng(0).standard_normal((2, 5, 16)).astype("float32") * 1e-3
    adjusted, norm = (net.get_layer("block_0_norm1") for net in (model, plain))
    assert_close(adjusted(x), norm(0.5 * x))
    assert not np.allclose(adjusted(x), norm(x), atol=1e-2)
    assert_close(model.get_layer("block_0_res1_scale")(x), 2 * x)
