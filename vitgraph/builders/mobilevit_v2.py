"""MobileViT v2: MobileViT with attention whose cost grows linearly, and without its fusion.

Paper: Mehta and Rastegari, "Separable Self-attention for Mobile Vision Transformers", arXiv:2206.02680.
Official code: github.com/apple/ml-cvnets, cvnets/models/classification/mobilevit_v2.py; checkpoints there and in timm.

    image (H, W, 3)
      3x3/2 convolution                                   (H/2,  W/2,  stem_dim)
      stage 1   inverted residual                         (H/2,  W/2,  dims[0])
      stage 2   inverted residuals, the first with step 2 (H/4,  W/4,  dims[1])
      stage 3   inverted residual /2, MobileViT v2 block  (H/8,  W/8,  dims[2])
      stage 4   likewise                                  (H/16, W/16, dims[3])
      stage 5   likewise                                  (H/32, W/32, dims[4])
      mean, head

    MobileViT v2 block: depthwise 3x3, 1x1 convolutions -> unfold -> transformer blocks, norm -> fold
                        -> 1x1 convolution, norm.
    transformer block:  x + context of all tokens * relu(values of each)(norm(x)); x + mlp(norm(x)).

Inverted residuals are MobileViT's. The context is the mean of all keys, weighted by the softmax of one score per token.
Norms are over channels and positions together. Any input size, also an open one: a map that patches don't divide is
resized before the block, bilinearly, with aligned corners, and stays so: it and what follows are up to a patch larger.
"""

import dataclasses
import math

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.initializers import InitialWeights, he_fan_out, normal, zeros
from vitgraph.wiring import layers as w
from vitgraph.wiring import mobile_stages as mobile
from vitgraph.wiring.border import Border


def _width(multiplier):
    stem_dim, *dims = (int(width * multiplier) for width in (32, 64, 128, 256, 384, 512))
    return {"stem_dim": stem_dim, "dims": tuple(dims), "attn_dims": tuple(dim // 2 for dim in dims[2:])}


VARIANTS = {  # table 8 of the paper's appendix: one net in seven widths
    "mobilevitv2_050": _width(0.5),
    "mobilevitv2_075": _width(0.75),
    "mobilevitv2_100": _width(1.0),
    "mobilevitv2_125": _width(1.25),
    "mobilevitv2_150": _width(1.5),
    "mobilevitv2_175": _width(1.75),
    "mobilevitv2_200": _width(2.0),
}

_INITIAL = InitialWeights(dense=he_fan_out, conv=he_fan_out, conv_bias=zeros, special={"head/kernel": normal(0.01)})


@c.builder(uneven=True, initial=_INITIAL)
def build_mobilevit_v2(
    input_shape: c.Image = (256, 256, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    stem_dim: c.Width = 32,
    dims: c.PerStage[c.Width] = (64, 128, 256, 384, 512),
    depths: c.PerStage[c.Depth] = (1, 2, 1, 1, 1),
    strides: c.PerStage[c.Kernel] = (1, 2, 2, 2, 2),
    expansions: c.PerStage[c.Ratio] = (2, 2, 2, 2, 2),
    attn_dims: mobile.PerTransformer[c.Width] = (128, 192, 256),
    attn_depths: mobile.PerTransformer[c.Depth] = (2, 4, 3),
    mlp_ratios: mobile.PerTransformer[c.Ratio] = (2, 2, 2),
    patch_size: mobile.Patch = 2,
    kernel_size: mobile.OddSide = 3,
    last_dim: c.Width | None = None,
    act: c.Act = "silu",
    norm_eps: c.Epsilon = 1e-5,
    drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "mobilevit_v2",
) -> keras.Model:
    """Builds a MobileViT v2 (arXiv:2206.02680): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        depths: number of inverted residuals of each stage.
        strides: stride of each stage's first inverted residual.
        mlp_ratios: hidden width of each transformer's feed-forward layers, relative to its width.
        patch_size: side of a patch, or (rows, columns), in positions of a map.
        kernel_size: side of the depthwise convolutions of MobileViT v2 blocks, an odd number.
        act: activation after convolutions and in feed-forward layers.
        norm_eps: epsilon of the transformers' norms; batch norms have 1e-5.

    Returns:
        A `keras.Model` with pyramid levels "P1" to "P5", each stage's map; the last map is
        (B, H / 32, W / 32, dims[-1]), its sides rounded up to multiples of `patch_size`.

    Example:
        >>> backbone = vitgraph.build_mobilevit_v2((64, 128, 3), include_top=False, attn_depths=(1, 1, 1))
        >>> backbone.output_shape
        (None, 2, 4, 512)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    c.require(len(attn_dims) <= len(dims), "attn_dims", f"at most {len(dims)} entries, as many as there are stages")
    c.has_hidden(attn_dims, mlp_ratios, "mlp_ratios")
    c.at_least(2 * math.prod(strides), border.shape)

    x = mobile.conv_norm_act(border.image, stem_dim, 3, 2, act, "stem")
    rates = iter(w.drop_path_rates(drop_path_rate, sum(depths) + len(attn_depths)))
    for i, depth in enumerate(depths):
        stage, k = f"stage_{i + 1}", i - len(depths) + len(attn_dims)
        x = mobile.inverted_residuals(x, dims[i], depth, strides[i], expansions[i], act, rates, stage)
        if k >= 0:
            t = _SeparableTransformer(
                dim=attn_dims[k], mlp_ratio=mlp_ratios[k], act=act, norm_eps=norm_eps, proj_drop_rate=proj_drop_rate,
                attn_drop_rate=attn_drop_rate,
            )  # fmt: skip
            drop_paths = [next(rates)] * attn_depths[k]
            x = _mobilevit_v2_block(x, t, drop_paths, patch_size, kernel_size, f"{stage}_block_{depth}")
        x = blocks.Stage(2 * math.prod(strides[: i + 1]), name=stage)(x)
    if last_dim is not None:
        x = mobile.conv_norm_act(x, last_dim, 1, 1, act, "last_conv")
    return border.end(x, drop_rate)


def _mobilevit_v2_block(x, t, drop_paths, patch_size, kernel_size, name):
    """(B, H, W, C) -> (B, H', W', C), H' and W' rounded up to multiples of the patch."""
    dim = x.shape[-1]
    x = mobile.resize_to_patches(x, patch_size, f"{name}_resize", align_corners=True)
    x = blocks.DepthwiseConv2D(kernel_size, use_bias=False, name=f"{name}_conv_kxk")(x)
    x = w.activation(w.batch_norm(x, f"{name}_conv_kxk_norm"), t.act, f"{name}_conv_kxk_act")
    x = grid = w.conv(x, t.dim, 1, 1, f"{name}_conv_1x1", use_bias=False)
    x = blocks.Unfold(patch_size, name=f"{name}_unfold")(x)
    for j, drop_path in enumerate(drop_paths):
        x = t.block(x, drop_path, f"{name}_layer_{j}")
    # As in MobileViT, the norm counts as one more layer.
    x = t.norm(x, f"{name}_layer_{len(drop_paths)}_norm")
    x = blocks.Fold(patch_size, name=f"{name}_fold")(x, grid)
    return w.conv_norm(x, dim, 1, 1, f"{name}_conv_proj")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _SeparableTransformer:
    """The numbers of a transformer block with separable attention, and its parts: (B, P, N, C) to the same."""

    dim: int
    mlp_ratio: float
    act: str
    norm_eps: float
    proj_drop_rate: float
    attn_drop_rate: float

    def norm(self, x, name):
        return blocks.GroupNorm(1, epsilon=self.norm_eps, name=name)(x)

    def block(self, x, drop_path, name):
        y = w.dense(self.norm(x, f"{name}_norm1"), 1 + 2 * self.dim, f"{name}_attn_qkv")
        context = blocks.ContextAttention(self.attn_drop_rate, name=f"{name}_attn")(y)
        y = blocks.ContextGate(name=f"{name}_attn_gate")(y, context)
        y = w.dense(y, self.dim, f"{name}_attn_proj")
        x = blocks.Residual(drop_path=drop_path, dropout=self.proj_drop_rate, name=f"{name}_res1")(x, y)
        hidden = int(self.dim * self.mlp_ratio)
        y = w.mlp(self.norm(x, f"{name}_norm2"), hidden, self.act, f"{name}_mlp", self.proj_drop_rate)
        return blocks.Residual(drop_path=drop_path, dropout=self.proj_drop_rate, name=f"{name}_res2")(x, y)
