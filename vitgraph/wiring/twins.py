"""The stages that both Twins share."""

import math

from vitgraph.blocks import DepthwiseConv2D, Residual, Stage
from vitgraph.wiring.layers import conv, drop_path_rates, dropout, layer_norm, mlp


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
