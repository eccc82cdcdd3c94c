"""Do the layers compute what their definitions say? Each is compared with the definition, spelled out in numpy."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.variants import value, with_random_weights
from vitgraph import blocks
from vitgraph.blocks.positions.resampling import interpolation_matrix

CLOSE = {"rtol": 1e-5, "atol": 1e-5}  # float32 sums of a few hundred products of order 1


def array(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def depthwise(x, kernel, bias, stride, padding=None):
    """A weighted sum over the neighbours of every stride-th position; outside there are zeros."""
    rows, columns = kernel.shape[:2]
    up, left = (rows // 2, columns // 2) if padding is None else (padding, padding)
    padded = np.pad(x, ((0, 0), (up, up), (left, left), (0, 0)))
    height, width = ((n - k) // stride + 1 for n, k in zip(padded.shape[1:3], (rows, columns), strict=True))
    out = np.empty((len(x), height, width, x.shape[-1] * kernel.shape[-1]))
    for i, j in itertools.product(range(height), range(width)):
        window = padded[:, i * stride : i * stride + rows, j * stride : j * stride + columns]
        out[:, i, j] = np.einsum("bijc,ijcm->bcm", window, kernel).reshape(len(x), -1) + bias
    return out


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("kernel_size", [3, 5, 7, (3, 5)])
def test_depthwise_convolution(kernel_size, strides, jit):
    layer = blocks.DepthwiseConv2D(kernel_size, strides)
    x = array(2, 7, 10, 4)
    layer.build(x.shape)
    with_random_weights(layer)
    actual = tf.function(layer, jit_compile=jit)(x)
    np.testing.assert_allclose(actual, depthwise(x, value(layer.kernel), value(layer.bias), strides), **CLOSE)


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize(("kernel_size", "strides", "padding"), [(3, 1, 0), (3, 2, 2), (2, 2, 0), (3, 2, 1)])
def test_depthwise_convolution_with_another_padding_and_several_outputs(kernel_size, strides, padding, jit):
    layer = blocks.DepthwiseConv2D(kernel_size, strides, padding=padding, depth_multiplier=2)
    x = array(2, 7, 10, 4)
    layer.build(x.shape)
    with_random_weights(layer)
    assert layer.kernel.shape == (kernel_size, kernel_size, 4, 2)
    actual = tf.function(layer, jit_compile=jit)(x)
    expected = depthwise(x, value(layer.kernel), value(layer.bias), strides, padding)
    np.testing.assert_allclose(actual, expected, **CLOSE)
    assert actual.shape == layer.compute_output_shape(x.shape)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("kernel_size", [3, 5, 7])
def test_depthwise_gradients(kernel_size, strides):
    """The same in every form, and right: those of the input and the kernel say how a linear map changes."""
    layer = blocks.DepthwiseConv2D(kernel_size, strides)
    x, change = tf.constant(array(2, 7, 10, 4)), array(2, 7, 10, 4, seed=1)
    y = layer(x)
    pull = array(*y.shape, seed=2)

    def gradients():
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) * pull)
        return tape.gradient(loss, [x, layer.kernel.value, layer.bias.value])

    forms = [gradients(), tf.function(gradients)(), tf.function(gradients, jit_compile=True)()]
    for form in forms[1:]:
        for one, other in zip(form, forms[0], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    grow = depthwise(change, value(layer.kernel), 0.0, strides)
    np.testing.assert_allclose(np.sum(forms[0][0] * change), np.sum(grow * pull), rtol=1e-3)
    np.testing.assert_allclose(
        np.sum(forms[0][1] * value(layer.kernel)), np.sum((value(y) - value(layer.bias)) * pull), rtol=1e-3
    )
    np.testing.assert_allclose(forms[0][2], pull.sum((0, 1, 2)), rtol=1e-4, atol=1e-4)


GEOMETRIES = [  # map, window, shift
    ((8, 8), (4, 4), (0, 0)),
    ((8, 8), (4, 4), (2, 2)),
    ((8, 12), (4, 6), (2, 3)),
    ((7, 10), (4, 4), (2, 2)),
    ((3, 8), (4, 4), (2, 2)),
    ((4, 4), (4, 4), (2, 2)),
    ((3, 3), (7, 7), (3, 3)),
]

geometries = pytest.mark.parametrize(("size", "window", "shift"), GEOMETRIES)


def clipped(size, window, shift):
    """A window is no larger than the map; where one covers it there is no shift."""
    shift = tuple(s if n > w else 0 for n, w, s in zip(size, window, shift, strict=True))
    return tuple(map(min, size, window)), shift


def windows_of(size, window, shift):
    """For each window, the map's positions in it, row by row; None for padding."""
    (height, width), (rows, columns) = size, window
    for top, left in itertools.product(range(0, height, rows), range(0, width, columns)):
        places = itertools.product(range(top, top + rows), range(left, left + columns))
        yield [
            ((i + shift[0]) % height, (j + shift[1]) % width) if i < height and j < width else None for i, j in places
        ]


@geometries
@pytest.mark.parametrize("known", [True, False])
def test_windows(size, window, shift, known):
    x = array(2, *size, 3)
    signature = [tf.TensorSpec(x.shape if known else (None, None, None, 3))]
    partition = blocks.WindowPartition(window, shift)
    reverse = blocks.WindowReverse(window, shift)
    actual = value(tf.function(partition, input_signature=signature)(x))
    places = list(windows_of(size, *clipped(size, window, shift)))
    expected = [[x[(b, *place)] if place else np.zeros(3) for place in one] for b in range(2) for one in places]
    np.testing.assert_array_equal(actual, np.array(expected))
    there_and_back = tf.function(lambda x: reverse(partition(x), x), input_signature=signature)
    np.testing.assert_array_equal(there_and_back(x), x)


@geometries
@pytest.mark.parametrize("known", [True, False])
def test_window_bias(size, window, shift, known):
    """A row of the table for each offset; -100 between places that are neighbours only because the map was rolled."""
    layer = blocks.WindowBias(window, 2, shift)
    x = array(1, *size, 3)
    layer(x)
    with_random_weights(layer)
    table = value(layer.table).reshape(2 * window[0] - 1, 2 * window[1] - 1, 2)
    (rows, columns), shift = clipped(size, window, shift)
    counts = [-(-n // w) for n, w in zip(size, (rows, columns), strict=True)]
    expected = np.empty((counts[0] * counts[1], 2, rows * columns, rows * columns))
    tokens = list(itertools.product(range(rows), range(columns)))
    for n, (top, left) in enumerate(itertools.product(*map(range, counts))):
        ends = (counts[0] * rows - shift[0], counts[1] * columns - shift[1])
        wrapped = [(top * rows + i >= ends[0], left * columns + j >= ends[1]) for i, j in tokens]
        for (a, (i, j)), (b, (k, m)) in itertools.product(enumerate(tokens), repeat=2):
            offset = table[i - k + window[0] - 1, j - m + window[1] - 1]
            expected[n, :, a, b] = offset + (0 if wrapped[a] == wrapped[b] else -100)
    signature = [tf.TensorSpec(x.shape if known else (None, None, None, 3))]
    actual = value(tf.function(layer, input_signature=signature)(x))
    assert len(actual) in (1, len(expected))
    np.testing.assert_allclose(np.broadcast_to(actual, expected.shape), expected, **CLOSE)


@pytest.mark.parametrize("size", [(7, 7), (14, 21), (10, 16), (3, 5), (1, 50)])
def test_adaptive_average_pooling(size):
    """PyTorch's bins: from floor(i n / 7) to ceil((i + 1) n / 7)."""
    x = array(2, *size, 3)
    bins = [[slice(i * n // 7, -(-(i + 1) * n // 7)) for i in range(7)] for n in size]
    expected = np.array([[x[:, a, b].mean((1, 2)) for b in bins[1]] for a in bins[0]]).transpose(2, 0, 1, 3)
    layer = blocks.AdaptiveAveragePooling(7)
    np.testing.assert_allclose(layer(x), expected, **CLOSE)
    np.testing.assert_allclose(
        tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 3))])(x), expected, **CLOSE
    )


@pytest.mark.parametrize("kernel", ["bicubic", "bilinear"])
@pytest.mark.parametrize("antialias", [True, False])
def test_interpolation_matrix(kernel, antialias):
    options = {"kernel": kernel, "antialias": antialias}
    for old, new in ((14, 14), (14, 32), (14, 5), (7, 1), (1, 7), (16, 24)):
        matrix = interpolation_matrix(old, new, **options)
        assert matrix.shape == (new, old)
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
        np.testing.assert_allclose(matrix, matrix[::-1, ::-1], atol=1e-12)
        at_run_time = interpolation_matrix(tf.constant(old), tf.constant(new), **options)
        np.testing.assert_allclose(at_run_time, matrix, atol=1e-5)
    np.testing.assert_allclose(interpolation_matrix(14, 14, **options), np.eye(14), atol=1e-12)
    if antialias or kernel == "bilinear":  # a straight line stays one, but for the cubic with a = -0.75
        line = interpolation_matrix(16, 24, **options)[6:-6] @ np.arange(16)
        np.testing.assert_allclose(np.diff(line), 16 / 24, atol=1e-12)


def test_drop_path():
    """A sample's branch is kept whole with probability 3/4, and is 4/3 as large then."""
    layer = blocks.Residual(drop_path=0.25)
    x, branch = np.zeros((4096, 2, 3), "float32"), np.ones((4096, 2, 3), "float32")
    y = value(layer(x, branch, training=True))
    assert (y == y[:, :1, :1]).all()
    kept = y[:, 0, 0] > 0
    np.testing.assert_allclose(y[kept], 4 / 3, rtol=1e-6)
    deviation = (0.25 * 0.75 / 4096) ** 0.5
    assert abs(kept.mean() - 0.75) < 4 * deviation
    np.testing.assert_array_equal(layer(x, branch), branch)


def test_layer_scale_and_dropout():
    layer = blocks.Residual(init=0.1, dropout=0.5)
    x, branch = array(64, 5, 32), np.ones((64, 5, 32), "float32")
    np.testing.assert_allclose(layer(x, branch), x + 0.1, **CLOSE)
    layer.gamma.assign(np.arange(32.0))
    np.testing.assert_allclose(layer(x, branch), x + np.arange(32), **CLOSE)
    added = value(layer(np.zeros_like(x), branch, training=True))[..., 1:]
    np.testing.assert_array_equal(np.unique(added / np.arange(1, 32)), [0, 2])
    assert abs((added > 0).mean() - 0.5) < 4 * 0.5 / added.size**0.5


def softmax_attention(q, k, v, scale, bias=0.0):
    """(B, N, heads, d) thrice -> the values' means (B, N, heads d), and their weights (B, heads, N, M)."""
    scores = scale * np.einsum("bnhd,bmhd->bhnm", q, k) + bias
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("bhnm,bmhd->bnhd", weights, v).reshape(*q.shape[:2], -1), weights


def assert_attends(layer, inputs, expected):
    np.testing.assert_allclose(layer(*inputs), expected[0], **CLOSE)
    np.testing.assert_allclose(blocks.AttentionMap(layer)(inputs), expected[1], **CLOSE)


def test_self_attention():
    qkv = array(6, 5, 24)
    q, k, v = qkv.reshape(6, 5, 3, 2, 4).transpose(2, 0, 1, 3, 4)
    assert_attends(blocks.SelfAttention(2), [qkv], softmax_attention(q, k, v, 0.5))
    assert_attends(blocks.SelfAttention(2, scale=2.0), [qkv], softmax_attention(q, k, v, 2.0))
    bias = array(3, 2, 5, 5)
    assert_attends(blocks.SelfAttention(2), [qkv, bias], softmax_attention(q, k, v, 0.5, np.concatenate([bias, bias])))
    assert_attends(blocks.HeadsAttention(2), [q, k, v], softmax_attention(q, k, v, 0.5))
    for one, other in zip(blocks.SplitHeads(2)(qkv), (q, k, v), strict=True):
        np.testing.assert_array_equal(one, other)


def test_cross_attention():
    q, kv = array(2, 3, 4, 8), array(2, 5, 16)
    k, v = kv.reshape(2, 5, 2, 2, 4).transpose(2, 0, 1, 3, 4)
    mean, weights = softmax_attention(q.reshape(2, 12, 2, 4), k, v, 0.5)
    assert_attends(blocks.CrossAttention(2), [q, kv], (mean.reshape(2, 3, 4, 8), weights))


def test_attention_to_one_key():
    """The last stage of a PVT at 32 x 32: whatever the scores, the one value is the answer."""
    q, kv = array(2, 3, 8), array(2, 1, 16)
    expected = np.broadcast_to(kv[:, :, 8:], (2, 3, 8)), np.ones((2, 2, 3, 1))
    assert_attends(blocks.CrossAttention(2), [q, kv], expected)


def test_attention_dropout_keeps_the_mean():
    layer, qkv = blocks.SelfAttention(1, drop=0.5), array(1, 8, 24)
    q, k, v = qkv.reshape(1, 8, 3, 1, 8).transpose(2, 0, 1, 3, 4)
    mean, weights = softmax_attention(q, k, v, 8**-0.5)
    samples = np.stack([layer(qkv, training=True) for _ in range(256)])
    variance = np.einsum("bhnm,bmhd->bnhd", weights**2, v**2).reshape(mean.shape)
    assert (abs(samples.mean(0) - mean) < 5 * (variance / 256) ** 0.5).all()


@pytest.mark.parametrize("epsilon", [1e-6, 0.1])
def test_layer_norm(epsilon):
    layer, stock = blocks.LayerNorm(epsilon), keras.layers.LayerNormalization(epsilon=epsilon)
    x, pull = tf.constant(array(2, 5, 16)), array(2, 5, 16, seed=1)
    for norm in (layer, stock):
        norm.build(x.shape)
        with_random_weights(norm)
    exact = value(x).astype("float64")
    exact = (exact - exact.mean(-1, keepdims=True)) / np.sqrt(exact.var(-1, keepdims=True) + epsilon)
    np.testing.assert_allclose(layer(x), exact * value(layer.gamma) + value(layer.beta), **CLOSE)
    gradients = []
    for norm in (layer, stock):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(norm(x) * pull)
        gradients.append(tape.gradient(loss, [x, norm.gamma.value, norm.beta.value]))
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, **CLOSE)


def test_layer_norm_of_large_float16_values():
    """The squares of what goes in are no float16 numbers."""
    x = np.array([[-60000.0, 60000.0, 0.0, 0.0]], "float16")
    np.testing.assert_allclose(blocks.LayerNorm(dtype="mixed_float16")(x), [[-(2**0.5), 2**0.5, 0, 0]], rtol=2**-11)


def test_activations():
    x = np.linspace(-6, 6, 101, dtype="float32")[None]
    normal = np.array([0.5 * (1 + math.erf(u / 2**0.5)) for u in x[0]])
    np.testing.assert_allclose(blocks.GELU()(x)[0], x[0] * normal, **CLOSE)
    tanh = 0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)))
    np.testing.assert_allclose(blocks.GELU(approximate=True)(x), tanh, **CLOSE)
    np.testing.assert_allclose(blocks.QuickGELU()(x), x / (1 + np.exp(-1.702 * x)), **CLOSE)
    gated = np.concatenate([x, 2 * x], axis=-1)
    np.testing.assert_allclose(blocks.GatedActivation("silu")(gated), x / (1 + np.exp(-x)) * 2 * x, **CLOSE)


def test_gelu_by_tanh_in_float16():
    """Its cube overflows beyond 40, and the slope is there all the same."""
    x = np.concatenate([np.linspace(-12, 12, 97), [-300, -41, 41, 300, 60000]]).astype("float16")
    with tf.GradientTape() as tape:
        tape.watch(inputs := tf.constant(x))
        y = blocks.GELU(approximate=True, dtype="float16")(inputs)
    wide = x.astype("float64")
    tanh = np.tanh((2 / np.pi) ** 0.5 * (wide + 0.044715 * wide**3))
    slope = 0.5 * (1 + tanh) + 0.5 * wide * (1 - tanh**2) * (2 / np.pi) ** 0.5 * (1 + 3 * 0.044715 * wide**2)
    np.testing.assert_allclose(y, 0.5 * wide * (1 + tanh), rtol=4e-3, atol=4e-3)
    np.testing.assert_allclose(tape.gradient(y, inputs), slope, rtol=1e-2, atol=1e-2)


def test_rearrangements():
    x = np.arange(2 * 4 * 6 * 3, dtype="float32").reshape(2, 4, 6, 3)
    tokens = x.reshape(2, 24, 3)
    np.testing.assert_array_equal(blocks.ToTokens()(x), tokens)
    np.testing.assert_array_equal(blocks.ToMap()(tokens, x), x)
    np.testing.assert_array_equal(blocks.Patchify((2, 3))(x)[1, 1, 0], x[1, 2:4, 0:3].reshape(-1))
    merged = value(blocks.PatchMerging()(x[:, :3]))
    np.testing.assert_array_equal(merged[0, 0, 1], np.concatenate([x[0, i, j] for j in (2, 3) for i in (0, 1)]))
    np.testing.assert_array_equal(
        merged[0, 1, 1], np.concatenate([x[0, 2, 2], 0 * x[0, 0, 0], x[0, 2, 3], 0 * x[0, 0, 0]])
    )
    np.testing.assert_array_equal(blocks.PadToMultiple(4)(x), np.pad(x, ((0, 0), (0, 0), (0, 2), (0, 0))))
    prepend = blocks.PrependTokens(2)
    longer = value(prepend(tokens))
    np.testing.assert_array_equal(longer[1, :2], value(prepend.token)[0])
    np.testing.assert_array_equal(blocks.DropPrefix(2)(longer), tokens)
    np.testing.assert_array_equal(blocks.ToMap(2)(longer, x), x)
    np.testing.assert_array_equal(blocks.TakeToken(1)(tokens), tokens[:, 1])


def test_positions():
    x, grid = np.zeros((2, 13, 8), "float32"), np.zeros((2, 3, 4, 8), "float32")
    layer = blocks.PositionTable((3, 4), prefix=1)
    layer(x, grid)
    with_random_weights(layer)
    np.testing.assert_array_equal(layer(x, grid)[1], value(layer.table)[0])
    larger = value(layer(np.zeros((1, 49, 8), "float32"), np.zeros((1, 6, 8, 8), "float32")))
    np.testing.assert_array_equal(larger[0, 0], value(layer.table)[0, 0])
    sines = value(blocks.SinCosPosition()(x[:1, 1:], grid)).reshape(3, 4, 8)
    angles = np.array([1.0, 1e-4])
    for i, j in itertools.product(range(3), range(4)):
        expected = np.concatenate([np.sin(j * angles), np.cos(j * angles), np.sin(i * angles), np.cos(i * angles)])
        np.testing.assert_allclose(sines[i, j], expected, **CLOSE)


def test_levels():
    assert [blocks.Stage(stride).level for stride in (1, 4, 32, 14, (8, 16))] == [
        "P0", "P2", "P5", "stride_14", "stride_8x16",
    ]  # fmt: skip
    assert keras.saving.get_registered_name(blocks.Stage) == "vitgraph>Stage"
