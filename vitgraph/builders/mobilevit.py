"""MobileViT: inverted residuals, and transformers that look at a whole map through one place of every patch at a time.

Paper: Mehta and Rastegari, "MobileViT: Light-weight, General-purpose, and Mobile-friendly Vision Transformer",
arXiv:2110.02178.
Official code: github.com/apple/ml-cvnets, cvnets/models/classification/mobilevit.py; checkpoints there and in timm.

    image (H, W, 3)
      3x3/2 convolution                                   (H/2,  W/2,  stem_dim)
      stage 1   inverted residual                         (H/2,  W/2,  dims[0])
      stage 2   inverted residuals, the first with step 2 (H/4,  W/4,  dims[1])
      stage 3   inverted residual /2, MobileViT block     (H/8,  W/8,  dims[2])
      stage 4   likewise                                  (H/16, W/16, dims[3])
      stage 5   likewise                                  (H/32, W/32, dims[4])
      1x1 convolution, mean, head                         (H/32, W/32, last_dim)

    inverted residual: x + 1x1, depthwise 3x3, 1x1 convolutions, widened in between; x only where its shape fits.
    MobileViT block:   3x3, 1x1 convolutions -> unfold -> transformer blocks, norm -> fold -> 1x1 convolution;
                       3x3 convolution of x and that side by side.

Convolutions are followed by batch norm and SiLU, except the last one of an inverted residual, by the norm alone, and
the 1x1 convolution before unfolding, by nothing. Any input size, also an open one: a map that patches don't divide is
resized, bilinearly, before unfolding and after folding. vit-pytorch's MobileViT has heads of 8 channels, no biases and
no norm after its transformers; here the official one is built.
"""

import math

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring import mobile_stages as mobile
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import MOBILE
from vitgraph.wiring.transformer import Transformer, pre_norm_block

VARIANTS = {  # table 4 of the paper
    "mobilevit_xxs": {
        "dims": (16, 24, 48, 64, 80),
        "expansions": (2, 2, 2, 2, 2),
        "attn_dims": (64, 80, 96),
        "last_dim": 320,
    },
    "mobilevit_xs": {"dims": (32, 48, 64, 80, 96), "attn_dims": (96, 120, 144), "last_dim": 384},
    "mobilevit_s": {},
}


@c.builder(initial=MOBILE)
def build_mobilevit(
    input_shape: c.Image = (256, 256, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    stem_dim: c.Width = 16,
    dims: c.PerStage[c.Width] = (32, 64, 96, 128, 160),
    depths: c.PerStage[c.Depth] = (1, 3, 1, 1, 1),
    strides: c.PerStage[c.Kernel] = (1, 2, 2, 2, 2),
    expansions: c.PerStage[c.Ratio] = (4, 4, 4, 4, 4),
    attn_dims: mobile.PerTransformer[c.Width] = (144, 192, 240),
    attn_depths: mobile.PerTransformer[c.Depth] = (2, 4, 3),
    num_heads: mobile.PerTransformer[c.Count] = (4, 4, 4),
    mlp_ratios: mobile.PerTransformer[c.Ratio] = (2, 2, 2),
    patch_size: mobile.Patch = 2,
    kernel_size: mobile.OddSide = 3,
    fusion: bool = True,
    last_dim: c.Width | None = 640,
    act: c.Act = "silu",
    qkv_bias: bool = True,
    norm_eps: c.Epsilon = 1e-5,
    drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "mobilevit",
) -> keras.Model:
    """Builds a MobileViT (arXiv:2110.02178): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        depths: number of inverted residuals of each stage.
        strides: stride of each stage's first inverted residual.
        num_heads: attention heads of each transformer.
        mlp_ratios: hidden width of each transformer's feed-forward layers, relative to its width.
        patch_size: side of a patch, or (rows, columns), in positions of a map.
        kernel_size: side of the larger convolutions of MobileViT blocks, an odd number.
        fusion: whether a MobileViT block ends in a convolution of its input and the transformer's output.
        act: activation after convolutions and in feed-forward layers.
        norm_eps: epsilon of the transformers' norms; batch norms have 1e-5.

    Returns:
        A `keras.Model` with pyramid levels "P1" to "P5", each stage's map before the last convolution; the last map is
        (B, ceil(H / 32), ceil(W / 32), last_dim).

    Example:
        >>> backbone = vitgraph.build_mobilevit((64, 96, 3), include_top=False, attn_depths=(1, 1, 1))
        >>> backbone.output_shape
        (None, 2, 3, 640)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    c.require(len(attn_dims) <= len(dims), "attn_dims", f"at most {len(dims)} entries, as many as there are stages")
    c.heads_divide(attn_dims, num_heads)
    c.has_hidden(attn_dims, mlp_ratios, "mlp_ratios")
    c.at_least(2 * math.prod(strides), border.shape)

    x = mobile.conv_norm_act(border.image, stem_dim, 3, 2, act, "stem")
    rates = iter(w.drop_path_rates(drop_path_rate, sum(depths) + len(attn_depths)))
    for i, depth in enumerate(depths):
        stage, k = f"stage_{i + 1}", i - len(depths) + len(attn_dims)
        x = mobile.inverted_residuals(x, dims[i], depth, strides[i], expansions[i], act, rates, stage)
        if k >= 0:
            t = Transformer(
                dim=attn_dims[k], num_heads=num_heads[k], mlp_ratio=mlp_ratios[k], qkv_bias=qkv_bias, act=act,
                norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
                core=blocks.GroupedAttention,
            )  # fmt: skip
            drop_paths = [next(rates)] * attn_depths[k]
            x = _mobilevit_block(x, t, drop_paths, patch_size, kernel_size, fusion, f"{stage}_block_{depth}")
        x = blocks.Stage(2 * math.prod(strides[: i + 1]), name=stage)(x)
    if last_dim is not None:
        x = mobile.conv_norm_act(x, last_dim, 1, 1, act, "last_conv")
    return border.end(x, drop_rate)


def _mobilevit_block(x, t, drop_paths, patch_size, kernel_size, fusion, name):
    """(B, H, W, C) -> (B, H, W, C): local by convolutions, global by a transformer over every place in the patches."""
    shortcut, dim = x, x.shape[-1]
    x = mobile.conv_norm_act(x, dim, kernel_size, 1, t.act, f"{name}_conv_kxk")
    x = before = w.conv(x, t.dim, 1, 1, f"{name}_conv_1x1", use_bias=False)
    x = grid = mobile.resize_to_patches(x, patch_size, f"{name}_resize")
    x = blocks.Unfold(patch_size, name=f"{name}_unfold")(x)
    for j, drop_path in enumerate(drop_paths):
        x = pre_norm_block(x, t, drop_path, f"{name}_layer_{j}")
    # The official code counts the norm as one more layer, and so do its checkpoints.
    x = t.norm(x, f"{name}_layer_{len(drop_paths)}_norm")
    x = blocks.Fold(patch_size, name=f"{name}_fold")(x, grid)
    if grid is not before:
        x = blocks.ResizeLike(name=f"{name}_resize_back")(x, before)
    x = mobile.conv_norm_act(x, dim, 1, 1, t.act, f"{name}_conv_proj")
    if not fusion:
        return x
    x = layers.Concatenate(name=f"{name}_concat")([shortcut, x])
    return mobile.conv_norm_act(x, dim, kernel_size, 1, t.act, f"{name}_conv_fusion")
