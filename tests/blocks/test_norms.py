"""Norms where nothing varies: `beta` and no gradient, however sums are rounded, on all paths and backends."""

import numpy as np
import pytest
import tensorflow as tf

from tests.variants import assert_same, value, with_random_weights
from vitgraph import blocks

NORMS = {
    "layer": blocks.LayerNorm,
    "batch": blocks.BatchNorm,
    "group": lambda **kwargs: blocks.GroupNorm(1, **kwargs),
    "rms": blocks.RMSNorm,
}


def plain(function):
    return function


def in_graph(function):
    return tf.function(function)


def in_graph_as_written(function):
    options = tf.config.optimizer.get_experimental_options()

    def call(*args):
        tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
        try:
            return tf.function(function)(*args)
        finally:
            tf.config.optimizer.set_experimental_options({"arithmetic_optimization": True, **options})

    return call


def by_xla(function):
    return tf.function(function, jit_compile=True)


def answer_and_gradients(norm, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = norm(x, training=True) if isinstance(norm, blocks.BatchNorm) else norm(x)
        loss = tf.reduce_sum(tf.cast(y, "float32") * tf.range(1.0, x.shape[1] + 1)[:, None])
    return y, *tape.gradient(loss, [x, *(v.value for v in norm.trainable_variables)])


@pytest.mark.parametrize("form", [plain, in_graph, in_graph_as_written, by_xla])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "float64"])
@pytest.mark.parametrize("kind", NORMS)
def test_no_gradient_where_nothing_varies(kind, dtype, form):
    """Batches: one channel is the same number, another is 0. Others: vectors of zeros, and all of them a map."""
    norm = NORMS[kind](dtype=dtype)
    x = np.random.default_rng(0).standard_normal((5, 7, 12)).astype(norm.compute_dtype)
    still = {"batch": np.s_[:, :, 3:5], "group": np.s_[2], "layer": np.s_[2, 1:3], "rms": np.s_[2, 1:3]}[kind]
    x[still] = 0.0
    if kind == "batch":
        x[:, :, 4] = 0.7
    norm(x)
    with_random_weights(norm)
    moves = np.ones(x.shape, bool)
    moves[still] = False
    y, slope, *others = map(value, form(lambda x: answer_and_gradients(norm, x))(tf.constant(x)))
    assert not slope[still].any()
    assert (slope[moves] != 0).mean() > 0.99
    assert all(np.isfinite(array).all() for array in (y, slope, *others))
    assert all(np.any(array) for array in others)
    beta = np.broadcast_to(0.0 if kind == "rms" else value(norm.beta), x.shape)
    np.testing.assert_allclose(y[still], beta[still], atol=1e-3)


@pytest.mark.parametrize("form", [plain, in_graph, in_graph_as_written, by_xla])
@pytest.mark.parametrize("width", [3, 48, 300, 768, 3072])
def test_layer_norm_of_equal_numbers(width, form):
    """Else rounding is what is left of a patch of one colour, and the next norm makes it a thousand times larger."""
    numbers = np.random.default_rng(width).uniform(-3, 255, (1, 64, 1)).astype("float32")
    norm = blocks.LayerNorm()
    x = tf.constant(np.repeat(numbers, width, axis=-1))
    norm(x)
    norm.beta.assign(np.arange(width))
    y = value(form(norm)(x))
    assert_same(y, np.broadcast_to(value(norm.beta), y.shape))


def test_layer_norm_of_nearly_equal_numbers():
    """What does vary counts, beside a mean a hundred thousand times larger."""
    x = 100.0 + 1e-3 * np.random.default_rng(0).standard_normal((64, 768))
    x = x.astype("float32")
    exact = x.astype("float64") - x.astype("float64").mean(-1, keepdims=True)
    exact /= np.sqrt((exact**2).mean(-1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(blocks.LayerNorm()(x), exact, atol=5e-2)
    double = blocks.LayerNorm(dtype="float64")(x.astype("float64"))
    np.testing.assert_allclose(double, exact, atol=1e-9)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_on_other_backends(backend, fresh_process, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    code = """
import sys
import keras, numpy as np
from vitgraph import blocks

x = np.random.default_rng(0).standard_normal((4, 6, 8)).astype("float32")
x[2], x[:, :, 3] = 0.0, 0.0
factors = keras.ops.convert_to_tensor(np.arange(1, 49, dtype="float32").reshape(6, 8))

def gradient(norm):
    norm.build(x.shape)
    weights, rest = ([v.value for v in s] for s in (norm.trainable_variables, norm.non_trainable_variables))
    extra = {"training": True} if isinstance(norm, blocks.BatchNorm) else {}
    loss = lambda x: (norm.stateless_call(weights, rest, x, **extra)[0] * factors).sum()
    if sys.argv[1] == "jax":
        import jax
        return np.asarray(jax.grad(loss)(x))
    import torch
    tensor = torch.tensor(x, requires_grad=True)
    loss(tensor).backward()
    return tensor.grad.numpy()

norms = blocks.LayerNorm(), blocks.GroupNorm(1), blocks.RMSNorm(), blocks.BatchNorm()
layer, group, rms, batch = map(gradient, norms)
assert not layer[2].any() and not group[2].any() and not rms[2].any() and not batch[:, :, 3].any()
assert layer[[0, 1, 3]].all() and group[[0, 1, 3]].all() and rms[0].any() and batch[:2, :, :3].all()
equal = np.full((2, 768), 0.7, "float32")
print(abs(keras.ops.convert_to_numpy(blocks.LayerNorm()(equal))).max())
"""
    assert float(fresh_process(code, backend)) == 0.0
