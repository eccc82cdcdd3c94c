"""MiT, the Mix Transformer: the encoder of SegFormer.

Paper: Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers",
arXiv:2105.15203.
Official code: github.com/NVlabs/SegFormer, mmseg/models/backbones/mix_transformer.py; checkpoints there and on the
Hugging Face hub. Their licence, NVIDIA's, allows research and evaluation only.

    image (H, W, 3)
      stage 1   7x7/4 convolution, norm -> blocks -> norm     (H/4,  W/4,  dims[0])
      stage 2   3x3/2 convolution, norm -> blocks -> norm     (H/8,  W/8,  dims[1])
      stage 3   likewise                                      (H/16, W/16, dims[2])
      stage 4   likewise                                      (H/32, W/32, dims[3])
      mean, head

    block: x + attention(norm(x)), keys and values from a map that is reduced `sr_ratio` times;
           x + mlp(norm(x)), with a depthwise 3x3 convolution before its activation.

It is PVT v2 with other widths of the feed-forward layers. Any input size, also an open one. Where the reduction doesn't
divide the map, the remainder is dropped, as in the official code. In the transformers library all norms have an epsilon
of 1e-5; here, as in the official code, those of blocks and stages have 1e-6.
"""

import functools
import math

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import PYRAMID
from vitgraph.wiring.pyramid import convolutional_block
from vitgraph.wiring.transformer import Transformer

_WIDE = {"dims": (64, 128, 320, 512)}

VARIANTS = {  # table 6 of the paper
    "mit_b0": {},
    "mit_b1": {**_WIDE},
    "mit_b2": {**_WIDE, "depths": (3, 4, 6, 3)},
    "mit_b3": {**_WIDE, "depths": (3, 4, 18, 3)},
    "mit_b4": {**_WIDE, "depths": (3, 8, 27, 3)},
    "mit_b5": {**_WIDE, "depths": (3, 6, 40, 3)},
}


@c.builder(initial=PYRAMID)
def build_mit(
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
    mlp_ratios: c.OneOrPerStage[c.Ratio] = (4, 4, 4, 4),
    sr_ratios: c.PerStage[c.Kernel] = (8, 4, 2, 1),
    kernel_sizes: c.PerStage[c.OddKernel] = (7, 3, 3, 3),
    strides: c.PerStage[c.Kernel] = (4, 2, 2, 2),
    act: c.Act = "gelu",
    qkv_bias: bool = True,
    norm_eps: c.Epsilon = 1e-6,
    drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "mit",
) -> keras.Model:
    """Builds a MiT, SegFormer's encoder (arXiv:2105.15203): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        norm_eps: epsilon of the norms of blocks and stages; those of embeddings and reductions have 1e-5.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5"; the last map is (B, ceil(H / 32), ceil(W / 32), dims[-1]).

    Example:
        >>> backbone = vitgraph.build_mit((64, 96, 3), include_top=False)
        >>> backbone.output_shape
        (None, 2, 3, 256)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    c.heads_divide(dims, num_heads)
    c.has_hidden(dims, mlp_ratios, "mlp_ratios")
    overlaps = all(k >= s for k, s in zip(kernel_sizes, strides, strict=True))
    c.require(overlaps, "kernel_sizes", "kernels at least as large as the strides")
    c.at_least(max(math.prod(strides[: i + 1]) * ratio for i, ratio in enumerate(sr_ratios)), border.shape)

    x, rates = border.image, iter(w.drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage, kernel = f"stage_{i + 1}", kernel_sizes[i]
        t = Transformer(
            dim=dims[i], num_heads=num_heads[i], mlp_ratio=c.entries(mlp_ratios)[i], qkv_bias=qkv_bias, act=act,
            norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
        )  # fmt: skip
        source = functools.partial(w.spatial_reduction, ratio=sr_ratios[i])
        x = w.conv(x, dims[i], kernel, strides[i], f"{stage}_embed", padding=kernel // 2)
        x = w.layer_norm(x, 1e-5, f"{stage}_embed_norm")
        for j in range(depth):
            x = convolutional_block(x, t, source, next(rates), f"{stage}_block_{j}")
        x = w.layer_norm(x, norm_eps, f"{stage}_norm")
        x = blocks.Stage(math.prod(strides[: i + 1]), name=stage)(x)
    return border.end(x, drop_rate)
