"""Visformer: a transformer turned into a convolutional net step by step, as far as that helps.

Paper: Chen et al., "Visformer: The Vision-friendly Transformer", arXiv:2104.12533.
Official code: github.com/danczs/Visformer, models.py; checkpoints in timm.

    image (H, W, 3)
      7x7/2 convolution, batch norm, ReLU                                   (H/2,  W/2,  stem_dim)
      stage 1   4x4/4 convolution, norm, positions -> convolutional blocks  (H/8,  W/8,  dims[0])
      stage 2   2x2/2 convolution, norm, positions -> attention blocks      (H/16, W/16, dims[1])
      stage 3   likewise                                                    (H/32, W/32, dims[2])
      norm, mean, head

    convolutional block: x + 1x1, GELU, grouped 3x3, GELU, 1x1 convolutions of norm(x).
    attention block:     x + attention(norm(x)); x + mlp(norm(x)).

Any input size from 32 x 32 up, also an open one: tables of positions are resampled, and what patches leave over at the
bottom and the right is dropped.
"""

import math
from typing import Literal

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.initializers import InitialWeights, he_fan_out, normal, zeros
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.transformer import Transformer

_Norm = Literal["batch", "layer"]

VARIANTS = {  # table 8 of the paper
    "visformer_tiny": {"stem_dim": 16, "dims": (96, 192, 384), "num_heads": (3, 3, 3)},
    "visformer_small": {},
}

_INITIAL = InitialWeights(
    dense=he_fan_out, conv=he_fan_out, conv_bias=zeros, special={"head/kernel": normal(0.02), "head/bias": zeros}
)


@c.builder(initial=_INITIAL)
def build_visformer(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    stem_dim: c.Width | None = 32,
    patch_sizes: c.PerStage[c.Kernel] = (4, 2, 2),
    dims: c.PerStage[c.Width] = (192, 384, 768),
    depths: c.PerStage[c.Depth] = (7, 4, 4),
    num_heads: c.PerStage[c.Count] = (6, 6, 6),
    head_ratios: c.PerStage[c.Ratio] = (0.5, 1, 1),
    mlp_ratio: c.Ratio = 4.0,
    attn: c.PerStage[bool] = (False, True, True),
    spatial_conv: c.PerStage[bool] = (True, False, False),
    groups: c.Count = 8,
    pos_embed: bool = True,
    norm: _Norm = "batch",
    embed_norm: _Norm | None = "batch",
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "visformer",
) -> keras.Model:
    """Builds a Visformer (arXiv:2104.12533): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        stem_dim: width of the stem; None: no stem, and the first stage sees the image.
        head_ratios: width of each stage's heads, relative to the stage's width / `num_heads`.
        mlp_ratio: hidden width of the feed-forward layers without a 3x3 convolution, relative to the stage's width.
        attn: whether each stage's blocks have attention.
        spatial_conv: whether each stage's feed-forward layers have a 3x3 convolution; their hidden width is twice the
            stage's or, with one group, 5/6 of it.
        groups: number of groups of that convolution.
        pos_embed: whether learned positions are added to each stage's embedding.
        norm: kind of the norms of blocks and of the last one: batch norms have an epsilon of 1e-5, layer norms 1e-6.
        embed_norm: kind of the norms after embeddings; None: no norm.
        pos_drop_rate: dropout after the positions of each stage.

    Returns:
        A `keras.Model` with pyramid levels "P3" to "P5"; the last map is (B, H / 32, W / 32, dims[-1]).

    Example:
        >>> backbone = vitgraph.build_visformer((64, 96, 3), include_top=False, depths=(1, 1, 1))
        >>> backbone.output_shape
        (None, 2, 3, 768)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    c.has_hidden(dims, (mlp_ratio,) * len(dims), "mlp_ratio")
    heads = [round(dim // n * ratio) for dim, n, ratio in zip(dims, num_heads, head_ratios, strict=True)]
    c.require(min(heads) > 0, "num_heads", f"heads of at least one channel, here {heads}")
    hidden = [dim * 2 if groups > 1 else dim * 5 // 6 for dim in dims]
    divides = all(n > 0 and n % groups == 0 for n, has in zip(hidden, spatial_conv, strict=True) if has)
    c.require(divides, "groups", f"a divisor of the hidden widths with a 3x3 convolution, here of {hidden}")
    stem = 1 if stem_dim is None else 2
    strides = [stem * math.prod(patch_sizes[: i + 1]) for i in range(len(dims))]
    c.at_least(strides[-1], border.shape)
    planned = border.planned(img_size)
    c.at_least(strides[-1], planned, "img_size")

    x, size = border.image, planned
    if stem_dim is not None:
        x = w.activation(w.conv_norm(x, stem_dim, 7, 2, "stem_conv", padding=3), "relu", "stem_act")
        size = [-(-n // 2) for n in size]
    rates = iter(w.drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage, size = f"stage_{i + 1}", [n // patch_sizes[i] for n in size]
        x = w.conv(x, dims[i], patch_sizes[i], patch_sizes[i], f"{stage}_embed")
        x = _norm(x, embed_norm, f"{stage}_embed_norm")
        if pos_embed:
            x = blocks.PositionTable(size, name=f"{stage}_pos_embed")(x, x)
            x = w.dropout(x, pos_drop_rate, f"{stage}_pos_drop")
        t = Transformer(
            dim=dims[i], num_heads=num_heads[i], head_dim=heads[i], mlp_ratio=mlp_ratio, qkv_bias=False,
            proj_bias=False, mlp_bias=False, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
        )  # fmt: skip
        for j in range(depth):
            block, drop_path = f"{stage}_block_{j}", next(rates)
            if attn[i]:
                y = t.attention(_norm(x, norm, f"{block}_norm1"), f"{block}_attn")
                x = t.residual(x, y, drop_path, f"{block}_res1")
            y = _norm(x, norm, f"{block}_norm2")
            y = _spatial(y, hidden[i], groups, t, f"{block}_mlp") if spatial_conv[i] else t.mlp(y, f"{block}_mlp")
            x = t.residual(x, y, drop_path, f"{block}_res2")
        x = blocks.Stage(strides[i], name=stage)(x)
    return border.end(_norm(x, norm, "norm"), drop_rate)


def _spatial(x, hidden, groups, t, name):
    """The feed-forward layer with a 3x3 convolution: (B, H, W, C) -> (B, H, W, C)."""
    x = t.activate(w.dense(x, hidden, f"{name}_fc1", use_bias=False), name)
    x = w.activation(w.grouped_conv(x, hidden, 3, groups, f"{name}_conv"), t.act, f"{name}_conv_act")
    return w.dense(x, t.dim, f"{name}_fc2", use_bias=False)


def _norm(x, kind, name):
    if kind is None:
        return x
    return w.batch_norm(x, name) if kind == "batch" else w.layer_norm(x, 1e-6, name)
