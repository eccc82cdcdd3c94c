"""ScalableViT: attention in windows that talk to their neighbours, and attention over a map of scaled size and width.

Paper: Yang et al., "ScalableViT: Rethinking the Context-oriented Generalization of Vision Transformer",
arXiv:2203.10790.
Official code: github.com/Yangr116/ScalableViT, image_classification/models/scalablevit.py.

    image (H, W, 3)
      stage 1   7x7/4 convolution, norm -> blocks     (H/4,  W/4,  dims[0])
      stage 2   3x3/2 convolution, norm -> blocks     (H/8,  W/8,  dims[1])
      stage 3   likewise                              (H/16, W/16, dims[2])
      stage 4   likewise                              (H/32, W/32, dims[3])
      norm, mean, head with one hidden layer

    block: x + attention(norm(x)), x + mlp(norm(x)); after a stage's first block x + depthwise 3x3 convolution(x) (PEG).
    attention: in blocks 0, 2, ... within windows (IWSA), to which a depthwise 3x3 convolution of the values over the
               whole map is added (LIM); in blocks 1, 3, ... over all positions (SSA), with keys and values from a map
               that is reduced `sr_ratio` times, and queries and keys `c_ratio` times as wide.

Any input size, also an open one. The official code needs maps that the windows divide; here a window is never larger
than the map, and the last ones are padded with zeros. Where the reduction doesn't divide the map, the remainder is
dropped. The published code begins a stage with IWSA, the paper's figure and vit-pytorch with SSA.
"""

from typing import Annotated

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import PYRAMID
from vitgraph.wiring.transformer import Transformer

_BASE = {"dims": (96, 192, 384, 768), "num_heads": (3, 6, 12, 24)}
_LARGE = {"dims": (128, 256, 512, 1024), "num_heads": (4, 8, 16, 32)}

VARIANTS = {  # table 1 of the paper; small_0 is in the official code only
    "scalable_vit_small": {},
    "scalable_vit_small_0": {"c_ratios": (1.25, 1.25, 1.25, 1.25), "representation_size": None},
    "scalable_vit_base": {**_BASE, "depths": (2, 2, 14, 6), "c_ratios": (2, 1.25, 1.25, 1)},
    "scalable_vit_large": {**_LARGE, "depths": (2, 6, 12, 4), "c_ratios": (0.25, 0.5, 1, 1)},
}

_Scaling = Annotated[float, c.Rule("a number from 1/64 to 64", lambda v: 1 / 64 <= v <= 64)]


@c.builder(initial=PYRAMID)
def build_scalablevit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    stem_stride: Annotated[int, c.between(4, 1024)] = 4,
    dims: c.PerStage[c.Width] = (64, 128, 256, 512),
    depths: c.PerStage[c.Depth] = (2, 2, 20, 2),
    num_heads: c.PerStage[c.Count] = (2, 4, 8, 16),
    mlp_ratios: c.OneOrPerStage[c.Ratio] = (4, 4, 4, 4),
    window_sizes: c.Window | c.PerStage[c.Window | None] = 7,
    sr_ratios: c.PerStage[c.Kernel] = (8, 4, 2, 1),
    c_ratios: c.PerStage[_Scaling] = (1.25, 1.25, 1.25, 1),
    qkv_bias: bool = True,
    representation_size: c.Width | None = 4096,
    norm_eps: c.Epsilon = 1e-6,
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "scalablevit",
) -> keras.Model:
    """Builds a ScalableViT (arXiv:2203.10790): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        stem_stride: pixels per position of the first map, at least 4: smaller strides overlap past the borders. The
            kernel of the first convolution is 3 pixels wider.
        window_sizes: side of IWSA's windows, in positions, for all stages or per stage. Per stage, None is one window
            for the whole map. 1: no IWSA, all blocks have SSA.
        sr_ratios: keys and values of SSA come from a map reduced by this factor along each side.
        c_ratios: width of SSA's queries and keys in each stage, relative to the stage's (40 channels for heads of 32:
            1.25). Where the map isn't reduced, only attention's scale changes, as in the official code.
        norm_eps: epsilon of all norms except the reductions', which have 1e-5.
        pos_drop_rate: dropout after the embedding of each stage.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5" (for `stem_stride` 4), each stage's map before the final norm;
        the last map is (B, ceil(H / 32), ceil(W / 32), dims[-1]).

    Example:
        >>> backbone = vitgraph.build_scalablevit((64, 96, 3), include_top=False, depths=(1, 1, 2, 1))
        >>> backbone.output_shape
        (None, 2, 3, 512)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    ratios, windows = c.entries(mlp_ratios), c.entries(window_sizes)
    c.heads_divide(dims, num_heads)
    c.has_hidden(dims, ratios, "mlp_ratios")
    _check_scaled_widths(dims, num_heads, sr_ratios, c_ratios)
    c.at_least(max(stem_stride * 2**i * ratio for i, ratio in enumerate(sr_ratios)), border.shape)

    x, rates = border.image, iter(w.drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage, (step, overlap) = f"stage_{i + 1}", (2, 1) if i else (stem_stride, 3)
        t = Transformer(
            dim=dims[i], num_heads=num_heads[i], mlp_ratio=ratios[i], qkv_bias=qkv_bias, norm_eps=norm_eps,
            proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
        )  # fmt: skip
        x = w.conv(x, dims[i], step + overlap, step, f"{stage}_embed", padding=overlap)
        x = w.dropout(t.norm(x, f"{stage}_embed_norm"), pos_drop_rate, f"{stage}_drop")
        for j in range(depth):
            block, drop_path = f"{stage}_block_{j}", next(rates)
            y = t.norm(x, f"{block}_norm1")
            if j % 2 == 0 and windows[i] != 1:
                y = _window_attention(y, t, windows[i], f"{block}_attn")
            else:
                y = _scalable_attention(y, t, sr_ratios[i], c_ratios[i], f"{block}_attn")
            x = t.residual(x, y, drop_path, f"{block}_res1")
            y = t.mlp(t.norm(x, f"{block}_norm2"), f"{block}_mlp")
            x = t.residual(x, y, drop_path, f"{block}_res2")
            if j == 0:
                x = blocks.Residual(name=f"{stage}_peg_res")(x, blocks.DepthwiseConv2D(3, name=f"{stage}_peg")(x))
        x = blocks.Stage(stem_stride * 2**i, name=stage)(x)
    x = w.layer_norm(x, norm_eps, "norm")
    if not include_top or representation_size is None:
        return border.end(x, drop_rate)

    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = w.layer_norm(w.dense(x, representation_size, "head_fc"), norm_eps, "head_norm")
    return border.end_pooled(w.activation(x, "gelu", "head_act"), drop_rate)


def _check_scaled_widths(dims, num_heads, sr_ratios, c_ratios):
    """Where SSA reduces, every head has the same, whole number of scaled channels."""
    for dim, heads, sr_ratio, c_ratio in zip(dims, num_heads, sr_ratios, c_ratios, strict=True):
        width = int(dim * c_ratio)
        good = sr_ratio == 1 or (width >= heads and width % heads == 0)
        c.require(
            good, "c_ratios", f"ratios that make the width a multiple of the heads, here {width} for {heads} heads"
        )


def _window_attention(x, t, window, name):
    """IWSA: self-attention within the windows of x (B, H, W, C), plus a convolution of the values across them."""
    qkv = w.dense(x, 3 * t.dim, f"{name}_qkv", t.qkv_bias)
    lim = blocks.DepthwiseConv2D(3, name=f"{name}_lim")(blocks.TakeValues(name=f"{name}_values")(qkv))
    attention = blocks.SelfAttention(t.num_heads, drop=t.attn_drop_rate, name=name)
    if window is None:
        x = attention(qkv)
    else:
        y = attention(blocks.WindowPartition(window, name=f"{name}_partition")(qkv))
        x = blocks.WindowReverse(window, name=f"{name}_reverse")(y, x)
    x = blocks.Residual(name=f"{name}_lim_res")(x, lim)
    return w.dense(x, t.dim, f"{name}_proj")


def _scalable_attention(x, t, sr_ratio, c_ratio, name):
    """SSA: queries from x (B, H, W, C), keys and values from a smaller map; queries and keys of another width."""
    width = int(t.dim * c_ratio) if sr_ratio > 1 else t.dim
    q = w.dense(x, width, f"{name}_q", t.qkv_bias)
    if sr_ratio > 1:
        x = blocks.DepthwiseConv2D(sr_ratio, sr_ratio, padding=0, name=f"{name}_sr")(x)
        x = w.layer_norm(w.conv(x, width, 1, 1, f"{name}_sr_proj"), 1e-5, f"{name}_sr_norm")
        kv = w.dense(w.activation(x, "gelu", f"{name}_sr_act"), width + t.dim, f"{name}_sr_kv", t.qkv_bias)
    else:
        kv = w.dense(x, 2 * t.dim, f"{name}_kv", t.qkv_bias)
    scale = (t.dim // t.num_heads * c_ratio) ** -0.5
    x = blocks.CrossAttention(t.num_heads, scale=scale, drop=t.attn_drop_rate, name=name)(q, kv)
    return w.dense(x, t.dim, f"{name}_proj")
