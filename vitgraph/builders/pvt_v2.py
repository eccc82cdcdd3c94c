"""PVT v2: the Pyramid Vision Transformer with overlapping patches and convolutional feed-forward layers.

Paper: Wang et al., "PVT v2: Improved Baselines with Pyramid Vision Transformer", arXiv:2106.13797.
Official code: github.com/whai362/PVT, classification/pvt_v2.py; checkpoints there and in timm.

    image (H, W, 3)
      stage 1   7x7/4 convolution, norm -> blocks -> norm     (H/4,  W/4,  dims[0])
      stage 2   3x3/2 convolution, norm -> blocks -> norm     (H/8,  W/8,  dims[1])
      stage 3   likewise                                      (H/16, W/16, dims[2])
      stage 4   likewise                                      (H/32, W/32, dims[3])
      mean, head

    block: x + attention(norm(x)), keys and values from a map that is reduced `sr_ratio` times;
           x + mlp(norm(x)), with a depthwise 3x3 convolution before its activation.

Any input size, also an open one. Where the reduction doesn't divide the map, the remainder is dropped, as in the
official code.
"""

import functools

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import PYRAMID
from vitgraph.wiring.pyramid import convolutional_block
from vitgraph.wiring.transformer import Transformer

_WIDE = {"dims": (64, 128, 320, 512)}

VARIANTS = {  # table 1 of the paper; b2_li is PVT v2-B2-Li
    "pvt_v2_b0": {},
    "pvt_v2_b1": {**_WIDE},
    "pvt_v2_b2": {**_WIDE, "depths": (3, 4, 6, 3)},
    "pvt_v2_b2_li": {**_WIDE, "depths": (3, 4, 6, 3), "linear": True},
    "pvt_v2_b3": {**_WIDE, "depths": (3, 4, 18, 3)},
    "pvt_v2_b4": {**_WIDE, "depths": (3, 8, 27, 3)},
    "pvt_v2_b5": {**_WIDE, "depths": (3, 6, 40, 3), "mlp_ratios": (4, 4, 4, 4)},
}


@c.builder(initial=PYRAMID)
def build_pvt_v2(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    dims: c.PerStage[c.Width] = (32, 64, 160, 256),
    depths: c.PerStage[c.Depth] = (2, 2, 2, 2),
    num_heads: c.PerStage[c.Count] = (1, 2, 5, 8),
    mlp_ratios: c.OneOrPerStage[c.Ratio] = (8, 8, 4, 4),
    sr_ratios: c.PerStage[c.Kernel] = (8, 4, 2, 1),
    linear: bool = False,
    pool_size: c.Kernel = 7,
    qkv_bias: bool = True,
    norm_eps: c.Epsilon = 1e-6,
    embed_norm_eps: c.Epsilon = 1e-5,
    drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "pvt_v2",
) -> keras.Model:
    """Builds a PVT v2 (arXiv:2106.13797): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        linear: use average pooling instead of `sr_ratios`, in every stage ("linear SRA").
        pool_size: with `linear`, side of the pooled map.
        norm_eps: epsilon of the norms of blocks and stages.
        embed_norm_eps: epsilon of the norms of embeddings and reductions.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5"; the last map is (B, ceil(H / 32), ceil(W / 32), dims[-1]).

    Example:
        >>> backbone = vitgraph.build_pvt_v2((64, 96, 3), include_top=False)
        >>> backbone.output_shape
        (None, 2, 3, 256)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    c.heads_divide(dims, num_heads)
    c.has_hidden(dims, mlp_ratios, "mlp_ratios")
    c.at_least(max(4 * 2**i * ratio for i, ratio in enumerate(sr_ratios)), border.shape)

    x, rates = border.image, iter(w.drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage, (kernel, stride) = f"stage_{i + 1}", (3, 2) if i else (7, 4)
        t = Transformer(
            dim=dims[i], num_heads=num_heads[i], mlp_ratio=c.entries(mlp_ratios)[i], qkv_bias=qkv_bias,
            norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
        )  # fmt: skip
        if linear:
            source = functools.partial(_pooled, pool_size=pool_size, epsilon=embed_norm_eps)
        else:
            source = functools.partial(w.spatial_reduction, ratio=sr_ratios[i], epsilon=embed_norm_eps)
        x = w.conv(x, dims[i], kernel, stride, f"{stage}_embed", padding=kernel // 2)
        x = w.layer_norm(x, embed_norm_eps, f"{stage}_embed_norm")
        for j in range(depth):
            x = convolutional_block(x, t, source, next(rates), f"{stage}_block_{j}", relu=linear)
        x = w.layer_norm(x, norm_eps, f"{stage}_norm")
        x = blocks.Stage(2 ** (i + 2), name=stage)(x)
    return border.end(x, drop_rate)


def _pooled(x, pool_size, epsilon, name):
    """The reduction of "linear SRA": (B, H, W, C) -> (B, pool_size, pool_size, C)."""
    x = blocks.AdaptiveAveragePooling(pool_size, name=f"{name}_pool")(x)
    x = w.layer_norm(w.conv(x, x.shape[-1], 1, 1, f"{name}_sr"), epsilon, f"{name}_norm")
    return w.activation(x, "gelu", f"{name}_act")
