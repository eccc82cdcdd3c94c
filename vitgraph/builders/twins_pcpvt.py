"""Twins-PCPVT: the Pyramid Vision Transformer with positions from a convolution.

Paper: Chu et al., "Twins: Revisiting the Design of Spatial Attention in Vision Transformers", arXiv:2104.13840.
Official code: github.com/Meituan-AutoML/Twins, gvt.py; checkpoints there and, under the same names, in timm.

    image (H, W, 3)
      stage 1   4x4/4 convolution, norm -> block, position encoding -> blocks     (H/4,  W/4,  dims[0])
      stage 2   2x2/2 convolution, norm -> block, position encoding -> blocks     (H/8,  W/8,  dims[1])
      stage 3   likewise                                                          (H/16, W/16, dims[2])
      stage 4   likewise                                                          (H/32, W/32, dims[3])
      norm, mean, head

    block: x + attention(norm(x)), keys and values from a map that is reduced `sr_ratio` times;
           x + mlp(norm(x)).
    position encoding (Chu et al., arXiv:2102.10882): x + depthwise 3x3 convolution(x).

Any input size, also one that is not known. What patches or the reduction don't divide is dropped, as in the official
code.
"""

import math

from vitgraph.blocks import DepthwiseConv2D, Residual, Stage
from vitgraph.builders.contract import Check, begin, builder, finish, shape_of
from vitgraph.builders.sources import Source
from vitgraph.builders.wiring import (
    conv,
    cross_attention,
    drop_path_rates,
    dropout,
    layer_norm,
    map_top,
    mlp,
    spatial_reduction,
)

VARIANTS = {  # the paper's appendix
    "twins_pcpvt_small": {},
    "twins_pcpvt_base": {"depths": (3, 4, 18, 3)},
    "twins_pcpvt_large": {"depths": (3, 8, 27, 3)},
}


_BLOCK = r"stage_(\d)_block_(\d+)_"

SOURCES = {
    "timm": Source(
        renames=(
            (r"stage_(\d)_embed", "patch_embeds.{0:-1}.proj"),
            (r"stage_(\d)_embed_norm", "patch_embeds.{0:-1}.norm"),
            (r"stage_(\d)_peg", "pos_block.{0:-1}.proj.0"),
            (_BLOCK + r"(norm\d)", "blocks.{0:-1}.{1}.{2}"),
            (_BLOCK + r"(attn|mlp)_(\w+)", "blocks.{0:-1}.{1}.{2}.{3}"),
            (r"norm", "norm"),
            (r"head", "head"),
        ),
    ),
}


@builder
def build_twins_pcpvt(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_sizes=(4, 2, 2, 2),
    dims=(64, 128, 320, 512),
    depths=(3, 4, 6, 3),
    num_heads=(1, 2, 5, 8),
    mlp_ratios=(8, 8, 4, 4),
    sr_ratios=(8, 4, 2, 1),
    peg_kernel_size=3,
    qkv_bias=True,
    norm_eps=1e-6,
    drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="twins_pcpvt",
):
    """Builds a Twins-PCPVT (arXiv:2104.13840): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels); height and width in pixels, or both None. The least is what patches and
            `sr_ratios` reduce to 1: 32 unless they are changed.
        include_top: False ends the graph at the last, normed map (B, H / 32, W / 32, dims[-1]).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map: (B, dims[-1]).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_sizes: side of the patches of a stage, in positions of the one before it (pixels at first).
        dims, depths, num_heads, mlp_ratios: width, blocks, heads and widening of the feed-forward layer, one a stage.
        sr_ratios: one a stage, the side of the map that keys and values come from is so many times smaller.
        peg_kernel_size: side of the position encoding's kernel, an odd number.
        qkv_bias: whether the projections to queries, keys and values have biases.
        norm_eps: epsilon of the blocks' and the last norm; those of the embeddings and of the reduction have 1e-5.
        drop_rate: dropout of the embeddings, after projections, in the feed-forward layers and before the head.
        attn_drop_rate: dropout of attention probabilities.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5" (for these patches), each stage's map before the final norm.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_twins_pcpvt")
    shape = shape_of(input_shape, input_tensor)
    check_stages(check, shape, patch_sizes, dims, depths, num_heads, mlp_ratios, sr_ratios, peg_kernel_size)

    def attention(x, stage, block, name):
        reduced = spatial_reduction(x, sr_ratios[stage], name)
        return cross_attention(x, reduced, num_heads[stage], name, qkv_bias, attn_drop_rate)

    x = inputs = begin(input_shape, input_tensor)
    x = stages(
        x,
        attention,
        patch_sizes=patch_sizes,
        dims=dims,
        depths=depths,
        mlp_ratios=mlp_ratios,
        peg_kernel_size=peg_kernel_size,
        norm_eps=norm_eps,
        drop_rate=drop_rate,
        drop_path_rate=drop_path_rate,
    )
    x = map_top(
        x,
        include_top=include_top,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        pooling=pooling,
        drop_rate=drop_rate,
    )
    return finish(inputs, x, name)


def check_stages(check, shape, patch_sizes, dims, depths, num_heads, mlp_ratios, sr_ratios, peg_kernel_size):
    """What both kinds of Twins ask of their arguments."""
    check.per_stage(dims=dims, depths=depths, num_heads=num_heads, sr_ratios=sr_ratios, patch_sizes=patch_sizes)
    check.same_length(dims=dims, mlp_ratios=mlp_ratios)
    check.over_zero(mlp_ratios=mlp_ratios)
    check.heads_divide(dims, num_heads)
    check.positive(peg_kernel_size=peg_kernel_size)
    check.that(peg_kernel_size % 2 == 1, "peg_kernel_size", peg_kernel_size, "an odd number")
    smallest = max(math.prod(patch_sizes[: i + 1]) * ratio for i, ratio in enumerate(sr_ratios))
    check.smallest(smallest, input_shape=shape)


def stages(
    x, attention, *, patch_sizes, dims, depths, mlp_ratios, peg_kernel_size, norm_eps, drop_rate, drop_path_rate
):
    """Both kinds of Twins: image (B, H, W, C) -> the last, normed map; `attention` is a function (x, i, j, name) of
    the stage's and the block's indices.
    """
    rates = iter(drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage = f"stage_{i + 1}"
        x = conv(x, dims[i], patch_sizes[i], patch_sizes[i], f"{stage}_embed")
        x = dropout(layer_norm(x, 1e-5, f"{stage}_embed_norm"), drop_rate, f"{stage}_embed_drop")
        for j in range(depth):
            block, drop_path = f"{stage}_block_{j}", next(rates)
            y = attention(layer_norm(x, norm_eps, f"{block}_norm1"), i, j, f"{block}_attn")
            x = Residual(drop_path=drop_path, dropout=drop_rate, name=f"{block}_res1")(x, y)
            y = layer_norm(x, norm_eps, f"{block}_norm2")
            y = mlp(y, int(dims[i] * mlp_ratios[i]), "gelu", f"{block}_mlp", drop_rate)
            x = Residual(drop_path=drop_path, dropout=drop_rate, name=f"{block}_res2")(x, y)
            if j == 0:
                y = DepthwiseConv2D(peg_kernel_size, name=f"{stage}_peg")(x)
                x = Residual(name=f"{stage}_peg_res")(x, y)
        x = Stage(math.prod(patch_sizes[: i + 1]), name=stage)(x)
    return layer_norm(x, norm_eps, "norm")
