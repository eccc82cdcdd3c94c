"""PVT v2's stages, which MiT shares: overlapping patches, keys from a smaller map, convolutional feed-forwards."""

import math

from keras import layers

from vitgraph.blocks import DepthwiseConv2D, Residual, Stage
from vitgraph.contract import entries
from vitgraph.wiring.layers import activation, conv, cross_attention, dense, drop_path_rates, dropout, layer_norm


def overlapping_pyramid(
    x, dims, depths, num_heads, mlp_ratios, source, feed_forward, *, kernel_sizes=(), strides=(), qkv_bias=True,
    norm_eps=1e-6, proj_drop_rate=0.0, attn_drop_rate=0.0, drop_path_rate=0.0,
):  # fmt: skip
    """Image -> the last map (B, H, W, dims[-1]).

    Args:
        source: a function (x, i, name) -> the map that keys and values of stage i come from.
        feed_forward: a function (x, hidden, name) -> x, the feed-forward layer.
        kernel_sizes, strides: of the patches of each stage; empty: 7, then 3; 4, then 2.
    """
    kernels, steps = kernel_sizes or (7, *(3,) * (len(dims) - 1)), strides or (4, *(2,) * (len(dims) - 1))
    rates = iter(drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage = f"stage_{i + 1}"
        x = conv(x, dims[i], kernels[i], steps[i], f"{stage}_embed", padding=kernels[i] // 2)
        x = layer_norm(x, 1e-5, f"{stage}_embed_norm")
        for j in range(depth):
            block, drops = f"{stage}_block_{j}", {"drop_path": next(rates), "dropout": proj_drop_rate}
            y, attn = layer_norm(x, norm_eps, f"{block}_norm1"), f"{block}_attn"
            kv = source(y, i, attn)
            y = cross_attention(y, kv, num_heads[i], attn, qkv_bias=qkv_bias, drop_rate=attn_drop_rate)
            x = Residual(**drops, name=f"{block}_res1")(x, y)
            y = layer_norm(x, norm_eps, f"{block}_norm2")
            y = feed_forward(y, int(dims[i] * entries(mlp_ratios)[i]), f"{block}_mlp")
            x = Residual(**drops, name=f"{block}_res2")(x, y)
        x = layer_norm(x, norm_eps, f"{stage}_norm")
        x = Stage(math.prod(steps[: i + 1]), name=stage)(x)
    return x


def convolutional_mlp(x, hidden, name, act="gelu", relu=False, drop_rate=0.0):
    """A feed-forward layer with a depthwise 3x3 convolution before its activation, so that positions aren't needed.

    With `relu` a ReLU comes before the convolution too.
    """
    dim = x.shape[-1]
    x = dense(x, hidden, f"{name}_fc1")
    x = layers.ReLU(name=f"{name}_relu")(x) if relu else x
    x = DepthwiseConv2D(3, name=f"{name}_dwconv")(x)
    x = activation(x, act, f"{name}_act")
    return dense(dropout(x, drop_rate, f"{name}_drop"), dim, f"{name}_fc2")
