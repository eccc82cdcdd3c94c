"""Twins-SVT: attention within windows and attention to a summary of the whole map, in turn.

Paper: Chu et al., "Twins: Revisiting the Design of Spatial Attention in Vision Transformers", arXiv:2104.13840.
Official code: github.com/Meituan-AutoML/Twins, gvt.py; checkpoints there and, under the same names, in timm.

    image (H, W, 3)
      stage 1   4x4/4 convolution, norm -> block, position encoding -> blocks     (H/4,  W/4,  dims[0])
      stage 2   2x2/2 convolution, norm -> block, position encoding -> blocks     (H/8,  W/8,  dims[1])
      stage 3   likewise                                                          (H/16, W/16, dims[2])
      stage 4   likewise                                                          (H/32, W/32, dims[3])
      norm, mean, head

    block: x + attention(norm(x)); x + mlp(norm(x)).
    attention: of blocks 0, 2, ... within windows; of blocks 1, 3, ... to keys and values from a map that is reduced
               `sr_ratio` times, as in PVT.
    position encoding (Chu et al., arXiv:2102.10882): x + depthwise 3x3 convolution(x).

Any input size, also an open one. Where patches or the reduction don't divide the map, the remainder is dropped; windows
that reach beyond the map at the bottom and the right are filled with zeros, which are attended to like the rest. Both
are as in the official code. vit-pytorch's TwinsSVT is another net (blocks in pairs, 8 heads of 64 at every width, no
norm after the reduction).
"""

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import PYRAMID
from vitgraph.wiring.twins import Twins

VARIANTS = {  # the paper's appendix
    "twins_svt_small": {},
    "twins_svt_base": {"dims": (96, 192, 384, 768), "depths": (2, 2, 18, 2), "num_heads": (3, 6, 12, 24)},
    "twins_svt_large": {"dims": (128, 256, 512, 1024), "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32)},
}


@c.builder(initial=PYRAMID)
def build_twins_svt(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    patch_sizes: c.PerStage[c.Kernel] = (4, 2, 2, 2),
    dims: c.PerStage[c.Width] = (64, 128, 256, 512),
    depths: c.PerStage[c.Depth] = (2, 2, 10, 4),
    num_heads: c.PerStage[c.Count] = (2, 4, 8, 16),
    mlp_ratios: c.OneOrPerStage[c.Ratio] = (4, 4, 4, 4),
    window_sizes: c.OneOrPerStage[c.Window] = 7,
    sr_ratios: c.PerStage[c.Kernel] = (8, 4, 2, 1),
    peg_kernel_size: c.OddKernel = 3,
    qkv_bias: bool = True,
    norm_eps: c.Epsilon = 1e-6,
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "twins_svt",
) -> keras.Model:
    """Builds a Twins-SVT (arXiv:2104.13840): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        window_sizes: side of the attention windows, for all stages or per stage; where it is 1, attention is global.
        norm_eps: epsilon of the norms of blocks and the last one; those of embeddings and reductions have 1e-5.
        pos_drop_rate: dropout after the embedding of each stage.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5", each stage's map before the final norm; the last map is
        (B, H / 32, W / 32, dims[-1]).

    Example:
        >>> backbone = vitgraph.build_twins_svt((64, 96, 3), include_top=False, depths=(1, 1, 2, 1))
        >>> backbone.output_shape
        (None, 2, 3, 512)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    twins = Twins(
        border=border, patch_sizes=patch_sizes, dims=dims, depths=depths, num_heads=num_heads,
        mlp_ratios=c.entries(mlp_ratios), sr_ratios=sr_ratios, peg_kernel_size=peg_kernel_size, qkv_bias=qkv_bias,
        norm_eps=norm_eps, drop_rate=drop_rate, pos_drop_rate=pos_drop_rate, proj_drop_rate=proj_drop_rate,
        attn_drop_rate=attn_drop_rate, drop_path_rate=drop_path_rate,
    )  # fmt: skip
    windows = c.entries(window_sizes)

    def attention(x, i, j, name):
        if j % 2 or windows[i] == 1:
            return twins.global_attention(x, i, j, name)
        y = blocks.WindowPartition(windows[i], clip=False, name=f"{name}_partition")(x)
        y = w.dense(y, 3 * dims[i], f"{name}_qkv", qkv_bias)
        y = blocks.SelfAttention(num_heads[i], drop=attn_drop_rate, name=name)(y)
        y = blocks.WindowReverse(windows[i], clip=False, name=f"{name}_reverse")(y, x)
        return w.dense(y, dims[i], f"{name}_proj")

    return twins.model(attention)
