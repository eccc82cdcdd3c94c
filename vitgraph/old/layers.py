"""Functions that connect layers: what several architectures wire alike.

Each takes a tensor of the graph and gives the next one; `name` is the name, or the beginning of the names, of the
nodes that it adds.
"""

from keras import layers

from vitgraph.blocks import (
    GELU,
    BatchNorm,
    CrossAttention,
    LayerNorm,
    PadToMultiple,
    PatchConv2D,
    QuickGELU,
    TakeToken,
    ToMap,
)
from vitgraph.blocks.base import is_static, pair
from vitgraph.blocks.initializers import TruncatedNormal, fan_out

ACTIVATIONS = ("gelu", "gelu_tanh", "quick_gelu", "relu", "silu", "hard_silu", "relu6")


def layer_norm(x, epsilon, name, init=1.0):
    return LayerNorm(epsilon, init, name=name)(x)


def rms_norm(x, epsilon, name):
    return layers.RMSNormalization(epsilon=epsilon, name=name)(x)


def dense(x, units, name, use_bias=True, initializer=None):
    return dense_layer(units, name, use_bias, initializer)(x)


def dense_layer(units, name, use_bias=True, initializer=None):
    """The layer itself, where it is called more than once."""
    initializer = initializer or TruncatedNormal(stddev=0.02)
    return layers.Dense(units, use_bias=use_bias, kernel_initializer=initializer, name=name)


def conv(x, filters, kernel_size, strides, name, padding=0, use_bias=True):
    """A convolution with PyTorch's symmetric padding: 'same' would pad even inputs at the bottom and right only."""
    if padding:
        x = layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
    patches = not padding and kernel_size == strides
    layer = PatchConv2D if patches else layers.Conv2D
    initializer = fan_out(filters, kernel_size)
    return layer(filters, kernel_size, strides, use_bias=use_bias, kernel_initializer=initializer, name=name)(x)


def batch_norm(x, name, epsilon=1e-5, gamma="ones", axis=-1):
    """PyTorch's defaults: its momentum 0.1 is what Keras calls 0.9. `gamma` is the initializer of the scale."""
    return BatchNorm(axis, momentum=0.9, epsilon=epsilon, gamma_initializer=gamma, name=name)(x)


def conv_norm(x, filters, kernel_size, strides, name, padding=0, epsilon=1e-5):
    """A convolution without a bias, and the batch norm that follows it (`name`_norm)."""
    x = conv(x, filters, kernel_size, strides, name, padding, use_bias=False)
    return batch_norm(x, f"{name}_norm", epsilon)


def planned_size(image, img_size):
    """The image size whose grid a position table has: `img_size`, else the image's own, else 224 x 224."""
    if img_size is not None:
        return pair(img_size)
    return tuple(image.shape[1:3]) if is_static(*image.shape[1:3]) else (224, 224)


def dense_norm(x, units, name, gamma="ones"):
    """A linear layer without a bias, and the batch norm that follows it (`name`_norm)."""
    x = dense(x, units, name, use_bias=False)
    return batch_norm(x, f"{name}_norm", gamma=gamma)


def pad_to_patch(x, patch_size, name="pad"):
    """Zeros at the bottom and the right of an image that patches don't divide; no node where they surely do."""
    rows, columns = pair(patch_size)
    divisible = all(n and n % size == 0 for n, size in zip(x.shape[1:3], (rows, columns), strict=True))
    return x if divisible else PadToMultiple((rows, columns), name=name)(x)


def activation(x, kind, name):
    """One of `ACTIVATIONS`; "gelu" is the exact one."""
    if kind in ("gelu", "gelu_tanh"):
        return GELU(approximate=kind == "gelu_tanh", name=name)(x)
    if kind == "quick_gelu":
        return QuickGELU(name=name)(x)
    return layers.Activation(kind, name=name)(x)


def dropout(x, rate, name):
    """A node only where something is dropped: it has no weights, so no other name depends on it."""
    return layers.Dropout(rate, name=name)(x) if rate else x


def mlp(x, hidden, act, name, drop=0.0, initializer=None):
    """fc1, activation, fc2: (..., C) -> (..., C)."""
    dim = x.shape[-1]
    x = dense(x, hidden, f"{name}_fc1", initializer=initializer)
    x = activation(x, act, f"{name}_act")
    x = dropout(x, drop, f"{name}_drop")
    return dense(x, dim, f"{name}_fc2", initializer=initializer)


def spatial_reduction(x, ratio, name):
    """A map (B, H, W, C) whose sides are `ratio` times smaller: convolution and norm; with 1, the map as it is."""
    if ratio == 1:
        return x
    return layer_norm(conv(x, x.shape[-1], ratio, ratio, f"{name}_sr"), 1e-5, f"{name}_norm")


def cross_attention(x, source, num_heads, name, qkv_bias=True, drop=0.0, qk_scale=None):
    """q from x (B, ..., C), kv from `source` (B, ..., C), softmax attention, proj: -> (B, ..., C)."""
    dim = x.shape[-1]
    q = dense(x, dim, f"{name}_q", qkv_bias)
    kv = dense(source, 2 * dim, f"{name}_kv", qkv_bias)
    x = CrossAttention(num_heads, qk_scale, drop, name=name)(q, kv)
    return dense(x, dim, f"{name}_proj")


def head(x, num_classes, classifier_activation, drop_rate=0.0):
    """(B, C) -> (B, num_classes): dropout, `head`, and `predictions`."""
    x = dropout(x, drop_rate, "head_drop")
    return predictions(dense(x, num_classes, "head"), classifier_activation)


def predictions(logits, classifier_activation):
    """The activation, in float32 under any dtype policy: (B, num_classes) -> (B, num_classes)."""
    return layers.Activation(classifier_activation or "linear", dtype="float32", name="predictions")(logits)


def map_top(x, *, include_top, num_classes, classifier_activation, pooling, drop_rate):
    """The end of a hierarchical net: the map (B, H, W, C), its mean or maximum (B, C), or the class scores."""
    x = map_pool(x, "avg" if include_top else pooling)
    return head(x, num_classes, classifier_activation, drop_rate) if include_top else x


def map_pool(x, pooling):
    """The map (B, H, W, C), or its mean or maximum (B, C)."""
    if pooling == "avg":
        return layers.GlobalAveragePooling2D(name="pool")(x)
    if pooling == "max":
        return layers.GlobalMaxPooling2D(name="pool")(x)
    return x


def token_top(x, grid, *, include_top, pooling, **top):
    """The end of a net that may have a class token: for tokens (B, 1 + H W, C) that token, for a map see `map_top`.

    Without a top and with another pooling the tokens become a map, which is as large as `grid` (B, H, W, .).
    """
    tokens = len(x.shape) == 3
    if tokens and (include_top or pooling == "token"):
        x = TakeToken(name="pool")(x)
        return head(x, top["num_classes"], top["classifier_activation"], top["drop_rate"]) if include_top else x
    if tokens:
        x = ToMap(1, name="map")(x, grid)
    return map_top(x, include_top=include_top, pooling=pooling, **top)


def drop_path_rates(rate, depth):
    """Stochastic depth grows linearly from 0 at the first block to `rate` at the last."""
    return [rate * i / max(depth - 1, 1) for i in range(depth)]
