"""PiT, the Pooling-based Vision Transformer: a ViT whose map of patches shrinks from stage to stage.

Paper: Heo et al., "Rethinking Spatial Dimensions of Vision Transformers", arXiv:2103.16302.
Official code: github.com/naver-ai/pit, pit.py; checkpoints there and in timm.

    image (H, W, 3)
      16x16/8 convolution without padding, positions   (h, w, dims[0]), h = (H - 16) // 8 + 1
      class token [, distillation token]
      stage 1   blocks                                 (B, 1 + h w, dims[0])
      stage 2   pooling, blocks                        (B, 1 + h/2 w/2, dims[1])
      stage 3   likewise                               (B, 1 + h/4 w/4, dims[2])
      norm of the class token, head

    block: x + attention(norm(x)); x + mlp(norm(x)).
    pooling: patches by a depthwise 3x3/2 convolution with dims[i + 1] / dims[i] outputs per channel, class tokens by a
             linear layer.

Any input size, also an open one: timm's and the official net have one size; here the position table is resampled, as
ViT's is. What patches leave over at the bottom and the right is dropped. vit-pytorch's PiT has positions for the class
token and a pointwise convolution in its pooling; this is the official net.
"""

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.distillation_token import mean_token, two_heads
from vitgraph.wiring.initial_weights import PYTORCH
from vitgraph.wiring.pit_pooling import pool_tokens
from vitgraph.wiring.transformer import Transformer, pre_norm_block

_TI = {"dims": (64, 128, 256), "num_heads": (2, 4, 8)}
_XS = {"dims": (96, 192, 384), "num_heads": (2, 4, 8)}
_B = {"dims": (256, 512, 1024), "depths": (3, 6, 4), "num_heads": (4, 8, 16), "patch_size": 14, "stride": 7}

VARIANTS = {  # table 1 of the paper
    "pit_ti_224": {**_TI},
    "pit_xs_224": {**_XS},
    "pit_s_224": {},
    "pit_b_224": {**_B},
    "pit_ti_distilled_224": {**_TI, "distilled": True},
    "pit_xs_distilled_224": {**_XS, "distilled": True},
    "pit_s_distilled_224": {"distilled": True},
    "pit_b_distilled_224": {**_B, "distilled": True},
}


@c.builder(uneven=True, initial=PYTORCH)
def build_pit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.TokenPooling = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Kernel = 16,
    stride: c.Kernel = 8,
    dims: c.PerStage[c.Width] = (144, 288, 576),
    depths: c.PerStage[c.Depth] = (2, 6, 4),
    num_heads: c.PerStage[c.Count] = (3, 6, 12),
    mlp_ratios: c.OneOrPerStage[c.Ratio] = (4, 4, 4),
    distilled: bool = False,
    head_dim: c.Width | None = None,
    qkv_bias: bool = True,
    img_size: c.ImageSize = (224, 224),
    norm_eps: c.Epsilon = 1e-6,
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "pit",
) -> keras.Model:
    """Builds a PiT (arXiv:2103.16302): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, how the last map is pooled to (B, C), or "token" for the normed class token,
            with `distilled` the mean of both tokens; None leaves it a map.
        patch_size: side of a patch, in pixels.
        stride: distance from one patch to the next, in pixels.
        dims: width of each stage, a multiple of the width of the stage before it.
        distilled: whether there is a second token with a head of its own; the scores are the mean of the two. For
            training with a teacher (DeiT, arXiv:2012.12877) the layers "head" and "head_dist" give the logits of each.

    Returns:
        A `keras.Model` with pyramid levels "P3" to "P5" (for stride 8), the patch tokens at each stage's end; the last
        map is (B, 7, 7, dims[-1]) at 224 pixels.

    Example:
        >>> backbone = vitgraph.build_pit((64, 96, 3), include_top=False, depths=(1, 1, 1))
        >>> backbone.output_shape
        (None, 2, 3, 576)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    # Where patches overlap by more than half, a small image would have far fewer positions than the stride says.
    least = patch_size if 2 * stride >= patch_size else 2 * patch_size
    c.at_least(least, border.shape)
    c.at_least(least, border.planned(img_size), "img_size")
    multiples = all(wide % dim == 0 for dim, wide in zip(dims, dims[1:], strict=False))
    c.require(multiples, "dims", "multiples of the width of the stage before")
    c.has_hidden(dims, mlp_ratios, "mlp_ratios")
    transformers = [
        Transformer(
            dim=dim, num_heads=heads, mlp_ratio=mlp_ratio, head_dim=head_dim, qkv_bias=qkv_bias, norm_eps=norm_eps,
            proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
        )
        for dim, heads, mlp_ratio in zip(dims, num_heads, c.entries(mlp_ratios), strict=True)
    ]  # fmt: skip
    prefix, grid = 1 + distilled, [(n - patch_size) // stride + 1 for n in border.planned(img_size)]

    patches = w.conv(border.image, dims[0], patch_size, stride, "patch_embed")
    x = blocks.PositionTable(grid, name="pos_embed")(blocks.ToTokens(name="tokens")(patches), patches)
    x = blocks.PrependTokens(prefix, name="cls_token")(w.dropout(x, pos_drop_rate, "pos_drop"))
    rates = iter(w.drop_path_rates(drop_path_rate, sum(depths)))
    for i, t in enumerate(transformers):
        stage, at = f"stage_{i + 1}", f"stage_{i + 1}_pool_conv" if i else "patch_embed"
        if i > 0:
            x, patches = pool_tokens(x, patches, prefix, t.dim, _halve, f"{stage}_pool")
        for j in range(depths[i]):
            x = pre_norm_block(x, t, next(rates), f"{stage}_block_{j}")
        x = blocks.Stage(stride * 2**i, prefix, at, name=stage)(x)

    if not include_top and pooling != "token":
        return border.end(blocks.ToMap(prefix, name="map")(x, patches))
    x = w.layer_norm(blocks.TakePrefix(prefix, name="cls_tokens")(x), norm_eps, "fc_norm")
    if distilled and include_top:
        return border.end_scores(two_heads(x, num_classes, drop_rate))
    return border.end_pooled(mean_token(x) if distilled else blocks.TakeToken(name="pool")(x), drop_rate)


def _halve(x, dim, name):
    return blocks.DepthwiseConv2D(3, 2, depth_multiplier=dim // x.shape[-1], name=f"{name}_conv")(x)
