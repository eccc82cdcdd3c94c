"""EfficientViT of MIT: linear attention over several scales, beside convolutions, for dense prediction.

Paper: Cai et al., "EfficientViT: Multi-Scale Linear Attention for High-Resolution Dense Prediction", arXiv:2205.14756.
Official code: github.com/mit-han-lab/efficientvit; checkpoints in timm.

    image (H, W, 3)
      stem      3x3/2 convolution, convolutions                       (H/2,  W/2,  stem_dim)
      stage 1   inverted residuals, the first with step 2             (H/4,  W/4,  dims[0])
      stage 2   likewise                                              (H/8,  W/8,  dims[1])
      stage 3   likewise or, as stage 4, an inverted residual with
                step 2, then blocks of attention and convolutions     (H/16, W/16, dims[2])
      stage 4   likewise                                              (H/32, W/32, dims[3])
      1x1 convolution, mean, linear layer, norm, head

    block:     x + attention(x); x + inverted residual(x).
    attention: queries, keys and values of x, and sums of them over 5x5 neighbourhoods; relu(q) (relu(k)' v) of all.
    inverted residual: 1x1, depthwise 3x3 and 1x1 convolution; "fused": 3x3 and 1x1 convolution.

Convolutions are followed by a batch norm, in stages of `fewer_norms` only the last of a block; the others have biases
there. What the head does before its linear layers belongs to the head: without a top the graph ends in the last
stage's map. Any input size, also an open one. The net of Microsoft with the same name is `build_efficientvit_msra`.
"""

from typing import Literal

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import PYTORCH

_L: dict = {
    "block_types": ("fused", "fused", "mbconv", "mbconv"),
    "attention": (False, False, False, True),
    "fewer_norms": (False, False, True, True),
    "embed_ratios": (16, 16, 16, 24),
    "expansions": (4, 4, 4, 6),
    "stem_type": "conv",
    "act": "gelu_tanh",
    "head_act": "gelu_tanh",
    "norm_eps": 1e-7,
    "head_norm_eps": 1e-7,
    "head_dim": 32,
}
VARIANTS: dict = {  # tables 9 and 10 of the paper
    "efficientvit_b0": {},
    "efficientvit_b1": {
        "stem_dim": 16, "dims": (32, 64, 128, 256), "depths": (1, 2, 3, 4), "head_widths": (1536, 1600),
    },
    "efficientvit_b2": {
        "stem_dim": 24, "dims": (48, 96, 192, 384), "depths": (2, 3, 4, 6), "head_dim": 32, "head_widths": (2304, 2560),
    },
    "efficientvit_b3": {
        "stem_dim": 32, "dims": (64, 128, 256, 512), "depths": (3, 5, 6, 9), "head_dim": 32,
        "head_widths": (2304, 2560),
    },
    "efficientvit_l1": {
        "stem_dim": 32, "dims": (64, 128, 256, 512), "depths": (1, 1, 6, 6), "head_widths": (3072, 3200), **_L,
    },
    "efficientvit_l2": {
        "stem_dim": 32, "dims": (64, 128, 256, 512), "depths": (2, 2, 8, 8), "head_widths": (3072, 3200), **_L,
    },
    "efficientvit_l3": {
        "stem_dim": 64, "dims": (128, 256, 512, 1024), "depths": (2, 2, 8, 8), "head_widths": (6144, 6400), **_L,
    },
}  # fmt: skip


@c.builder(initial=PYTORCH)
def build_efficientvit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    stem_dim: c.Width = 8,
    stem_depth: c.Whole = 1,
    stem_type: Literal["dsconv", "conv"] = "dsconv",
    dims: c.PerStage[c.Width] = (16, 32, 64, 128),
    depths: c.PerStage[c.Whole] = (1, 1, 2, 2),
    block_types: c.PerStage[Literal["mbconv", "fused"]] = ("mbconv", "mbconv", "mbconv", "mbconv"),
    attention: c.PerStage[bool] = (False, False, True, True),
    fewer_norms: c.PerStage[bool] = (False, False, True, True),
    embed_ratios: c.PerStage[c.Ratio] = (4, 4, 4, 4),
    expansions: c.PerStage[c.Ratio] = (4, 4, 4, 4),
    head_dim: c.Width = 16,
    act: c.Act = "hard_silu",
    norm_eps: c.Epsilon = 1e-5,
    head_widths: tuple[c.Width, c.Width] = (1024, 1280),
    head_act: c.Act = "hard_silu",
    head_norm_eps: c.Epsilon = 1e-5,
    drop_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "efficientvit",
) -> keras.Model:
    """Builds an EfficientViT of MIT (arXiv:2205.14756): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        stem_depth: number of blocks of the stem.
        stem_type: these are a depthwise 3x3 and a 1x1 convolution, or two 3x3 convolutions.
        depths: number of blocks of each stage after the one that makes the map smaller.
        block_types: kind of each stage's inverted residuals.
        attention: whether the blocks of each stage begin with attention; then "mbconv" follows it.
        fewer_norms: whether in each stage only a block's last convolution has a batch norm.
        embed_ratios: widening inside each stage's first inverted residual; 1: it has no first convolution.
        expansions: widening inside the others.
        head_dim: width of one attention head.
        act: activation of stem and stages.
        norm_eps: epsilon of their batch norms.
        head_widths: widths of the 1x1 convolution before pooling, and of the linear layer after it.
        head_act: activation after both.
        head_norm_eps: epsilon of the layer norm between the linear layers.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5"; the last map is (B, ceil(H / 32), ceil(W / 32), dims[-1]).

    Example:
        >>> backbone = vitgraph.build_efficientvit((64, 96, 3), include_top=False)
        >>> backbone.output_shape
        (None, 2, 3, 128)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    attended = [dim for dim, is_attended in zip(dims, attention, strict=True) if is_attended]
    c.require(all(dim >= head_dim for dim in attended), "head_dim", f"at most the widths with attention, {attended}")
    c.has_hidden([stem_dim, *dims[:-1]], embed_ratios, "embed_ratios")
    c.has_hidden(dims, expansions, "expansions")
    c.at_least(2 ** (len(dims) + 1), border.shape)
    local = _Local(act, norm_eps)

    x = w.conv_norm(border.image, stem_dim, 3, 2, "stem_conv", padding=1, epsilon=norm_eps)
    x = w.activation(x, act, "stem_act")
    for j in range(stem_depth):
        y = local(x, stem_dim, 1, 1, "mbconv" if stem_type == "dsconv" else "fused", False, f"stem_block_{j}")
        x = blocks.Residual(name=f"stem_block_{j}_res")(x, y)
    for i, depth in enumerate(depths):
        stage, kind = f"stage_{i + 1}", block_types[i]
        x = local(x, dims[i], 2, embed_ratios[i], kind, fewer_norms[i], f"{stage}_block_0")
        for j in range(1, depth + 1):
            block = f"{stage}_block_{j}"
            if attention[i]:
                y = _attention(x, head_dim, norm_eps, f"{block}_attn")
                x = blocks.Residual(name=f"{block}_res1")(x, y)
                y = local.inverted(x, dims[i], 1, expansions[i], True, f"{block}_local")
                x = blocks.Residual(name=f"{block}_res2")(x, y)
            else:
                y = local(x, dims[i], 1, expansions[i], kind, fewer_norms[i], block)
                x = blocks.Residual(name=f"{block}_res")(x, y)
        x = blocks.Stage(2 ** (i + 2), name=stage)(x)
    if not include_top:
        return border.end(x)
    x = w.activation(w.conv_norm(x, head_widths[0], 1, 1, "head_conv"), head_act, "head_conv_act")

    def hidden(x):
        x = w.layer_norm(w.dense(x, head_widths[1], "head_fc", use_bias=False), head_norm_eps, "head_norm")
        return w.activation(x, head_act, "head_act")

    return border.end(x, drop_rate, hidden)


class _Local:
    """The blocks of convolutions: maps (B, H, W, C) -> (B, ceil(H / stride), ceil(W / stride), dim)."""

    def __init__(self, act, norm_eps):
        self.act = act
        self.norm_eps = norm_eps

    def __call__(self, x, dim, stride, ratio, kind, fewer_norms, name):
        """An inverted residual of a kind; with ratio 1, without its first convolution or with another last one."""
        if kind == "mbconv":
            return (self.inverted if ratio != 1 else self.separable)(x, dim, stride, ratio, fewer_norms, name)
        hidden = round(x.shape[-1] * ratio)
        first, last, size = ("spatial_conv", "point_conv", 1) if ratio != 1 else ("conv1", "conv2", 3)
        x = self._conv(x, hidden, 3, stride, f"{name}_{first}", not fewer_norms)
        return self._conv(x, dim, size, 1, f"{name}_{last}", act=False)

    def inverted(self, x, dim, stride, ratio, fewer_norms, name):
        """1x1, depthwise 3x3 and 1x1 convolution."""
        x = self._conv(x, round(x.shape[-1] * ratio), 1, 1, f"{name}_inverted_conv", not fewer_norms)
        return self.separable(x, dim, stride, ratio, fewer_norms, name)

    def separable(self, x, dim, stride, ratio, fewer_norms, name):
        """Depthwise 3x3 and 1x1 convolution."""
        y = blocks.DepthwiseConv2D(3, stride, use_bias=fewer_norms, name=f"{name}_depth_conv")(x)
        y = y if fewer_norms else w.batch_norm(y, f"{name}_depth_conv_norm", self.norm_eps)
        y = w.activation(y, self.act, f"{name}_depth_conv_act")
        return self._conv(y, dim, 1, 1, f"{name}_point_conv", act=False)

    def _conv(self, x, dim, kernel_size, stride, name, norm=True, act=True):
        """A convolution with a batch norm, or with a bias in its place."""
        x = w.conv(x, dim, kernel_size, stride, name, kernel_size // 2, use_bias=not norm)
        x = w.batch_norm(x, f"{name}_norm", self.norm_eps) if norm else x
        return w.activation(x, self.act, f"{name}_act") if act else x


def _attention(x, head_dim, norm_eps, name):
    """Linear attention among all positions, of single positions and of sums over neighbourhoods."""
    dim, heads = x.shape[-1], x.shape[-1] // head_dim
    qkv = w.conv(x, 3 * heads * head_dim, 1, 1, f"{name}_qkv", use_bias=False)
    y = blocks.DepthwiseConv2D(5, use_bias=False, name=f"{name}_sums")(qkv)
    y = blocks.GroupedDense(3 * heads, name=f"{name}_mixed_sums")(y)
    y = layers.Concatenate(name=f"{name}_scales")([qkv, y])
    y = blocks.ReLULinearAttention(2 * heads, name=name)(y)
    return w.conv_norm(y, dim, 1, 1, f"{name}_proj", epsilon=norm_eps)
