"""CrossFormer and CrossFormer++: patches of several scales, attention among near and among far positions in turn.

Papers: Wang et al., "CrossFormer: A Versatile Vision Transformer Hinging on Cross-scale Attention", arXiv:2108.00154;
Wang et al., "CrossFormer++", arXiv:2303.06908.
Official code: github.com/cheerss/CrossFormer, models/crossformer.py; checkpoints there.

    image (H, W, 3)
      cross-scale embedding of kernels 4, 8, 16 and 32, norm
      stage 1   blocks                                                    (H/4,  W/4,  dims[0])
      stage 2   norm, cross-scale embedding of kernels 2 and 4, blocks    (H/8,  W/8,  dims[1])
      stage 3   likewise                                                  (H/16, W/16, dims[2])
      stage 4   likewise                                                  (H/32, W/32, dims[3])
      norm, mean, head

    cross-scale embedding: convolutions of all kernels with one stride, side by side, the larger ones narrower.
    block: x + attention in groups(norm(x)); x + mlp(norm(x)).
    groups: in blocks 0, 2, ... neighbours; in blocks 1, 3, ... every `interval`-th position.
    dynamic position bias: a small net from each offset between two positions to a bias per head.
    amplitude cooling (CrossFormer++): after every third block except a stage's last, norm(depthwise convolution(x)).

Any input size, also an open one. What patches don't divide is dropped, where the official code refuses it; in a map
whose shorter side is no longer than a group, all positions are one group, as in the official detector's backbone.
vit-pytorch's CrossFormer has one bias for all heads, looked up at wrong offsets; here it is the official one.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.transformer import Transformer

_TINY = {"dims": (64, 128, 256, 512), "num_heads": (2, 4, 8, 16)}
_LARGE = {"dims": (128, 256, 512, 1024), "num_heads": (4, 8, 16, 32)}
_DEEP = {"depths": (2, 2, 18, 2)}
_PP = {"group_sizes": (4, 4, 14, 7), "intervals": (4, 2, 1, 1), "cooling": True}

VARIANTS = {  # table 1 of the first paper; configs/crossformer_pp of the official code
    "crossformer_tiny": {**_TINY, "depths": (1, 1, 8, 6)},
    "crossformer_small": {},
    "crossformer_base": {**_DEEP},
    "crossformer_large": {**_LARGE, **_DEEP},
    "crossformer_pp_small": {**_PP, **_TINY, **_DEEP},
    "crossformer_pp_base": {**_PP, **_DEEP},
    "crossformer_pp_large": {**_PP, **_LARGE, **_DEEP},
    "crossformer_pp_huge": {**_PP, **_LARGE, "depths": (6, 6, 18, 2)},
}

_Side = Annotated[int, c.between(1, 64)]
_Kernels = Annotated[Sequence[_Side], c.Rule("1 to 5 integers from 1 to 64", lambda v: 1 <= len(v) <= 5)]
_GroupSizes = Annotated[Sequence[c.Window], c.Rule("one such integer per block of the stage", lambda v: len(v) > 0)]


@c.builder
def build_crossformer(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    kernel_sizes: c.PerStage[_Kernels] = ((4, 8, 16, 32), (2, 4), (2, 4), (2, 4)),
    strides: c.PerStage[_Side] = (4, 2, 2, 2),
    patch_norm: bool = True,
    pos_embed: Literal["learn", "none"] = "none",
    dims: c.PerStage[Annotated[int, c.between(16, 2**14)]] = (96, 192, 384, 768),
    depths: c.PerStage[c.Depth] = (2, 2, 6, 2),
    num_heads: c.PerStage[c.Count] = (3, 6, 12, 24),
    mlp_ratios: c.OneOrPerStage[c.Ratio] = (4, 4, 4, 4),
    group_sizes: c.PerStage[c.Window | _GroupSizes] = (7, 7, 7, 7),
    intervals: c.PerStage[_Side] | None = (8, 4, 2, 1),
    centre_padding: bool = False,
    mask_padding: bool = True,
    cooling: bool = False,
    qkv_bias: bool = True,
    qk_scale: c.Scale | None = None,
    norm_eps: c.Epsilon = 1e-5,
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "crossformer",
) -> keras.Model:
    """Builds a CrossFormer (arXiv:2108.00154): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        kernel_sizes: sides of the kernels of each stage's embedding, each equal to its stride or larger by an even
            number.
        patch_norm: whether a norm follows the first embedding.
        pos_embed: "learn" adds a learned table to the first map, as large as that, so that the input size must be
            known; "none": no table.
        dims: width of each stage, at least 16: the net of the position bias is 16 times narrower.
        group_sizes: side of attention's groups, in positions; for each stage an integer, or one per block.
        intervals: steps between the positions of each stage's far-reaching groups; None: groups span the map.
        centre_padding: whether groups are filled up with zeros on all sides, and not only at the bottom and the right.
        mask_padding: whether attention ignores those zeros.
        cooling: whether there are amplitude cooling layers.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5" (for these strides), each stage's map before the final norm;
        the last map is (B, H / 32, W / 32, dims[-1]).

    Example:
        >>> backbone = vitgraph.build_crossformer((64, 96, 3), include_top=False, depths=(1, 1, 2, 1))
        >>> backbone.output_shape
        (None, 2, 3, 768)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    ratios = c.entries(mlp_ratios)
    c.heads_divide(dims, num_heads)
    c.has_hidden(dims, ratios, "mlp_ratios")
    _check_kernels(kernel_sizes, strides)
    c.at_least(math.prod(strides), border.shape)
    if pos_embed == "learn":
        c.known(border.shape, 'with pos_embed="learn" there is a table as large as the map')
    groups = _per_block(group_sizes, depths)

    x = _cross_scale(border.image, dims[0], kernel_sizes[0], strides[0], "stage_1_embed")
    x = w.layer_norm(x, norm_eps, "stage_1_embed_norm") if patch_norm else x
    x = w.dropout(_positions(x) if pos_embed == "learn" else x, pos_drop_rate, "pos_drop")
    rates = iter(w.drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage = f"stage_{i + 1}"
        t = Transformer(
            dim=dims[i], num_heads=num_heads[i], mlp_ratio=ratios[i], qkv_bias=qkv_bias, qk_scale=qk_scale,
            norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
        )  # fmt: skip
        if i > 0:
            x = w.layer_norm(x, norm_eps, f"{stage}_embed_norm")
            x = _cross_scale(x, dims[i], kernel_sizes[i], strides[i], f"{stage}_embed")
        far = None if intervals is None else intervals[i]
        for j in range(depth):
            block, drop_path = f"{stage}_block_{j}", next(rates)
            group = {"group_size": groups[i][j], "interval": far if j % 2 else 1, "centre": centre_padding}
            y = _attention(t.norm(x, f"{block}_norm1"), t, group, mask_padding, f"{block}_attn")
            x = t.residual(x, y, drop_path, f"{block}_res1")
            y = t.mlp(t.norm(x, f"{block}_norm2"), f"{block}_mlp")
            x = t.residual(x, y, drop_path, f"{block}_res2")
            if cooling and j % 3 == 2 and j < depth - 1:
                x = t.norm(blocks.DepthwiseConv2D(3, name=f"{block}_ex_conv")(x), f"{block}_ex_ln")
        x = blocks.Stage(math.prod(strides[: i + 1]), name=stage)(x)
    return border.end(w.layer_norm(x, norm_eps, "norm"), drop_rate)


def _check_kernels(kernel_sizes, strides):
    for kernels, stride in zip(kernel_sizes, strides, strict=True):
        good = all(kernel >= stride and (kernel - stride) % 2 == 0 for kernel in kernels)
        allowed = f"for each stage its stride, here {stride}, and integers larger by an even number"
        c.require(good, "kernel_sizes", allowed)


def _per_block(group_sizes, depths):
    """For each stage, one side per block."""
    sides = [(g,) * depth if isinstance(g, int) else g for g, depth in zip(group_sizes, depths, strict=True)]
    for per_block, depth in zip(sides, depths, strict=True):
        allowed = f"for each stage an integer, or one per block, here {depth}"
        c.require(len(per_block) == depth, "group_sizes", allowed)
    return sides


def _cross_scale(x, dim, kernel_sizes, stride, name):
    """Convolutions of several kernels with one stride: each has half of the width that is left, the last all of it."""
    scales, left = [], dim
    for i, kernel in enumerate(kernel_sizes):
        width = left if i == len(kernel_sizes) - 1 else left // 2
        scales.append(w.conv(x, width, kernel, stride, f"{name}_{i}", padding=(kernel - stride) // 2))
        left -= width
    return layers.Concatenate(name=f"{name}_scales")(scales) if len(scales) > 1 else scales[0]


def _positions(x):
    """Adds a learned table of the map's size."""
    y = blocks.ToTokens(name="tokens")(x)
    y = blocks.PositionTable(x.shape[1:3], name="pos_embed")(y, x)
    return blocks.ToMap(name="pos_map")(y, x)


def _attention(x, t, group, mask_padding, name):
    """Self-attention within the groups of x (B, H, W, C), with the dynamic position bias."""
    bias = _position_bias(x, t, group, mask_padding, name)
    y = blocks.GroupPartition(**group, name=f"{name}_partition")(x)
    y = w.dense(y, 3 * t.dim, f"{name}_qkv", t.qkv_bias)
    y = blocks.SelfAttention(t.num_heads, scale=t.qk_scale, drop=t.attn_drop_rate, name=name)(y, bias)
    y = blocks.GroupReverse(**group, name=f"{name}_reverse")(y, x)
    return w.dense(y, t.dim, f"{name}_proj")


def _position_bias(x, t, group, mask_padding, name):
    """The bias (1 or groups, heads, w, w) that a small net makes of all offsets within a group."""
    width = t.dim // 16
    y = blocks.GroupOffsets(**group, name=f"{name}_offsets")(x)
    y = w.dense(y, width, f"{name}_pos_proj")
    for i, units in enumerate((width, width, t.num_heads), start=1):
        y = t.norm(y, f"{name}_pos{i}_norm")
        y = layers.ReLU(name=f"{name}_pos{i}_act")(y)
        y = w.dense(y, units, f"{name}_pos{i}_fc")
    return blocks.GroupBias(**group, mask=mask_padding, name=f"{name}_bias")(y, x)
