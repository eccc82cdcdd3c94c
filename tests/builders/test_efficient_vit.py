"""Attention given by the user, and what the attentions that are here compute, in plain numpy."""

import functools

import keras
import numpy as np
import pytest

import vitgraph
from tests.variants import CLASSES, assert_close, assert_same, images, value, with_random_weights
from vitgraph.blocks import NystromAttention, RandomFeatureAttention
from vitgraph.builders.efficient_vit import nystrom_attention, performer_attention, residual_attention


@keras.saving.register_keras_serializable(package="tests")
class MeanMixing(keras.layers.Layer):
    """A layer of somebody else's: each token gets the mean of all, through a weight."""

    def __init__(self, dim, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.dim, self.num_heads = dim, num_heads
        self.dense = keras.layers.Dense(dim)

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, x):
        return self.dense(x) + keras.ops.mean(x, axis=1, keepdims=True)

    def get_config(self):
        return {**super().get_config(), "dim": self.dim, "num_heads": self.num_heads}


def tiny(attention, shape=(64, 64, 3), **arguments):
    numbers = {"patch_size": 16, "dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 2, "num_classes": CLASSES}
    return vitgraph.build_efficient_vit(shape, attention=attention, **{**numbers, **arguments})


@pytest.mark.parametrize(
    "attention",
    [
        MeanMixing,
        lambda dim, num_heads, name: keras.layers.Dense(dim, name=name),
        functools.partial(nystrom_attention, head_dim=5, num_landmarks=7, kernel_size=None),
        functools.partial(performer_attention, head_dim=5, features=3),
        functools.partial(residual_attention, head_dim=5, attn_drop_rate=0.1),
    ],
)
def test_any_attention(attention, tmp_path):
    """It is wired once per block, and read back; an open graph answers as a closed one."""
    model, x = with_random_weights(tiny(attention)), images()
    assert {f"block_{i}_res1" for i in range(2)} <= {layer.name for layer in model.layers}
    model.save(tmp_path / "net.keras")
    assert_same(keras.saving.load_model(tmp_path / "net.keras")(x), model(x))
    image_open = tiny(attention, (None, None, 3), img_size=(64, 64))
    image_open.set_weights(model.get_weights())
    assert_close(image_open(x), model(x))


def test_a_layer_that_gives_more_is_given_it_in_the_next_block():
    calls = []

    def attention(dim, num_heads, name):
        def layer(x, *more):
            calls.append((name, len(more)))
            return x, x, x

        return layer

    tiny(attention, depth=3)
    assert calls == [("block_0_attn", 0), ("block_1_attn", 2), ("block_2_attn", 2)]


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def heads_of(qkv, num_heads):
    """(B, N, 3 heads d) -> three (B, heads, N, d), in float64."""
    parts = np.split(qkv.astype("float64"), 3, axis=-1)
    return [part.reshape(*part.shape[:2], num_heads, -1).swapaxes(1, 2) for part in parts]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("count", [3, 11, 12])
def test_nystrom_attention(count, shared):
    qkv = np.random.default_rng(0).standard_normal((2, count, 24)).astype("float32")
    padded = np.pad(qkv, ((0, 0), (-count % 4, 0), (0, 0)))
    q, k, v = heads_of(padded, 2)
    q_marks, k_marks = (x.reshape(2, 2, 4, -1, 4).mean(3) for x in (q, k))
    pairs = ((q, k_marks), (q_marks, k_marks), (q_marks, k))
    first, second, third = (softmax(a @ b.swapaxes(2, 3) / 2) for a, b in pairs)
    columns = second.sum(2)
    z = second.swapaxes(2, 3) / (columns.max() if shared else columns.max(2)[..., None, None])
    for _ in range(6):
        product = second @ z
        z = z @ (13 * np.eye(4) - product @ (15 * np.eye(4) - product @ (7 * np.eye(4) - product))) / 4
    expected = (first @ z @ third @ v)[:, :, -count:].swapaxes(1, 2).reshape(2, count, 8)
    actual = value(NystromAttention(2, 4, pinv_shared=shared)(qkv))
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4)


def test_nystrom_attention_converges():
    """With every token a landmark and steps enough it is softmax attention."""
    qkv = np.random.default_rng(0).standard_normal((2, 6, 24)).astype("float32")
    q, k, v = heads_of(qkv, 2)
    expected = (softmax(q @ k.swapaxes(2, 3) / 2) @ v).swapaxes(1, 2).reshape(2, 6, 8)
    np.testing.assert_allclose(value(NystromAttention(2, 6, 20)(qkv)), expected, atol=1e-3)


def test_performer_converges():
    """With features enough it is softmax attention, head by head."""
    kqv = np.random.default_rng(0).standard_normal((2, 6, 24)).astype("float32") / 2
    k, q, v = heads_of(kqv, 2)
    expected = (softmax(q @ k.swapaxes(2, 3) / 2) @ v).swapaxes(1, 2).reshape(2, 6, 8)
    layer = RandomFeatureAttention(50_000, num_heads=2, scale=0.5)
    layer.build(kqv.shape)
    layer.vectors.assign(np.random.default_rng(1).standard_normal(layer.vectors.shape))
    np.testing.assert_allclose(value(layer(kqv)), expected, atol=0.05)


def test_residual_attention():
    """The second block's map is the softmax of both blocks' scores."""
    model, x = with_random_weights(tiny(residual_attention)), images()
    outputs = {layer: model.get_layer(layer).output for layer in ("block_0_attn_qkv", "block_1_attn_qkv")}
    (q0, k0, _), (q1, k1, _) = (heads_of(value(y), 2) for y in keras.Model(model.input, outputs)(x).values())
    expected = softmax((q0 @ k0.swapaxes(2, 3) + q1 @ k1.swapaxes(2, 3)) / 8**0.5)
    assert_close(vitgraph.attention(model)(x)["block_1_attn"], expected)


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        (
            functools.partial(nystrom_attention, kernel_size=4),
            "nystrom_attention: kernel_size=4; allowed: None, or an odd",
        ),
        (functools.partial(nystrom_attention, num_landmarks=0), "nystrom_attention: num_landmarks=0"),
        (functools.partial(performer_attention, features=0), "performer_attention: features=0"),
        (functools.partial(residual_attention, head_dim=0), "residual_attention: head_dim=0"),
    ],
)
def test_wrong_numbers(attention, message):
    with pytest.raises(ValueError, match=message):
        tiny(attention)
    with pytest.raises(ValueError, match="num_heads=3; allowed: divisors of the width, here 3 of 16"):
        tiny(attention.func, num_heads=3)
