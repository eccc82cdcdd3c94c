"""DeiT: a ViT that learns from a teacher through a token of its own.

Paper: Touvron et al., "Training data-efficient image transformers & distillation through attention", arXiv:2012.12877.
Official code: github.com/facebookresearch/deit, models.py; checkpoints there and in timm.

    image (H, W, 3)
      patches: p x p / p convolution              (H/p, W/p, dim)
      class token, distillation token, patches    (B, 2 + N, dim)
      positions
      blocks 0 ... depth - 1                       (B, 2 + N, dim)
      norm
      class token        distillation token        (B, dim) each
      head               head_dist                 (B, num_classes) each
      the mean of both

    block: ViT's.

Training takes the logits of both heads, from the nodes `head` and `head_dist`. The paper adds the two heads' softmax
scores; the official code averages their logits, as is done here. Without distillation the net is a ViT, node for node.
So is DeiT III (arXiv:2204.07118), whose variants `deit3_*` are rows of `build_vit`.
"""

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring import transformer
from vitgraph.wiring.border import Border
from vitgraph.wiring.distillation_token import mean_token, two_heads
from vitgraph.wiring.initial_weights import TIMM_VIT
from vitgraph.wiring.transformer import pre_norm_block

_TINY = {"dim": 192, "num_heads": 3}
_SMALL = {"dim": 384, "num_heads": 6}
_384 = {"input_shape": (384, 384, 3), "img_size": (384, 384)}

VARIANTS = {  # table 1 of the paper; base also fine-tuned at 384 pixels
    "deit_tiny_patch16_224": {**_TINY},
    "deit_small_patch16_224": {**_SMALL},
    "deit_base_patch16_224": {},
    "deit_base_patch16_384": {**_384},
    "deit_tiny_distilled_patch16_224": {**_TINY, "distilled": True},
    "deit_small_distilled_patch16_224": {**_SMALL, "distilled": True},
    "deit_base_distilled_patch16_224": {"distilled": True},
    "deit_base_distilled_patch16_384": {**_384, "distilled": True},
}


@c.builder(initial=TIMM_VIT)
def build_deit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pool | None = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Size = 16,
    dim: c.Width = 768,
    depth: c.Depth = 12,
    num_heads: c.Count = 12,
    mlp_ratio: c.Ratio = 4.0,
    distilled: bool = False,
    pre_norm: bool = False,
    block: transformer.Block = pre_norm_block,
    head_dim: c.Width | None = None,
    qk_scale: c.Scale | None = None,
    qkv_bias: bool = True,
    proj_bias: bool = True,
    mlp_bias: bool = True,
    qk_norm: bool = False,
    attn_norm: bool = False,
    mlp_norm: bool = False,
    gated_mlp: bool = False,
    act: c.Act = "gelu",
    init_values: c.Scale | None = None,
    rms_norm: bool = False,
    norm_eps: c.Epsilon = 1e-6,
    final_norm: bool = True,
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "deit",
) -> keras.Model:
    """Builds a DeiT (arXiv:2012.12877): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, "token" for what the heads would see, distilled the mean of the two tokens;
            the others pool the patches, "map" by attention: (B, dim). None leaves the map of the patches.
        distilled: whether there is a distillation token, with a head of its own; the scores are those of the two
            heads' mean logits.
        block: the transformer block, a function (x, transformer, drop_path, name) -> x such as `vit.pre_norm_block`.
        final_norm: whether there is a norm after the last block.
        drop_rate: dropout before each head.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16). The tokens that the heads
        see are the nodes `pool` and `pool_dist`. Without a top it ends in the map of the normed patch tokens
        (B, H / p, W / p, dim).

    Example:
        >>> deit = vitgraph.build_deit((64, 64, 3), dim=32, depth=2, num_heads=2, num_classes=10, distilled=True)
        >>> [deit.get_layer(head).output.shape for head in ("head", "head_dist")]
        [(None, 10), (None, 10)]
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    t = transformer.Transformer(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, proj_bias=proj_bias, mlp_bias=mlp_bias,
        head_dim=head_dim, qk_norm=qk_norm, attn_norm=attn_norm, mlp_norm=mlp_norm, gated_mlp=gated_mlp, act=act,
        init_values=init_values, norm_eps=norm_eps, rms_norm=rms_norm, proj_drop_rate=proj_drop_rate,
        attn_drop_rate=attn_drop_rate, qk_scale=qk_scale,
    )  # fmt: skip
    patch, grid = transformer.patch_grid(border, patch_size, img_size)
    prefix = 1 + distilled

    patches = transformer.patch_embed(border.image, patch, dim, not pre_norm)
    x = blocks.ToTokens(name="tokens")(patches)
    x = blocks.PrependTokens(name="dist_token")(x) if distilled else x
    x = blocks.PrependTokens(name="cls_token")(x)
    x = blocks.PositionTable(grid, prefix, name="pos_embed")(x, patches)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    x = t.norm(x, "norm_pre") if pre_norm else x
    x = transformer.transformer_blocks(x, t, block, w.drop_path_rates(drop_path_rate, depth), patch, prefix)
    x = t.norm(x, "norm") if final_norm else x
    if distilled and include_top:
        return border.end_scores(two_heads(x, num_classes, drop_rate))
    if distilled and pooling == "token":
        return border.model(mean_token(x))
    return border.end_plain(x, patches, t, "token", prefix, norm=None, drop_rate=drop_rate)
