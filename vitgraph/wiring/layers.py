"""Functions that connect layers: what several architectures wire alike.

Each takes a tensor of the graph and returns the next one; `name` is the name, or the beginning of the names, of the
nodes that it adds.
"""

import math
import typing

from keras import layers

from vitgraph.blocks import (
    GELU,
    BatchNorm,
    CrossAttention,
    GroupedConv2D,
    LayerNorm,
    PadToMultiple,
    PatchConv2D,
    QuickGELU,
    RMSNorm,
)
from vitgraph.blocks.base import pair
from vitgraph.blocks.initializers import initial_linear
from vitgraph.contract import Act

ACTIVATIONS = typing.get_args(Act)


def layer_norm(x, epsilon, name, init=1.0):
    return LayerNorm(epsilon, init, name=name)(x)


def rms_norm(x, epsilon, name):
    return RMSNorm(epsilon=epsilon, name=name)(x)


def dense(x, units, name, use_bias=True):
    return dense_layer(x.shape[-1], units, name, use_bias)(x)


def dense_layer(dim, units, name, use_bias=True):
    """The layer itself, for inputs (..., dim), where it is called more than once."""
    kernel, bias = initial_linear("dense", name, dim, units)
    return layers.Dense(units, use_bias=use_bias, kernel_initializer=kernel, bias_initializer=bias, name=name)


def conv(x, filters, kernel_size, strides, name, padding=0, use_bias=True):
    """A convolution with PyTorch's symmetric padding: 'same' would pad even inputs at the bottom and right only."""
    if padding:
        x = layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
    patches = not padding and kernel_size == strides
    layer = PatchConv2D if patches else layers.Conv2D
    positions = math.prod(pair(kernel_size))
    kernel, bias = initial_linear("conv", name, positions * x.shape[-1], positions * filters)
    initializers = {"kernel_initializer": kernel, "bias_initializer": bias}
    return layer(filters, kernel_size, strides, use_bias=use_bias, **initializers, name=name)(x)


def grouped_conv(x, filters, kernel_size, groups, name):
    """A convolution without a bias whose filters see one of `groups` parts of the channels each; the map's size stays.

    The kernel is odd.
    """
    positions = kernel_size**2
    kernel, _ = initial_linear("conv", name, positions * x.shape[-1] // groups, positions * filters)
    options = {"padding": "same", "groups": groups, "use_bias": False, "kernel_initializer": kernel}
    return GroupedConv2D(filters, kernel_size, **options, name=name)(x)


def batch_norm(x, name, epsilon=1e-5, gamma="ones", axis=-1):
    """PyTorch's defaults: its momentum 0.1 is what Keras calls 0.9. `gamma` is the initializer of the scale."""
    return BatchNorm(axis, momentum=0.9, epsilon=epsilon, gamma_initializer=gamma, name=name)(x)


def conv_norm(x, filters, kernel_size, strides, name, padding=0, epsilon=1e-5, gamma="ones"):
    """A convolution without a bias, and the batch norm that follows it (`name`_norm)."""
    x = conv(x, filters, kernel_size, strides, name, padding, use_bias=False)
    return batch_norm(x, f"{name}_norm", epsilon, gamma)


def dense_norm(x, units, name, gamma="ones"):
    """A linear layer without a bias, and the batch norm that follows it (`name`_norm)."""
    x = dense(x, units, name, use_bias=False)
    return batch_norm(x, f"{name}_norm", gamma=gamma)


def pad_to_patch(x, patch_size, name="pad"):
    """Pads an image with zeros at the bottom and the right to whole patches; no node if its size is known to fit."""
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
    """Adds a dropout layer only if the rate is over 0; it has no weights, so no other name changes."""
    return layers.Dropout(rate, name=name)(x) if rate else x


def mlp(x, hidden, act, name, drop_rate=0.0):
    """fc1, activation, fc2: (..., C) -> (..., C)."""
    dim = x.shape[-1]
    x = dense(x, hidden, f"{name}_fc1")
    x = activation(x, act, f"{name}_act")
    x = dropout(x, drop_rate, f"{name}_drop")
    return dense(x, dim, f"{name}_fc2")


def squeeze_excitation(x, squeezed, name, act="relu"):
    """Each channel of a map times a number from 0 to 1, from the means of all channels (arXiv:1709.01507)."""
    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    y = activation(conv(y, squeezed, 1, 1, f"{name}_fc1"), act, f"{name}_act")
    y = layers.Activation("sigmoid", name=f"{name}_gate")(conv(y, x.shape[-1], 1, 1, f"{name}_fc2"))
    return layers.Multiply(name=f"{name}_gated")([x, y])


def spatial_reduction(x, ratio, name, epsilon=1e-5):
    """A map (B, H, W, C) reduced `ratio` times along each side by a convolution and a norm; 1 leaves it as it is."""
    if ratio == 1:
        return x
    return layer_norm(conv(x, x.shape[-1], ratio, ratio, f"{name}_sr"), epsilon, f"{name}_norm")


def cross_attention(x, source, num_heads, name, *, qkv_bias=True, drop_rate=0.0, qk_scale=None):
    """q from x (B, ..., C), kv from `source` (B, ..., C), softmax attention, proj: -> (B, ..., C)."""
    dim = x.shape[-1]
    q = dense(x, dim, f"{name}_q", qkv_bias)
    kv = dense(source, 2 * dim, f"{name}_kv", qkv_bias)
    x = CrossAttention(num_heads, qk_scale, drop_rate, name=name)(q, kv)
    return dense(x, dim, f"{name}_proj")


def drop_path_rates(rate, depth):
    """Stochastic depth grows linearly from 0 at the first block to `rate` at the last."""
    return [rate * i / max(depth - 1, 1) for i in range(depth)]
