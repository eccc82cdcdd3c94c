"""Does each fast path compute what the plain form does: values and gradients, in full and in half precision?

The plain form computes in float64 with the same inputs and weights, after these were rounded as the layer rounds them.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.variants import with_random_weights
from vitgraph import blocks
from vitgraph.blocks.attention import parts as attention_parts
from vitgraph.blocks.attention.talking_heads import mix

# In units of the last place of the largest number: sums of a hundred roundings, and the layer's own output is rounded.
ALLOWED = {"float32": 64 * 2**-23, "float16": 8 * 2**-10, "bfloat16": 8 * 2**-7}

MAP, TOKENS = (2, 7, 10, 4), (2, 9, 24)


def depthwise(x, kernel, bias, step, dilation=1, padding=None):
    rows, columns = padding or (k // 2 * dilation for k in kernel.shape[:2])
    padded = tf.pad(x, ((0, 0), (rows, rows), (columns, columns), (0, 0)))
    return tf.nn.depthwise_conv2d(padded, kernel, (1, step, step, 1), "VALID", dilations=(dilation, dilation)) + bias


def patch_convolution(x, kernel, bias):
    return tf.nn.conv2d(x, kernel, kernel.shape[0], "VALID") + bias


def dense_gelu(x, kernel, bias):
    x = tf.tensordot(x, kernel, 1) + bias
    return x * 0.5 * tf.math.erfc(-x / 2**0.5)


def layer_norm(x, gamma, beta, epsilon):
    mean, variance = tf.nn.moments(x, -1, keepdims=True)
    return (x - mean) / tf.sqrt(variance + epsilon) * gamma + beta


def patch_merging(x):
    x = tf.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)))
    return tf.concat([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], -1)


def attention(qkv, bias=None, heads=2):
    q, k, v = tf.unstack(tf.reshape(qkv, (*qkv.shape[:2], 3, heads, -1)), axis=2)
    scores = tf.einsum("bnhd,bmhd->bhnm", q, k) * q.shape[-1] ** -0.5
    weights = tf.nn.softmax(scores if bias is None else scores + bias)
    return tf.reshape(tf.einsum("bhnm,bmhd->bnhd", weights, v), (*qkv.shape[:2], -1))


def mixed_heads(maps, kernel, bias):
    return tf.einsum("bgnm,gh->bhnm", maps, kernel) + bias[:, None, None]


def dense_gelu_layers(dtype):
    return keras.Sequential([keras.layers.Dense(6, dtype=dtype), blocks.GELU(dtype=dtype)])


def dense_residual(x, kernel, bias):
    return x + tf.tensordot(x, kernel, 1) + bias


def dense_residual_layers(dtype):
    x = keras.Input(TOKENS[1:])
    return keras.Model(x, blocks.Residual(dtype=dtype)(x, keras.layers.Dense(TOKENS[-1], dtype=dtype)(x)))


def dense_attention(x, kernel, bias):
    return attention(tf.tensordot(x, kernel, 1) + bias)


def dense_attention_layers(dtype):
    return keras.Sequential([keras.layers.Dense(12, dtype=dtype), blocks.SelfAttention(2, dtype=dtype)])


class MixedHeads(keras.layers.Layer):
    """A mixture and what it does, in one."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.mixture = blocks.HeadMixture(3, dtype=self.dtype_policy)

    def call(self, maps):
        return mix(maps, self.mixture(maps))


class TrainingAttention(blocks.SelfAttention):
    """As it is in training."""

    def call(self, *inputs):
        return super().call(*inputs, training=True)


@pytest.fixture
def few_scores(monkeypatch):
    """Nine tokens are many: five parts of two queries, the last of them one short."""
    monkeypatch.setattr(attention_parts, "PART", 20)
    monkeypatch.setattr(attention_parts, "KEYS", 9)


ROWS = {  # the layer, the plain form, shapes of the inputs
    **{
        f"depthwise {size} step {step}": (
            functools.partial(blocks.DepthwiseConv2D, size, step),
            functools.partial(depthwise, step=step),
            (MAP,),
        )
        for size in (3, (3, 5))
        for step in (1, 2)
    },
    **{
        f"patch convolution {size}": (functools.partial(blocks.PatchConv2D, 6, size, size), patch_convolution, (MAP,))
        for size in (1, 2)
    },
    "depthwise dilated": (
        functools.partial(blocks.DepthwiseConv2D, 3, dilation_rate=2),
        functools.partial(depthwise, step=1, dilation=2),
        (MAP,),
    ),
    "depthwise in a wide row": (
        functools.partial(blocks.DepthwiseConv2D, 3),
        functools.partial(depthwise, step=1),
        ((2, 5, 36, 4),),
    ),
    "depthwise in much padding": (
        functools.partial(blocks.DepthwiseConv2D, 3, 2, padding=(4, 3)),
        functools.partial(depthwise, step=2, padding=(4, 3)),
        (MAP,),
    ),
    "GELU behind a bias": (dense_gelu_layers, dense_gelu, ((2, 3, 5, 8),)),
    "residual behind a bias": (dense_residual_layers, dense_residual, (TOKENS,)),
    "attention behind a bias": (dense_attention_layers, dense_attention, (TOKENS,)),
    "layer norm": (functools.partial(blocks.LayerNorm, 1e-3), functools.partial(layer_norm, epsilon=1e-3), (TOKENS,)),
    "patch merging": (blocks.PatchMerging, patch_merging, (MAP,)),
    "attention": (functools.partial(blocks.SelfAttention, 2), attention, (TOKENS,)),
    "attention in parts": (functools.partial(TrainingAttention, 2), attention, (TOKENS,)),
    "heads mixed": (MixedHeads, mixed_heads, ((2, 3, 5, 7),)),
    "attention with a bias": (functools.partial(blocks.SelfAttention, 2), attention, (TOKENS, (1, 2, 9, 9))),
}


def with_gradients(function, inputs, weights, pull):
    """What the function gives, and the gradients of its sum, times `pull`, by inputs and weights."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        tape.watch(weights)
        y = function()
        loss = tf.reduce_sum(tf.cast(y, pull.dtype) * pull)
    return [y, *tape.gradient(loss, [*inputs, *weights])]


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.usefixtures("few_scores")
def test_as_the_plain_form(row, jit, dtype):
    make, plain, shapes = ROWS[row]
    random = np.random.default_rng(0)
    layer = make(dtype="float32" if dtype == "float32" else f"mixed_{dtype}")
    inputs = [tf.cast(random.standard_normal(shape), dtype) for shape in shapes]
    pull = tf.cast(random.standard_normal(layer(*inputs).shape), "float32")
    with_random_weights(layer)
    weights = [weight.value for weight in layer.trainable_weights]
    run = tf.function(lambda: with_gradients(lambda: layer(*inputs), inputs, weights, pull), jit_compile=jit)

    exact = [tf.cast(tensor, "float64") for tensor in inputs]
    exact_weights = [tf.cast(tf.cast(weight, dtype), "float64") for weight in weights]
    pull = tf.cast(tf.cast(pull, dtype), "float64")
    expected = with_gradients(lambda: plain(*exact, *exact_weights), exact, exact_weights, pull)
    for actual, wanted in zip(run(), expected, strict=True):
        largest = np.abs(wanted).max()
        np.testing.assert_allclose(tf.cast(actual, "float64"), wanted, rtol=0, atol=ALLOWED[dtype] * largest)


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("shape", [MAP, TOKENS], ids=["map", "tokens"])
def test_batch_norm_in_training(shape, jit, dtype):
    """Keras' own layer is the plain form: also of what the moving statistics become."""
    layer = blocks.BatchNorm(epsilon=0.1, dtype="float32" if dtype == "float32" else f"mixed_{dtype}")
    plain = keras.layers.BatchNormalization(epsilon=0.1, dtype="float64")
    random = np.random.default_rng(0)
    x, pull = (tf.cast(tf.cast(1 + random.standard_normal(shape), dtype), "float64") for _ in range(2))
    for norm in (layer, plain):
        norm.build(shape)
    with_random_weights(layer)
    plain.set_weights(layer.get_weights())

    def step(norm, x):
        weights = [weight.value for weight in norm.trainable_weights]
        return [
            *with_gradients(lambda: norm(x, training=True), [x], weights, tf.cast(pull, norm.variable_dtype)),
            *norm.non_trainable_weights,
        ]

    actual = tf.function(lambda: step(layer, tf.cast(x, dtype)), jit_compile=jit)()
    for name, one, wanted in zip(("y", "x", "gamma", "beta", "mean", "variance"), actual, step(plain, x), strict=True):
        one, wanted = (keras.ops.convert_to_numpy(tensor).astype("float64") for tensor in (one, wanted))
        np.testing.assert_allclose(one, wanted, rtol=0, atol=ALLOWED[dtype] * np.abs(wanted).max(), err_msg=name)


@pytest.mark.parametrize("row", ["depthwise 3 step 1", "depthwise 3 step 2", "depthwise dilated"])
def test_depthwise_kernels_gradient_on_accelerators(row, monkeypatch):
    """The other form of the gradient, run on what is here."""
    monkeypatch.setattr("vitgraph.blocks.convolution.convolution.on_cpu", lambda: False)
    test_as_the_plain_form(row, True, "float32")


def test_depthwise_step_and_dilation_together_are_refused():
    with pytest.raises(ValueError, match="strides=2, dilation_rate=3"):
        blocks.DepthwiseConv2D(3, 2, dilation_rate=3)


@pytest.mark.parametrize("dtype", ALLOWED)
def test_layer_norm_as_tensorflow_fuses_it(dtype):
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    try:
        test_as_the_plain_form("layer norm", False, dtype)
    finally:
        tf.config.optimizer.set_experimental_options({"arithmetic_optimization": True})


ONE_OPERATION_EACH = """
import numpy, tensorflow as tf, vitgraph
from tensorflow.python.eager import context
tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
vit = vitgraph.build_vit((16, 16, 3), patch_size=8, dim=8, depth=2, num_heads=2, include_top=False)
with context.collect_graphs(optimized=True) as graphs:
    tf.function(lambda x: vit(x, training=False))(numpy.zeros((2, 16, 16, 3), "float32"))
nodes = [node for graph in graphs for node in graph.node]
products = [b"+".join(node.attr["fused_ops"].list.s).decode() for node in nodes if node.op == "_FusedMatMul"]
print(sum(node.op == "_MklLayerNorm" for node in nodes), *sorted(products))
"""


def test_what_onednn_computes_in_one_operation(fresh_process, monkeypatch):
    """Of two blocks: the norms, and products with the bias, activation or shortcut behind them."""
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    norms, *products = fresh_process(ONE_OPERATION_EACH).split()
    assert norms == "5"
    assert products == ["BiasAdd"] * 2 + ["BiasAdd+Add"] * 4 + ["BiasAdd+GeluExact"] * 2


def attention_shapes(layer, tokens):
    """The shapes of all tensors of a training step's graph, those within its loops too."""
    step = tf.function(lambda x: with_gradients(lambda: layer(x), [x], [], tf.ones((1, 1, 1))), autograph=False)
    graph = step.get_concrete_function(tf.TensorSpec((None, tokens, 24))).graph.as_graph_def(add_shapes=True)
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    shapes = [shape for node in nodes for shape in node.attr["_output_shapes"].list.shape]
    return {tuple(axis.size for axis in shape.dim) for shape in shapes}


@pytest.mark.usefixtures("few_scores")
def test_no_tensor_of_attention_in_parts_grows_with_the_square_of_the_tokens():
    for tokens in (9, 8):
        many = tokens == 9
        shapes = attention_shapes(TrainingAttention(2), tokens)
        assert any(shape[-2:] == (tokens, tokens) for shape in shapes) != many
        assert any(shape[-2:] == (2, tokens) for shape in shapes) == many


FUSED = """
import keras, numpy, vitgraph
ops = keras.ops
for dtype, allowed in (("float32", 1e-5), ("bfloat16", 0.03)):
    core = vitgraph.blocks.SelfAttention(2, dtype=dtype)
    qkv = ops.convert_to_tensor(numpy.random.default_rng(0).standard_normal((2, 9, 24)), dtype)
    values = ops.reshape(qkv[..., 16:], (2, 9, 2, 4))
    weights = core.probabilities(qkv)
    plain = ops.reshape(ops.einsum("bhnm,bmhd->bnhd", weights, ops.cast(values, "float32")), (2, 9, 8))
    print(float(ops.max(ops.abs(ops.cast(core(qkv), "float32") - plain))) < allowed)
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_fused_attention(backend, fresh_process, monkeypatch):
    """`dot_product_attention` of the other backends, beside the product of the probabilities and the values."""
    monkeypatch.setenv("KERAS_BACKEND", backend)
    assert fresh_process(FUSED).split() == ["True", "True"]
