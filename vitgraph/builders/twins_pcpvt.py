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

from vitgraph.contract import Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import cross_attention, map_top, spatial_reduction
from vitgraph.wiring.twins import check_stages, stages

VARIANTS = {  # the paper's appendix
    "twins_pcpvt_small": {},
    "twins_pcpvt_base": {"depths": (3, 4, 18, 3)},
    "twins_pcpvt_large": {"depths": (3, 8, 27, 3)},
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
