"""Half precision on pictures that are hard for it, with the weights that a training begins with."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.variants import EVERY_LAYER, TINY, value
from vitgraph.blocks import BatchNorm

layer_rows = pytest.mark.parametrize("name", EVERY_LAYER)

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


def scores_and_gradients(model, batches, training):
    """(scores, loss, gradients) of each batch, from one pass through the net: only the way back is its own."""
    with tf.GradientTape(persistent=True) as tape:
        scores = tf.split(model(np.concatenate(batches), training=training), len(batches))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        losses = [loss(np.arange(2), one) for one in scores]
    answers = []
    for one, loss in zip(scores, losses, strict=True):
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        found = {v.path: g for v, g in zip(model.trainable_variables, gradients, strict=True) if g is not None}
        answers.append((value(one), value(loss), {path: value(g).astype("float64") for path, g in found.items()}))
    return answers


def length(gradients):
    return np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))


def distance(one, other):
    return length({path: one[path] - other[path] for path in other})


def assert_finite(answer, case):
    assert all(np.isfinite(array).all() for array in keras.tree.flatten(answer)), case


CASES = {
    "mixed_float16": ("black", "normalised and framed"),
    "mixed_bfloat16": ("half black",),
    "float16": ("constant", "unscaled"),
}


@pytest.mark.heavy
@layer_rows
def test_scores_loss_and_gradients_are_near_those_of_float32(name):
    """As near as 16 roundings per node, and 100 there and back; where moving statistics norm, if those of batches do.

    A batch's own take its mean away from the gradient, of which rounding is all that is left in images of one colour.
    Each layer keeps its numbers within a policy by itself, so those that have every layer stand for all.
    """
    size = (64, 64) if TINY[name].tied else (75, 52)
    exact, kinds = TINY[name].build((*size, 3)), pictures(*size)
    for variable in exact.weights:
        # Some begin around 1e-6, of which float16 holds four bits; of a black image they are all that there is.
        if variable.name == "token" or variable.name == "bias" and 0 < np.abs(value(variable)).max() < 1e-4:
            variable.assign(np.sign(variable) * 0.02)
    weights, batch_norms = exact.get_weights(), any(isinstance(layer, BatchNorm) for layer in exact.layers)
    expected = dict(zip(kinds, scores_and_gradients(exact, [*kinds.values()], not batch_norms), strict=True))
    for policy, chosen in CASES.items():
        net = TINY[name].build((*size, 3), dtype=policy)
        if batch_norms:
            for kind in chosen:
                net.set_weights(weights)
                assert_finite(scores_and_gradients(net, [kinds[kind]], training=True), (policy, kind))
        net.set_weights(weights)
        chosen = [kind for kind in chosen if not (name in UNNORMED and kind == "unscaled")]
        near = POLICIES[policy] * len(net.layers) ** 0.5
        answers = scores_and_gradients(net, [kinds[kind] for kind in chosen], not batch_norms)
        for kind, (scores, loss, gradients) in zip(chosen, answers, strict=True):
            case = (policy, kind)
            assert_finite((scores, loss, gradients), case)
            if not TINY[name].discrete:
                exact_scores, exact_loss, exact_gradients = expected[kind]
                assert np.linalg.norm(scores - exact_scores) <= 4 * near * np.linalg.norm(exact_scores), case
                assert abs(loss - exact_loss) <= 2 * near, case
                assert distance(gradients, exact_gradients) <= 10 * near * length(exact_gradients), case


@pytest.mark.parametrize("name", ["crossformer", "mobilevit", "pvt_v2", "scalablevit", "swin", "twins_svt"])
def test_training_with_a_loss_scale_takes_its_steps(name):
    """`compile` scales the loss; steps that it leaves out, while it finds its scale, are few."""
    model = TINY[name].build(dtype="mixed_float16")
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    fresh = [value(variable) for variable in (*model.weights, *model.optimizer.variables)]
    for kind in ("black", "half black"):
        for variable, begin in zip((*model.weights, *model.optimizer.variables), fresh, strict=True):
            variable.assign(begin)
        for _ in range(8):
            model.train_on_batch(pictures(64, 64)[kind], np.arange(2))
        assert int(model.optimizer.inner_optimizer.iterations) >= 3, kind
        assert all(np.isfinite(array).all() for array in model.get_weights()), kind
