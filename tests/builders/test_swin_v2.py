"""Swin V2's ideas against their definitions, spelled out in numpy; and what follows: weights for any windows."""

import math

import numpy as np
import pytest
import tensorflow as tf

import vitgraph
from tests.variants import TINY, assert_close, images, shared, take_weights, value, with_random_weights
from vitgraph import blocks

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def array(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


@pytest.mark.parametrize("use_bias", [True, False])
def test_cosine_qkv(use_bias):
    layer, x = blocks.CosineQKV(2, use_bias), array(3, 5, 24)
    x[0, 0] = 0  # a position that padding added
    layer(x)
    with_random_weights(layer)
    layer.logit_scale.assign([math.log(7.0), 9.0])  # the second is over log(100)
    zero = np.zeros(8, "float32")
    biases = (value(layer.q_bias), zero, value(layer.v_bias)) if use_bias else (zero, zero, zero)
    q, k, v = (part + bias for part, bias in zip(np.split(x, 3, axis=-1), biases, strict=True))
    q, k = (part.reshape(3, 5, 2, 4) for part in (q, k))
    q, k = (part / np.maximum(np.linalg.norm(part, axis=-1, keepdims=True), 1e-12) for part in (q, k))
    q = q * np.array([7.0, 100.0])[:, None]
    expected = np.concatenate([q.reshape(3, 5, 8), k.reshape(3, 5, 8), v], axis=-1)
    np.testing.assert_allclose(layer(x), expected, **CLOSE)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("window", "reference", "size", "clipped"),
    [
        ((4, 3), 0, (8, 9), (4, 3)),
        ((4, 3), 6, (8, 9), (4, 3)),
        ((4, 3), 0, (2, 9), (2, 3)),
        (4, (1, 8), (5, 1), (4, 1)),
    ],
)
def test_window_offsets(window, reference, size, clipped, known):
    layer = blocks.WindowOffsets(window, reference)
    rows, columns = clipped
    expected = []
    for i in range(1 - rows, rows):
        for j in range(1 - columns, columns):
            for offset, used, trained in zip((i, j), clipped, layer.reference, strict=True):
                scaled = 8 * offset / max((trained or used) - 1, 1)
                expected.append(math.copysign(math.log2(1 + abs(scaled)) / math.log2(8), scaled))
    x = array(1, *size, 3)
    signature = [tf.TensorSpec(x.shape if known else (None, None, None, 3))]
    actual = tf.function(layer, input_signature=signature)(x)
    np.testing.assert_allclose(actual, np.reshape(expected, (1, -1, 2)), **CLOSE)


@pytest.mark.parametrize(("size", "shift"), [((8, 9), (0, 0)), ((8, 9), (2, 1)), ((7, 5), (2, 1))])
def test_continuous_window_bias_reads_its_table_as_window_bias_does(size, shift):
    table, x = array(35, 2), array(1, *size, 3)
    discrete = blocks.WindowBias((4, 3), 2, shift)
    discrete(x)
    discrete.table.assign(16 / (1 + np.exp(-table)))
    continuous = blocks.ContinuousWindowBias((4, 3), shift)
    np.testing.assert_allclose(continuous(table[None], x), discrete(x), **CLOSE)


def test_weights_fit_windows_of_any_size():
    """No variable has another shape, and with the window of before as reference all offsets mean what they meant."""
    model = take_weights(TINY["swin_v2"].build(window_sizes=8, pretrained_window_sizes=(4, 6)), "swin_v2")
    before = shared("swin_v2").get_layer("stage_1_block_0_attn_bias").output
    assert before.shape[-1] == 16 and model.get_layer("stage_1_block_0_attn_bias").output.shape[-1] == 64
    old, new = (
        value(vitgraph.blocks.GraphModel(net.input, net.get_layer("stage_1_block_0_attn_bias").output)(images()))
        for net in (shared("swin_v2"), model)
    )
    corner = np.arange(64).reshape(8, 8)[:4, :4].reshape(-1)
    assert_close(new[:, :, corner][..., corner], old)


def test_blocks_start_as_identities():
    """The norms at the end of branches start at 0."""
    model = TINY["swin_v2"].build()
    stream = vitgraph.blocks.GraphModel(
        model.input, [model.get_layer(name).output for name in ("patch_norm", "stage_1")]
    )
    start, end = stream(images())
    np.testing.assert_array_equal(start, end)


@pytest.mark.parametrize("kind", ["black", "half black", "photograph"])
def test_float16(kind):
    """Windows that padding fills up have keys without a length; black images have nothing else."""
    x = np.abs(images(2, 64, 96))
    x[:, :, : {"black": 96, "half black": 48, "photograph": 0}[kind]] = 0.0
    models, gradients = [], []
    for dtype in ("float32", "mixed_float16"):
        model = vitgraph.build_swin_v2(
            (64, 96, 3), dim=16, depths=(2, 2), num_heads=(2, 4), window_sizes=7, dtype=dtype,
            classifier_activation=None, num_classes=5,
        )  # fmt: skip
        models.append(model if not models else _same_weights(model, models[0]))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(x, training=True) ** 2)
        gradients.append(tape.gradient(loss, [v.value for v in model.trainable_variables]))
    np.testing.assert_allclose(models[1](x), models[0](x), atol=1e-2)
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-2 * max(1.0, np.abs(one).max()))


def _same_weights(model, other):
    model.set_weights(other.get_weights())
    return model
