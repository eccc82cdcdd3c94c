"""Do shifted patches and locality self-attention compute what their paper says? Against numpy."""

import keras
import numpy as np

from tests.variants import assert_close, shared, value
from vitgraph.blocks import AttentionMap, DiagonalShifts, LocalitySelfAttention, QueryScale, SelfAttention, ToTokens
from vitgraph.wiring.shifted_patches import shifted_patch_tokenization

HEADS, TOKENS, WIDTH = 3, 7, 4


def test_copies_are_moved_diagonally():
    image = np.arange(1.0, 13.0, dtype="float32").reshape(1, 3, 4, 1)
    expected = np.zeros((1, 3, 4, 5), "float32")
    expected[..., :1] = image
    expected[:, 1:, 2:, 1:2] = image[:, :-1, :-2]
    expected[:, 1:, :-2, 2:3] = image[:, :-1, 2:]
    expected[:, :-1, 2:, 3:4] = image[:, 1:, :-2]
    expected[:, :-1, :-2, 4:5] = image[:, 1:, 2:]
    np.testing.assert_array_equal(value(DiagonalShifts((1, 2))(image)), expected)


def test_a_shift_by_nothing_gives_five_copies():
    image = np.random.default_rng(0).standard_normal((2, 3, 4, 2)).astype("float32")
    np.testing.assert_array_equal(value(DiagonalShifts(0)(image)), np.tile(image, 5))


def qkv():
    return np.random.default_rng(0).standard_normal((2, TOKENS, 3 * HEADS * WIDTH)).astype("float32")


def test_no_token_attends_to_itself():
    q, k, v = qkv().reshape(2, TOKENS, 3, HEADS, WIDTH).transpose(2, 0, 3, 1, 4)
    weights = np.exp(q @ k.swapaxes(2, 3) / WIDTH**0.5) * (1.0 - np.eye(TOKENS))
    weights /= weights.sum(axis=-1, keepdims=True)
    expected = (weights @ v).transpose(0, 2, 1, 3).reshape(2, TOKENS, -1)
    core = LocalitySelfAttention(HEADS)
    assert_close(core(qkv()), expected)
    assert_close(AttentionMap(core)([qkv()]), weights)
    assert np.all(np.diagonal(value(AttentionMap(core)([qkv()])), axis1=2, axis2=3) == 0.0)


def test_the_scale_of_queries_is_a_number_for_each_head():
    layer = QueryScale(HEADS)
    layer.build(qkv().shape)
    plain = SelfAttention(HEADS)(qkv())
    assert_close(SelfAttention(HEADS, scale=1.0)(layer(qkv())), plain)  # where it starts
    layer.scale.assign([1.0, 2.0, 3.0])
    expected = qkv().reshape(2, TOKENS, 3, HEADS, WIDTH)
    expected[:, :, 0] *= np.array([1.0, 2.0, 3.0], "float32")[:, None]
    assert_close(layer(qkv()), expected.reshape(qkv().shape))


def test_the_net_learns_a_scale_in_each_block():
    names = [v.path for v in shared("small_data_vit").trainable_weights if v.path.endswith("attn_scale/scale")]
    assert names == ["block_0_attn_scale/scale", "block_1_attn_scale/scale"]


def test_the_tokenization_alone():
    image = keras.Input((32, 48, 3))
    tokens = ToTokens()(shifted_patch_tokenization(image, 16, 24, "spt"))
    assert tokens.shape == (None, 6, 24)
    assert keras.Model(image, tokens).count_params() == 2 * 3840 + 3841 * 24
