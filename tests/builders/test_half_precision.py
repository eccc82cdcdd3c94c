"""Half precision on pictures that are hard for it, with the weights that a training begins with."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.variants import TINY, value
from vitgraph.blocks import BatchNorm

rows = pytest.mark.parametrize("name", TINY)

POLICIES = {"mixed_float16": 2.0**-11, "float16": 2.0**-11, "mixed_bfloat16": 2.0**-8}
"""The largest relative error of one rounding."""


UNNORMED = {
    "visformer": "products of queries and keys that nothing but fresh moving statistics normed, of pixels to 255"
}
"""Nets that overflow in float16 before a training: by what. In training, where a batch norms itself, they don't."""


def pictures(height, width):
    """{kind: two images}."""
    noise = np.random.default_rng(0).random((2, height, width, 3)).astype("float32")
    half, normalised = noise.copy(), (noise - 0.45) / 0.225
    half[:, :, width // 2 :] = 0.0
    normalised[:, : height // 4] = -2.0
    constant = np.full_like(noise, 0.7) * np.array([1.0, 0.3], "float32")[:, None, None, None]
    return {
        "black": 0 * noise,
        "half black": half,
        "normalised and framed": normalised,
        "constant": constant,
        "unscaled": np.round(255 * noise),
    }


def scores_and_gradients(model, x, training):
    with tf.GradientTape() as tape:
        scores = model(x, training=training)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(np.arange(2), scores)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    found = {v.path: g for v, g in zip(model.trainable_variables, gradients, strict=True) if g is not None}
    return value(scores), value(loss), {path: value(g).astype("float64") for path, g in found.items()}


def length(gradients):
    return np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))


def distance(one, other):
    return length({path: one[path] - other[path] for path in other})


@pytest.mark.heavy
@rows
def test_scores_loss_and_gradients_are_near_those_of_float32(name):
    """As near as 16 roundings per node, and 100 there and back; where moving statistics norm, if those of batches do.

    A batch's own take its mean away from the gradient, of which rounding is all that is left in images of one colour.
    """
    odd = (64, 64) if TINY[name].tied else (75, 52)
    for size, policy, kinds in (
        ((64, 64), "mixed_float16", ("black", "normalised and framed")),
        ((64, 64), "mixed_bfloat16", ("half black",)),
        (odd, "float16", ("constant", "unscaled")),
    ):
        exact, net = (TINY[name].build((*size, 3), dtype=dtype) for dtype in ("float32", policy))
        for variable in exact.weights:
            # Some begin around 1e-6, of which float16 holds four bits; of a black image they are all that there is.
            if variable.name == "token" or variable.name == "bias" and 0 < np.abs(value(variable)).max() < 1e-4:
                variable.assign(np.sign(variable) * 0.02)
        batch_norms = any(isinstance(layer, BatchNorm) for layer in exact.layers)
        near = POLICIES[policy] * len(net.layers) ** 0.5
        for kind in kinds:
            x, case = pictures(*size)[kind], (size, policy, kind)
            net.set_weights(exact.get_weights())
            if batch_norms:
                in_training = scores_and_gradients(net, x, training=True)
                assert all(np.isfinite(array).all() for array in keras.tree.flatten(in_training)), case
                net.set_weights(exact.get_weights())
            if name in UNNORMED and kind == "unscaled":
                continue
            expected = scores_and_gradients(exact, x, training=not batch_norms)
            actual = scores_and_gradients(net, x, training=not batch_norms)
            assert all(np.isfinite(array).all() for array in keras.tree.flatten(actual)), case
            if not TINY[name].discrete:
                assert np.linalg.norm(actual[0] - expected[0]) <= 4 * near * np.linalg.norm(expected[0]), case
                assert abs(actual[1] - expected[1]) <= 2 * near, case
                assert distance(actual[2], expected[2]) <= 10 * near * length(expected[2]), case


@pytest.mark.parametrize("kind", ["black", "half black"])
@pytest.mark.parametrize("name", ["crossformer", "mobilevit", "pvt_v2", "scalablevit", "swin", "twins_svt"])
def test_training_with_a_loss_scale_takes_its_steps(name, kind):
    """`compile` scales the loss; steps that it leaves out, while it finds its scale, are few."""
    model, x = TINY[name].build(dtype="mixed_float16"), pictures(64, 64)[kind]
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    for _ in range(8):
        model.train_on_batch(x, np.arange(2))
    assert int(model.optimizer.inner_optimizer.iterations) >= 3
    assert all(np.isfinite(array).all() for array in model.get_weights())
