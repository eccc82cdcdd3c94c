"""Do T2T-ViT's blocks compute what its paper says? Against plain numpy, and against what they approximate."""

import keras
import numpy as np

import vitgraph
from tests.variants import TINY, assert_close, assert_same, images, shared, take_weights, value
from vitgraph.blocks import OverlappingPatches, RandomFeatureAttention, SelfAttention, SinePosition


def test_overlapping_patches_are_windows_of_the_padded_map():
    x = images(2, 11, 14, 3)
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    y = value(OverlappingPatches(7, 4, 2)(x))
    assert y.shape == (2, 3, 3, 3 * 49)
    for row in range(3):
        for column in range(3):
            window = padded[:, 4 * row : 4 * row + 7, 4 * column : 4 * column + 7]
            assert_same(y[:, row, column], window.transpose(0, 3, 1, 2).reshape(2, -1))


def test_random_features_weigh_the_values():
    kqv = np.random.default_rng(0).standard_normal((2, 9, 12)).astype("float32")
    layer = RandomFeatureAttention(3)
    layer.build(kqv.shape)
    k, q, v = np.split(kqv, 3, axis=-1)
    k, q = (np.exp(x @ value(layer.vectors).T - (x**2).sum(-1, keepdims=True) / 2) for x in (k, q))
    weights = q @ k.transpose(0, 2, 1)
    assert_close(layer(kqv), weights @ v / weights.sum(-1, keepdims=True))
    assert_close(layer(kqv.reshape(2, 3, 3, 12)), value(layer(kqv)).reshape(2, 3, 3, 4))


def test_many_random_features_are_the_softmax():
    kqv = 0.3 * np.random.default_rng(0).standard_normal((1, 20, 24)).astype("float32")
    k, q, v = np.split(kqv, 3, axis=-1)
    approximation = RandomFeatureAttention(20_000)
    approximation.build(kqv.shape)
    approximation.vectors.assign(np.random.default_rng(1).standard_normal((20_000, 8)))
    exact = SelfAttention(1, scale=1.0)(np.concatenate([q, k, v], axis=-1))
    np.testing.assert_allclose(value(approximation(kqv)), value(exact), atol=0.01)
    assert np.abs(value(exact)).max() > 0.1


def test_random_vectors_are_orthogonal():
    layer = RandomFeatureAttention(4)
    layer.build((None, None, 24))
    vectors = value(layer.vectors)
    np.testing.assert_allclose(vectors @ vectors.T, 4 * np.eye(4), atol=1e-5)


def test_positions_are_sinusoids_until_they_are_resampled():
    """Of the resampled table, only the class token's row is what it was."""
    table = value(TINY["t2t_vit"].build().get_layer("pos_embed").table)
    assert_close(table, SinePosition()(np.zeros((1, 17, 16), "float32")))
    other = value(take_weights(TINY["t2t_vit"].build((96, 64, 3)), "t2t_vit").get_layer("pos_embed").table)
    assert other.shape == (1, 1 + 6 * 4, 16)
    assert_same(other[:, 0], value(shared("t2t_vit").get_layer("pos_embed").table)[:, 0])


def test_the_values_are_the_stream_of_a_token_block():
    """As the width changes there, they take the place of x: without its branches a block gives them."""
    for name in ("t2t_vit", "t2t_vit_performer"):
        model = TINY[name].build()
        for layer in ("tokens_1_attn_proj", "tokens_1_mlp_fc2"):
            model.get_layer(layer).kernel.assign(np.zeros((8, 8)))
        names = ("tokens_1_attn_values", "tokens_1_res2")
        values, stream = keras.Model(model.input, [model.get_layer(n).output for n in names])(images())
        assert_same(values, stream)


def test_performers_have_no_attention_maps():
    maps, fewer = (list(vitgraph.attention(shared(name)).output) for name in ("t2t_vit", "t2t_vit_performer"))
    assert maps == ["tokens_1_attn", "tokens_2_attn", *fewer]
    assert fewer == ["block_0_attn", "block_1_attn"]
