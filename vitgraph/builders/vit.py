"""ViT, the Vision Transformer: an image is a sequence of patches.

Paper: Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv:2010.11929.
Official code: github.com/google-research/vision_transformer; the published variants are timm's `vit_*` and DeiT III.

    image (H, W, 3)
      patches: p x p / p convolution            (H/p, W/p, dim)
      tokens, class token, registers, positions (B, N, dim)
      blocks 0 ... depth - 1                    (B, N, dim)
      norm
      class token | mean | attention pooling    (B, dim)
      head

    block: x + attention(norm(x)); x + mlp(norm(x)).

A block that differs in more than numbers is a function, given as `block`. Of this file are: the norm at the end of the
branch (`res_post_norm_block`), several attentions and feed-forward layers side by side (`parallel_things_block`,
arXiv:2203.09795), attention and feed-forward layer side by side (`parallel_scaling_block`, ViT-22B, arXiv:2302.05442).

Any input size, also an open one: the position table is resampled.

AIMv2 (arXiv:2411.14402) has RMS norms, gated feed-forward layers, a norm after the patches, and no class token.
"""

from typing import Annotated, Literal

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.initializers import InitialWeights, glorot_uniform, lecun_normal, normal, zeros
from vitgraph.wiring import layers as w
from vitgraph.wiring import transformer
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import TIMM_VIT
from vitgraph.wiring.transformer import (
    parallel_scaling_block,
    parallel_things_block,
    pre_norm_block,
    res_post_norm_block,
)

# fmt: off
_SIZES = {  # dim, depth, num_heads[, mlp_ratio]
    "tiny": (192, 12, 3), "xsmall": (256, 10, 4), "wee": (256, 14, 4, 5), "pwee": (256, 16, 4, 5),
    "little": (320, 14, 5, 5.6), "small": (384, 12, 6), "small_18": (384, 18, 6), "small_36": (384, 36, 6),
    "medium": (512, 12, 8), "mediumd": (512, 20, 8), "betwixt": (640, 12, 10), "base": (768, 12, 12),
    "base_18": (768, 18, 12), "base_16": (768, 12, 16), "base_plus": (896, 12, 14), "so150m2": (832, 21, 13, 34 / 13),
    "so150m": (896, 18, 14, 2.572), "large": (1024, 24, 16), "so400m": (1152, 27, 16, 3.7362),
    "so400m_4304": (1152, 27, 16, 269 / 72), "huge": (1280, 32, 16), "giant": (1408, 40, 16, 48 / 11),
    "giant_24": (1536, 40, 24), "giant_gated": (1536, 40, 24, 5.33334), "giantopt": (1536, 40, 16),
    "gigantic": (1664, 48, 16, 64 / 13), "large_aim": (1024, 24, 8, 5.5), "huge_aim": (1536, 24, 12, 16 / 3),
    "1b_aim": (2048, 24, 16, 5.5), "3b_aim": (3072, 24, 24, 16 / 3),
}

_GATED = {"act": "silu", "gated_mlp": True}
_DINOV2 = {"init_values": 1e-5}
_REG = {"no_embed_class": True, "num_reg_tokens": 4}
_TIPS = {"init_values": 1.0, "no_embed_class": True, "num_reg_tokens": 1}
_RADIO = {"final_norm": False, "no_embed_class": True, "num_reg_tokens": 7}
_CLIP = {"pre_norm": True, "norm_eps": 1e-5}
_MAP = {"class_token": False, "global_pool": "map"}
_AVG = {"class_token": False, "global_pool": "avg"}
_GAP = {**_AVG, "fc_norm": False}
_TANH = {"act": "gelu_tanh"}
_REG1_GAP = {**_AVG, **_DINOV2, "no_embed_class": True, "num_reg_tokens": 1}
_NO_QKV_BIAS = {"qkv_bias": False}
_BEIT3 = {"attn_norm": True, "mlp_norm": True, "norm_eps": 1e-5, "global_pool": "avg"}
_AIM = {
    **_GAP, **_GATED, **_NO_QKV_BIAS, "proj_bias": False, "mlp_bias": False, "embed_norm": True, "rms_norm": True,
    "norm_eps": 1e-5,
}
_SCALING = {"block": parallel_scaling_block}
_XP = {**_SCALING, **_NO_QKV_BIAS, "no_embed_class": True, "pre_norm": True, "qk_norm": True, "rms_norm": True}

_STYLES: tuple = (  # names of (size, patch, image side); arguments besides these three; the nets as size/patch/side
    ("vit_{}_patch{}_{}", {},
     "tiny/16/224 tiny/16/384 small/8/224 small/16/224 small/16/384 small/32/224 small/32/384 base/8/224 base/16/224 "
     "base/16/384 base/32/224 base/32/384 large/14/224 large/16/224 large/16/384 large/32/224 large/32/384 huge/14/224 "
     "giant/14/224 gigantic/14/224"),
    ("vit_{}_patch{}_{}_miil", _NO_QKV_BIAS, "base/16/224"),
    ("deit3_{}_patch{}_{}", {"init_values": 1e-6, "no_embed_class": True},
     "small/16/224 small/16/384 medium/16/224 base/16/224 base/16/384 large/16/224 large/16/384 huge/14/224"),
    ("vit_{}_patch{}_dinov2", _DINOV2, "small/14/518 base/14/518 large/14/518"),
    ("vit_{}_patch{}_dinov2", {**_DINOV2, **_GATED}, "giant_gated/14/518"),
    ("vit_{}_patch{}_reg4_dinov2", {**_DINOV2, **_REG}, "small/14/518 base/14/518 large/14/518"),
    ("vit_{}_patch{}_reg4_dinov2", {**_DINOV2, **_REG, **_GATED}, "giant_gated/14/518"),
    ("vit_{}_patch{}_36x1_{}", _DINOV2, "small_36/16/224"),
    ("vit_{}_patch{}_18x2_{}", {**_DINOV2, "block": parallel_things_block}, "small_18/16/224 base_18/16/224"),
    ("vit_{}_patch{}_plus_{}", _DINOV2, "base_plus/16/240 base_plus/32/256"),
    ("vit_{}_patch{}_reg1_tipsv2", _TIPS, "base/14/448 large/14/448 so400m_4304/14/448"),
    ("vit_{}_patch{}_reg1_tipsv2", {**_TIPS, **_GATED}, "giant_gated/14/448"),
    ("vit_{}_patch{}_radio_v3", {**_RADIO, "init_values": 1e-5}, "base/16/512 large/16/512"),
    ("vit_{}_patch{}_radio_v3", _RADIO, "huge/16/512 giant_24/16/512"),
    ("vit_{}_patch{}_radio_v4", {**_RADIO, "num_reg_tokens": 9}, "so400m_4304/16/512 huge/16/512"),
    ("vit_intern300m_patch{1}_{2}", {"final_norm": False, "init_values": 0.1}, "large/14/448"),
    ("vit_{}_patch{}_clip_{}", _CLIP,
     "xsmall/16/224 medium/16/224 medium/32/224 betwixt/32/224 base/16/224 base/16/384 base/32/224 base/32/256 "
     "base/32/384 base/32/448 large/14/224 large/14/336 huge/14/224 huge/14/336 huge/14/378 giant/14/224 "
     "gigantic/14/224 gigantic/14/378"),
    ("vit_{}_patch{}_plus_clip_{}", _CLIP, "base_plus/16/240"),
    ("vit_{}_patch{}_clip_quickgelu_{}", {**_CLIP, "act": "quick_gelu"},
     "base/16/224 base/32/224 large/14/224 large/14/336 huge/14/224 huge/14/378 gigantic/14/224"),
    ("vit_{}_patch{}_siglip_{}", _MAP,
     "base/16/224 base/16/256 base/16/384 base/16/512 large/16/256 large/16/384 so400m/14/224 so400m/14/378 "
     "so400m/14/384"),
    ("vit_{}_patch{}_siglip_{}", {**_MAP, **_TANH},
     "base/32/256 large/16/512 so400m/16/256 so400m/16/384 so400m/16/512 giantopt/16/256 giantopt/16/384"),
    ("vit_{}_patch{}_siglip_gap_{}", _GAP,
     "base/16/224 base/16/256 base/16/384 base/16/512 large/16/256 large/16/384 so400m/14/224 so400m/14/378 "
     "so400m/14/384 so400m/14/448 so400m/14/896"),
    ("vit_{}_patch{}_siglip_gap_{}", {**_GAP, **_TANH},
     "base/32/256 large/16/512 so400m/16/256 so400m/16/384 so400m/16/512 giantopt/16/256 giantopt/16/384"),
    ("vit_{}_patch{}_reg4_map_{}", {**_MAP, "num_reg_tokens": 4}, "so150m/16/256"),
    ("vit_{}_patch{}_reg4_gap_{}", {**_GAP, "num_reg_tokens": 4}, "so150m/16/256 so150m/16/384"),
    ("vit_{}_patch{}_reg4_gap_{}", {**_AVG, **_REG}, "base/16/256"),
    ("vit_{}_patch{}_reg4_gap_{}", {**_AVG, **_DINOV2, **_REG},
     "little/16/256 medium/16/256 mediumd/16/256 mediumd/16/384 betwixt/16/256 betwixt/16/384"),
    ("vit_{}_patch{}_reg1_gap_{}", _REG1_GAP, "wee/16/256 little/16/256 medium/16/256 betwixt/16/256"),
    ("vit_{}_patch{}_reg1_gap_{}", {**_SCALING, **_REG1_GAP}, "pwee/16/256"),
    ("vit_{}_patch{}_reg1_gap_{}", {**_AVG, **_DINOV2, **_NO_QKV_BIAS, "num_reg_tokens": 1},
     "so150m2/16/256 so150m2/16/384 so150m2/16/448"),
    ("vit_{}_patch{}_gap_{}", _GAP, "base_16/16/224 huge/14/224 huge/16/448 giant/16/224"),
    ("vit_{}_patch{}_gap_{}", {**_GAP, **_NO_QKV_BIAS, "init_values": 1e-6},
     "medium/16/240 medium/16/256 medium/16/384 betwixt/16/256"),
    ("vit_{}_patch{}_rpn_{}", {**_AVG, **_DINOV2, **_NO_QKV_BIAS, "block": res_post_norm_block}, "base/16/224"),
    ("vit_{}_patch{}_xp_{}", _XP, "base/16/224 large/14/224 huge/14/224"),
    ("flexivit_{}", {"no_embed_class": True}, "small/16/240 base/16/240 large/16/240"),
    ("eva_{}_patch{}_{}", {"global_pool": "avg"}, "large/14/196 large/14/336"),
    ("beit3_{}_patch{}_{}", _BEIT3, "base/16/224 large/16/224 giant/14/224 giant/14/336"),
    ("aimv2_{}_patch{}_{}", _AIM,
     "large_aim/14/224 large_aim/14/336 large_aim/14/448 huge_aim/14/224 huge_aim/14/336 huge_aim/14/448 "
     "1b_aim/14/224 1b_aim/14/336 1b_aim/14/448 3b_aim/14/224 3b_aim/14/336 3b_aim/14/448"),
)
# fmt: on


def _row(size, patch, side, arguments):
    """The arguments of `build_vit` of one net; size, patch and side are parts of its text in `_STYLES`."""
    row = {**dict(zip(("dim", "depth", "num_heads", "mlp_ratio"), _SIZES[size], strict=False)), **arguments}
    image = {} if side == "224" else {"input_shape": (int(side), int(side), 3), "img_size": (int(side), int(side))}
    return {"patch_size": int(patch), **row, **image}


VARIANTS = {  # timm's sizes and styles, except hybrids with a convolutional stem and differential attention
    template.format(size.split("_")[0], patch, side): _row(size, patch, side, arguments)
    for template, arguments, nets in _STYLES
    for size, patch, side in (net.split("/") for net in nets.split())
}

_RESAMPLING: dict = {"timm": {}, "dino": {"antialias": False, "offset": 0.1}, "bicubic": {"antialias": False}}

_INITIAL = {
    "pytorch": TIMM_VIT,
    "jax": InitialWeights(
        dense=glorot_uniform,
        conv=lecun_normal,
        conv_bias=zeros,
        token=zeros,
        special={r".*_mlp_fc\d/bias": normal(1e-6), "head/kernel": zeros},
    ),
}


@c.builder(initial=_INITIAL)
def build_vit(
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
    class_token: bool = True,
    num_reg_tokens: Annotated[int, c.between(0, 1024)] = 0,
    pos_embed: Literal["learn", "sincos", "none"] = "learn",
    pos_resampling: Literal["timm", "dino", "bicubic"] = "timm",
    no_embed_class: bool = False,
    dual_patch_norm: bool = False,
    embed_norm: bool = False,
    pre_norm: bool = False,
    block: transformer.Block = pre_norm_block,
    head_dim: c.Width | None = None,
    qkv_bias: bool = True,
    proj_bias: bool = True,
    mlp_bias: bool = True,
    attn_proj: bool = True,
    qk_norm: bool = False,
    attn_norm: bool = False,
    mlp_norm: bool = False,
    gated_mlp: bool = False,
    act: c.Act = "gelu",
    init_values: c.Scale | None = None,
    rms_norm: bool = False,
    norm_eps: c.Epsilon = 1e-6,
    final_norm: bool = True,
    global_pool: c.Pool = "token",
    fc_norm: bool | None = None,
    pool_include_prefix: bool = False,
    img_size: c.ImageSize = (224, 224),
    weight_init: Literal["pytorch", "jax"] = "pytorch",
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "vit",
) -> keras.Model:
    """Builds a ViT (arXiv:2010.11929): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, one of `global_pool`'s kinds: what the head would see, (B, dim), or (B, 2 dim)
            with "token_avg"; None leaves the map of the patches.
        class_token: whether a class token is prepended.
        num_reg_tokens: number of register tokens (arXiv:2309.16588), after the class token.
        pos_embed: kind of position embedding; "sincos" is SimpleViT's fixed one.
        pos_resampling: how the position table is made another size: "timm" smooths what shrinks; "bicubic"
            doesn't, as in the transformers library; nor does "dino", which scales by 0.1 more, as the official code of
            DINO and DINOv2 does.
        no_embed_class: whether the position table has no rows for class token and registers.
        embed_norm: whether a norm follows the patch embedding, before the positions.
        block: the transformer block, a function (x, transformer, drop_path, name) -> x such as those of this file.
        attn_proj: whether there is a projection after attention; one head as wide as the stream needs none.
        global_pool: what the head sees: the class token, or a pooling of the patches; "map" is attention pooling,
            "token_avg" the class token and the patches' mean side by side.
        weight_init: what the weights begin with: as in DeiT and timm, or as in the original JAX code.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16). Without a top it ends in the
        map of the last patch tokens (B, H / p, W / p, dim), normed unless the norm comes after pooling.

    Example:
        >>> vit = vitgraph.build_vit((64, 64, 3), dim=32, depth=2, num_heads=2, include_top=False, pooling="token")
        >>> vit.output_shape
        (None, 32)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    t = transformer.Transformer(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, proj_bias=proj_bias, mlp_bias=mlp_bias,
        attn_proj=attn_proj, head_dim=head_dim, qk_norm=qk_norm, attn_norm=attn_norm, mlp_norm=mlp_norm,
        gated_mlp=gated_mlp, act=act, init_values=init_values, norm_eps=norm_eps, rms_norm=rms_norm,
        proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
    )  # fmt: skip
    c.require(pos_embed != "sincos" or dim % 4 == 0, "dim", "a multiple of 4 with pos_embed='sincos'")
    patch, grid = transformer.patch_grid(border, patch_size, img_size)
    prefix, resampling = class_token + num_reg_tokens, _RESAMPLING[pos_resampling]

    patches = transformer.patch_embed(border.image, patch, dim, not pre_norm, norm_eps if dual_patch_norm else None)
    x = blocks.ToTokens(name="tokens")(t.norm(patches, "patch_norm") if embed_norm else patches)
    if pos_embed == "sincos":
        x = blocks.SinCosPosition(name="pos_embed")(x, patches)
    elif pos_embed == "learn" and no_embed_class:
        x = blocks.PositionTable(grid, **resampling, name="pos_embed")(x, patches)
    if num_reg_tokens:
        x = blocks.PrependTokens(num_reg_tokens, name="reg_token")(x)
    if class_token:
        x = blocks.PrependTokens(name="cls_token")(x)
    if pos_embed == "learn" and not no_embed_class:
        x = blocks.PositionTable(grid, prefix, **resampling, name="pos_embed")(x, patches)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    x = t.norm(x, "norm_pre") if pre_norm else x
    x = transformer.transformer_blocks(x, t, block, w.drop_path_rates(drop_path_rate, depth), patch, prefix)
    norm = transformer.norm_place(fc_norm, global_pool) if final_norm else None
    return border.end_plain(
        x, patches, t, global_pool, prefix, norm=norm, pool_prefix=pool_include_prefix, drop_rate=drop_rate
    )


__all__ = [
    "VARIANTS",
    "build_vit",
    "parallel_scaling_block",
    "parallel_things_block",
    "pre_norm_block",
    "res_post_norm_block",
]
