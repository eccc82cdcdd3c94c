"""Functions that connect layers: what several architectures wire alike.

Each takes a tensor of the graph and returns the next one; `name` is the name, or the beginning of the names, of the
nodes that it adds.
"""

import typing

from keras import layers

from vitgraph.blocks import (
    GELU,
    BatchNorm,
    CrossAttention,
    LayerNorm,
    PadToMultiple,
    PatchConv2D,
    QuickGELU,
    RMSNorm,
)
from vitgraph.blocks.base import pair
from vitgraph.blocks.initializers import TruncatedNormal, fan_out
from vitgraph.contract import Act

ACTIVATIONS = typing.get_args(Act)


def layer_norm(x, epsilon, name, init=1.0):
    return LayerNorm(epsilon, init, name=name)(x)


def rms_norm(x, epsilon, name):
    return RMSNorm(epsilon=epsilon, name=name)(x)


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


def mlp(x, hidden, act, name, drop_rate=0.0, initializer=None):
    """fc1, activation, fc2: (..., C) -> (..., C)."""
    dim = x.shape[-1]
    x = dense(x, hidden, f"{name}_fc1", initializer=initializer)
    x = activation(x, act, f"{name}_act")
    x = dropout(x, drop_rate, f"{name}_drop")
    return dense(x, dim, f"{name}_fc2", initializer=initializer)


def spatial_reduction(x, ratio, name):
    """A map (B, H, W, C) reduced `ratio` times along each side by a convolution and a norm; 1 leaves it as it is."""
    if ratio == 1:
        return x
    return layer_norm(conv(x, x.shape[-1], ratio, ratio, f"{name}_sr"), 1e-5, f"{name}_norm")


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
