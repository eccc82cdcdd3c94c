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

    cross-scale embedding: convolutions of all kernels at one step, side by side, the larger ones narrower.
    block: x + attention in groups(norm(x)); x + mlp(norm(x)).
    groups: of blocks 0, 2, ... neighbours; of blocks 1, 3, ... every `interval`-th position.
    dynamic position bias: a small net from each step between two positions to a bias a head.
    amplitude cooling (CrossFormer++): after every third block but a stage's last, norm(depthwise convolution(x)).

Any input size, also one that is not known. What patches don't divide is dropped, where the official code refuses it; in
a map whose shorter side is no longer than a group, all positions are one group, as in the official detector's backbone.
vit-pytorch's CrossFormer has one bias for all heads, looked up at wrong offsets; here it is the official one.
"""

import math

from keras import layers

from vitgraph.blocks import (
    DepthwiseConv2D,
    GroupBias,
    GroupOffsets,
    GroupPartition,
    GroupReverse,
    PositionTable,
    Residual,
    SelfAttention,
    Stage,
    ToMap,
    ToTokens,
)
from vitgraph.old.contract import Check, begin, builder, finish, shape_of
from vitgraph.old.layers import conv, dense, drop_path_rates, dropout, layer_norm, map_top, mlp

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


@builder
def build_crossformer(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    kernel_sizes=((4, 8, 16, 32), (2, 4), (2, 4), (2, 4)),
    strides=(4, 2, 2, 2),
    patch_norm=True,
    pos_embed=False,
    dims=(96, 192, 384, 768),
    depths=(2, 2, 6, 2),
    num_heads=(3, 6, 12, 24),
    mlp_ratios=(4, 4, 4, 4),
    group_sizes=(7, 7, 7, 7),
    intervals=(8, 4, 2, 1),
    centre_padding=False,
    mask_padding=True,
    cooling=False,
    qkv_bias=True,
    qk_scale=None,
    norm_eps=1e-5,
    drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="crossformer",
):
    """Builds a CrossFormer (arXiv:2108.00154): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels); height and width in pixels, at least the product of `strides`, or both
            None, unless `pos_embed` ties the net to a size.
        include_top: False ends the graph at the last, normed map (B, H / 32, W / 32, dims[-1]).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map: (B, dims[-1]).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        kernel_sizes: sides of the kernels of each stage's embedding, the stride or larger by an even number.
        strides: step of each stage's embedding.
        patch_norm: whether a norm follows the first embedding.
        pos_embed: whether a learned absolute position embedding is added to it.
        dims, depths, num_heads, mlp_ratios: width, blocks, heads and widening of the feed-forward layer, one a stage.
        group_sizes: side of the attention's groups in positions, one a stage; or in its place a sequence, one a block.
        intervals: steps between the positions of a far-reaching group, one a stage; None: groups reach over the map.
        centre_padding: fill groups up with zeros on all sides, not only at the bottom and the right.
        mask_padding: whether those zeros are kept from attention.
        cooling: whether there are amplitude cooling layers.
        qkv_bias: whether the projection to queries, keys and values has a bias.
        qk_scale: factor of the scores; None: head width ** -0.5.
        norm_eps: epsilon of all norms.
        drop_rate: dropout of the embeddings, after projections, in the feed-forward layers and before the head.
        attn_drop_rate: dropout of attention probabilities.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5" (for these strides), each stage's map before the final norm.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_crossformer")
    check.per_stage(dims=dims, depths=depths, num_heads=num_heads, strides=strides)
    check.same_length(dims=dims, mlp_ratios=mlp_ratios, kernel_sizes=kernel_sizes, group_sizes=group_sizes)
    check.over_zero(mlp_ratios=mlp_ratios)
    check.heads_divide(dims, num_heads)
    check.that(min(dims) >= 16, "dims", dims, "widths of at least 16: the position bias is 16 times narrower")
    if qk_scale is not None:
        check.over_zero(qk_scale=qk_scale)
    if intervals is not None:
        check.per_stage(dims=dims, intervals=intervals)
    _check_kernels(check, kernel_sizes, strides)
    group_sizes = _per_block(check, group_sizes, depths)
    shape = shape_of(input_shape, input_tensor)
    check.smallest(math.prod(strides), input_shape=shape)
    tied = "a known height and width with pos_embed=True, whose table is as large as the map"
    check.that(not pos_embed or shape[0] is not None, "input_shape", shape, tied)

    x = inputs = begin(input_shape, input_tensor)
    x = _cross_scale(x, dims[0], kernel_sizes[0], strides[0], "stage_1_embed")
    x = layer_norm(x, norm_eps, "stage_1_embed_norm") if patch_norm else x
    x = dropout(_positions(x) if pos_embed else x, drop_rate, "pos_drop")
    rates = iter(drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage = f"stage_{i + 1}"
        if i > 0:
            x = layer_norm(x, norm_eps, f"{stage}_embed_norm")
            x = _cross_scale(x, dims[i], kernel_sizes[i], strides[i], f"{stage}_embed")
        far = None if intervals is None else intervals[i]
        for j in range(depth):
            block, drop_path = f"{stage}_block_{j}", next(rates)
            group = {"group_size": group_sizes[i][j], "interval": far if j % 2 else 1, "centre": centre_padding}
            y = layer_norm(x, norm_eps, f"{block}_norm1")
            bias = _position_bias(y, num_heads[i], group, mask_padding, norm_eps, f"{block}_attn")
            y = _attention(y, bias, num_heads[i], group, qkv_bias, qk_scale, attn_drop_rate, f"{block}_attn")
            x = Residual(drop_path=drop_path, dropout=drop_rate, name=f"{block}_res1")(x, y)
            y = layer_norm(x, norm_eps, f"{block}_norm2")
            y = mlp(y, int(dims[i] * mlp_ratios[i]), "gelu", f"{block}_mlp", drop_rate)
            x = Residual(drop_path=drop_path, dropout=drop_rate, name=f"{block}_res2")(x, y)
            if cooling and j % 3 == 2 and j < depth - 1:
                x = DepthwiseConv2D(3, name=f"{block}_ex_conv")(x)
                x = layer_norm(x, norm_eps, f"{block}_ex_ln")
        x = Stage(math.prod(strides[: i + 1]), name=stage)(x)

    x = layer_norm(x, norm_eps, "norm")
    x = map_top(
        x,
        include_top=include_top,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        pooling=pooling,
        drop_rate=drop_rate,
    )
    return finish(inputs, x, name)


def _cross_scale(x, dim, kernel_sizes, stride, name):
    """Convolutions of several kernels at one step: each has half of the width that is left, the last one all of it."""
    scales, left = [], dim
    for i, kernel in enumerate(kernel_sizes):
        width = left if i == len(kernel_sizes) - 1 else left // 2
        scales.append(conv(x, width, kernel, stride, f"{name}_{i}", padding=(kernel - stride) // 2))
        left -= width
    return layers.Concatenate(name=f"{name}_scales")(scales) if len(scales) > 1 else scales[0]


def _positions(x):
    """A learned table of the map's size, added."""
    y = ToTokens(name="tokens")(x)
    y = PositionTable(x.shape[1:3], name="pos_embed")(y, x)
    return ToMap(name="pos_map")(y, x)


def _position_bias(x, num_heads, group, mask, norm_eps, name):
    """The dynamic position bias (1 or groups, heads, w, w): a small net over all steps within a group."""
    width = x.shape[-1] // 16
    y = GroupOffsets(**group, name=f"{name}_offsets")(x)
    y = dense(y, width, f"{name}_pos_proj")
    for i, units in enumerate((width, width, num_heads), start=1):
        y = layer_norm(y, norm_eps, f"{name}_pos{i}_norm")
        y = layers.ReLU(name=f"{name}_pos{i}_act")(y)
        y = dense(y, units, f"{name}_pos{i}_fc")
    return GroupBias(**group, mask=mask, name=f"{name}_bias")(y, x)


def _attention(x, bias, num_heads, group, qkv_bias, qk_scale, drop, name):
    """Self-attention within the groups of x (B, H, W, C)."""
    dim = x.shape[-1]
    y = GroupPartition(**group, name=f"{name}_partition")(x)
    y = dense(y, 3 * dim, f"{name}_qkv", qkv_bias)
    y = SelfAttention(num_heads, scale=qk_scale, drop=drop, name=name)(y, bias)
    y = GroupReverse(**group, name=f"{name}_reverse")(y, x)
    return dense(y, dim, f"{name}_proj")


def _check_kernels(check, kernel_sizes, strides):
    for kernels, stride in zip(kernel_sizes, strides, strict=True):
        allowed = f"sequences, one a stage, of its stride (here {stride}) and numbers larger by an even one"
        good = _are_positive(kernels) and all(k >= stride and (k - stride) % 2 == 0 for k in kernels)
        check.that(good, "kernel_sizes", kernel_sizes, allowed)


def _per_block(check, group_sizes, depths):
    """`group_sizes` -> one a block of each stage."""
    per_block = [[g] * depth if isinstance(g, int) else g for g, depth in zip(group_sizes, depths, strict=True)]
    good = all(_are_positive(g) and len(g) == depth for g, depth in zip(per_block, depths, strict=True))
    check.that(good, "group_sizes", group_sizes, "a positive integer a stage, or in its place a sequence, one a block")
    return per_block


def _are_positive(values):
    return isinstance(values, (tuple, list)) and len(values) > 0 and all(isinstance(v, int) and v >= 1 for v in values)
