"""What MobileViT and MobileViT v2 share: their stages of inverted residuals, and the names in their checkpoints."""

import math

from vitgraph.blocks import DepthwiseConv2D, Residual, ResizeToMultiple, Stage
from vitgraph.blocks.base import pair
from vitgraph.old.layers import ACTIVATIONS, activation, batch_norm, conv_norm, drop_path_rates


def mobile_stages(x, dims, depths, strides, expansions, act, blocks, attn_depths, drop_path_rate):
    """The stages: inverted residuals, and in the last ones one of `blocks`, functions (x, rates, name) -> x."""
    rates = iter(drop_path_rates(drop_path_rate, sum(depths) + sum(attn_depths)))
    for i, (dim, depth, stride, expansion) in enumerate(zip(dims, depths, strides, expansions, strict=True)):
        stage, k = f"stage_{i + 1}", i - len(dims) + len(blocks)
        for j in range(depth):
            step = stride if j == 0 else 1
            x = inverted_residual(x, dim, step, expansion, act, next(rates), f"{stage}_block_{j}")
        if k >= 0:
            x = blocks[k](x, [next(rates) for _ in range(attn_depths[k])], f"{stage}_block_{depth}")
        x = Stage(2 * math.prod(strides[: i + 1]), name=stage)(x)
    return x


def inverted_residual(x, dim, stride, expansion, act, drop_path, name):
    """MobileNetV2's block (arXiv:1801.04381): wide and depthwise inside, narrow and linear at its ends."""
    y = conv_norm_act(x, multiple_of_8(x.shape[-1] * expansion), 1, 1, act, f"{name}_conv1_1x1")
    y = DepthwiseConv2D(3, stride, use_bias=False, name=f"{name}_conv2_kxk")(y)
    y = activation(batch_norm(y, f"{name}_conv2_kxk_norm"), act, f"{name}_conv2_kxk_act")
    y = conv_norm(y, dim, 1, 1, f"{name}_conv3_1x1")
    if stride > 1 or x.shape[-1] != dim:
        return y
    return Residual(drop_path=drop_path, name=f"{name}_res")(x, y)


def conv_norm_act(x, filters, kernel_size, strides, act, name):
    x = conv_norm(x, filters, kernel_size, strides, name, padding=kernel_size // 2)
    return activation(x, act, f"{name}_act")


def resize_to_patches(x, patch_size, name, align_corners=False):
    """The map in a size that patches divide; no node where they surely do."""
    divisible = all(n and n % size == 0 for n, size in zip(x.shape[1:3], pair(patch_size), strict=True))
    return x if divisible else ResizeToMultiple(patch_size, align_corners, name=name)(x)


def check_numbers(
    check, shape, stem_dim, dims, depths, strides, expansions, attn_dims, attn_depths, mlp_ratios, patch_size,
    kernel_size, last_dim, act,
):  # fmt: skip
    """What both MobileViTs check."""
    check.positive(stem_dim=stem_dim, kernel_size=kernel_size)
    check.per_stage(dims=dims, depths=depths, strides=strides)
    check.same_length(dims=dims, expansions=expansions)
    check.per_stage(attn_dims=attn_dims, attn_depths=attn_depths)
    check.that(len(attn_dims) <= len(dims), "attn_dims", attn_dims, f"at most {len(dims)} entries, as many as dims")
    check.same_length(attn_dims=attn_dims, mlp_ratios=mlp_ratios)
    check.over_zero(expansions=expansions, mlp_ratios=mlp_ratios)
    check.sides(patch_size=patch_size)
    check.that(kernel_size % 2, "kernel_size", kernel_size, "an odd number")
    if last_dim is not None:
        check.positive(last_dim=last_dim)
    check.that(act in ACTIVATIONS, "act", act, ", ".join(ACTIVATIONS))
    check.smallest(2 * math.prod(strides), input_shape=shape)


def multiple_of_8(width):
    """The nearest multiple of 8, at least 8 and not under nine tenths of the width."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * width else rounded + 8
