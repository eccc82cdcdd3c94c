"""The published ViT variants: which names there are, and the numbers behind a name.

Sizes and training styles are those of timm's `vit_*` and `deit3_*`; patch and image size stand in the name, or go with
the checkpoint's family (`IMAGE`). Left out are hybrids with a convolutional stem and differential attention.
"""

import re

SIZES = {  # dim, depth, num_heads[, mlp_ratio]
    "tiny": (192, 12, 3),
    "xsmall": (256, 10, 4),
    "wee": (256, 14, 4, 5),
    "pwee": (256, 16, 4, 5),
    "little": (320, 14, 5, 5.6),
    "small": (384, 12, 6),
    "small_18": (384, 18, 6),
    "small_36": (384, 36, 6),
    "medium": (512, 12, 8),
    "mediumd": (512, 20, 8),
    "betwixt": (640, 12, 10),
    "base": (768, 12, 12),
    "base_18": (768, 18, 12),
    "base_h16": (768, 12, 16),
    "base_plus": (896, 12, 14),
    "so150m2": (832, 21, 13, 34 / 13),
    "so150m": (896, 18, 14, 2.572),
    "large": (1024, 24, 16),
    "so400m": (1152, 27, 16, 3.7362),
    "so400m_4304": (1152, 27, 16, 269 / 72),
    "huge": (1280, 32, 16),
    "giant": (1408, 40, 16, 48 / 11),
    "giant_gated": (1536, 40, 24, 5.33334),
    "giant_24": (1536, 40, 24),
    "giantopt": (1536, 40, 16),
    "gigantic": (1664, 48, 16, 64 / 13),
}

_DINOV2 = {"init_values": 1e-5}
_DINOV2_REG4 = {**_DINOV2, "no_embed_class": True, "reg_tokens": 4}
_GATED = {"act": "silu", "gated_mlp": True}
_TIPS = {"init_values": 1.0, "no_embed_class": True, "reg_tokens": 1}
_RADIO = {"final_norm": False, "no_embed_class": True}
_CLIP = {"pre_norm": True, "norm_eps": 1e-5}
_MAP = {"class_token": False, "global_pool": "map"}
_AVG = {"class_token": False, "global_pool": "avg"}
_GAP = {**_AVG, "fc_norm": False}
_REG_GAP = {**_AVG, "init_values": 1e-5, "no_embed_class": True}
_NO_QKV_BIAS = {"qkv_bias": False}
_SCALING = {"block": "parallel_scaling_block"}

STYLES: dict = {
    "vit": {},
    "no_qkv_bias": _NO_QKV_BIAS,
    "deit3": {"init_values": 1e-6, "no_embed_class": True},
    "dinov2": _DINOV2,
    "dinov2_reg4": _DINOV2_REG4,
    "dinov2_gated": {**_DINOV2, **_GATED},
    "dinov2_reg4_gated": {**_DINOV2_REG4, **_GATED},
    "tips": _TIPS,
    "tips_gated": {**_TIPS, **_GATED},
    "radio7": {**_RADIO, "reg_tokens": 7},
    "radio7_scaled": {**_RADIO, "reg_tokens": 7, "init_values": 1e-5},
    "radio9": {**_RADIO, "reg_tokens": 9},
    "intern": {"final_norm": False, "init_values": 0.1},
    "clip": _CLIP,
    "clip_quickgelu": {**_CLIP, "act": "quick_gelu"},
    "siglip": _MAP,
    "siglip_tanh": {**_MAP, "act": "gelu_tanh"},
    "siglip_reg4": {**_MAP, "reg_tokens": 4},
    "gap": _GAP,
    "gap_tanh": {**_GAP, "act": "gelu_tanh"},
    "gap_scaled": {**_GAP, **_NO_QKV_BIAS, "init_values": 1e-6},
    "gap_reg4": {**_GAP, "reg_tokens": 4},
    "reg1_gap": {**_REG_GAP, "reg_tokens": 1},
    "reg4_gap": {**_REG_GAP, "reg_tokens": 4},
    "reg4_gap_plain": {**_AVG, "no_embed_class": True, "reg_tokens": 4},
    "reg1_gap_no_qkv_bias": {**_AVG, **_NO_QKV_BIAS, "init_values": 1e-5, "reg_tokens": 1},
    "rpn": {**_AVG, **_NO_QKV_BIAS, "init_values": 1e-5, "block": "res_post_norm_block"},
    "things": {"init_values": 1e-5, "block": "parallel_things_block"},
    "xp": {**_SCALING, **_NO_QKV_BIAS, "no_embed_class": True, "pre_norm": True, "qk_norm": True, "rms_norm": True},
    "pwee": {**_SCALING, **_REG_GAP, "reg_tokens": 1},
}

IMAGE = {"dinov2": 518, "tipsv2": 448, "radio": 512}  # side in pixels, where a name has none

NAMES = {  # (style, size): names
    ("vit", "tiny"): "vit_tiny_patch16_224 vit_tiny_patch16_384",
    ("vit", "small"): (
        "vit_small_patch8_224 vit_small_patch16_224 vit_small_patch16_384 vit_small_patch32_224 vit_small_patch32_384"
    ),
    ("vit", "base"): (
        "vit_base_patch8_224 vit_base_patch16_224 vit_base_patch16_384 vit_base_patch32_224 vit_base_patch32_384"
    ),
    ("vit", "large"): (
        "vit_large_patch14_224 vit_large_patch16_224 vit_large_patch16_384 vit_large_patch32_224 vit_large_patch32_384"
    ),
    ("vit", "huge"): "vit_huge_patch14_224",
    ("vit", "giant"): "vit_giant_patch14_224",
    ("vit", "gigantic"): "vit_gigantic_patch14_224",
    ("no_qkv_bias", "base"): "vit_base_patch16_224_miil",
    ("deit3", "small"): "deit3_small_patch16_224 deit3_small_patch16_384",
    ("deit3", "medium"): "deit3_medium_patch16_224",
    ("deit3", "base"): "deit3_base_patch16_224 deit3_base_patch16_384",
    ("deit3", "large"): "deit3_large_patch16_224 deit3_large_patch16_384",
    ("deit3", "huge"): "deit3_huge_patch14_224",
    ("dinov2", "small"): "vit_small_patch14_dinov2",
    ("dinov2", "small_36"): "vit_small_patch16_36x1_224",
    ("dinov2", "base"): "vit_base_patch14_dinov2",
    ("dinov2", "base_plus"): "vit_base_patch16_plus_240 vit_base_patch32_plus_256",
    ("dinov2", "large"): "vit_large_patch14_dinov2",
    ("dinov2_reg4", "small"): "vit_small_patch14_reg4_dinov2",
    ("dinov2_reg4", "base"): "vit_base_patch14_reg4_dinov2",
    ("dinov2_reg4", "large"): "vit_large_patch14_reg4_dinov2",
    ("dinov2_gated", "giant_gated"): "vit_giant_patch14_dinov2",
    ("dinov2_reg4_gated", "giant_gated"): "vit_giant_patch14_reg4_dinov2",
    ("tips", "base"): "vit_base_patch14_reg1_tipsv2",
    ("tips", "large"): "vit_large_patch14_reg1_tipsv2",
    ("tips", "so400m_4304"): "vit_so400m_patch14_reg1_tipsv2",
    ("tips_gated", "giant_gated"): "vit_giant_patch14_reg1_tipsv2",
    ("radio7", "huge"): "vit_huge_patch16_radio_v3",
    ("radio7", "giant_24"): "vit_giant_patch16_radio_v3",
    ("radio7_scaled", "base"): "vit_base_patch16_radio_v3",
    ("radio7_scaled", "large"): "vit_large_patch16_radio_v3",
    ("radio9", "so400m_4304"): "vit_so400m_patch16_radio_v4",
    ("radio9", "huge"): "vit_huge_patch16_radio_v4",
    ("intern", "large"): "vit_intern300m_patch14_448",
    ("clip", "xsmall"): "vit_xsmall_patch16_clip_224",
    ("clip", "medium"): "vit_medium_patch16_clip_224 vit_medium_patch32_clip_224",
    ("clip", "betwixt"): "vit_betwixt_patch32_clip_224",
    ("clip", "base"): (
        "vit_base_patch16_clip_224 vit_base_patch16_clip_384 vit_base_patch32_clip_224 vit_base_patch32_clip_256 "
        "vit_base_patch32_clip_384 vit_base_patch32_clip_448"
    ),
    ("clip", "base_plus"): "vit_base_patch16_plus_clip_240",
    ("clip", "large"): "vit_large_patch14_clip_224 vit_large_patch14_clip_336",
    ("clip", "huge"): "vit_huge_patch14_clip_224 vit_huge_patch14_clip_336 vit_huge_patch14_clip_378",
    ("clip", "giant"): "vit_giant_patch14_clip_224",
    ("clip", "gigantic"): "vit_gigantic_patch14_clip_224 vit_gigantic_patch14_clip_378",
    ("clip_quickgelu", "base"): "vit_base_patch16_clip_quickgelu_224 vit_base_patch32_clip_quickgelu_224",
    ("clip_quickgelu", "large"): "vit_large_patch14_clip_quickgelu_224 vit_large_patch14_clip_quickgelu_336",
    ("clip_quickgelu", "huge"): "vit_huge_patch14_clip_quickgelu_224 vit_huge_patch14_clip_quickgelu_378",
    ("clip_quickgelu", "gigantic"): "vit_gigantic_patch14_clip_quickgelu_224",
    ("siglip", "base"): (
        "vit_base_patch16_siglip_224 vit_base_patch16_siglip_256 vit_base_patch16_siglip_384 "
        "vit_base_patch16_siglip_512"
    ),
    ("siglip", "large"): "vit_large_patch16_siglip_256 vit_large_patch16_siglip_384",
    ("siglip", "so400m"): "vit_so400m_patch14_siglip_224 vit_so400m_patch14_siglip_378 vit_so400m_patch14_siglip_384",
    ("siglip_tanh", "base"): "vit_base_patch32_siglip_256",
    ("siglip_tanh", "large"): "vit_large_patch16_siglip_512",
    ("siglip_tanh", "so400m"): (
        "vit_so400m_patch16_siglip_256 vit_so400m_patch16_siglip_384 vit_so400m_patch16_siglip_512"
    ),
    ("siglip_tanh", "giantopt"): "vit_giantopt_patch16_siglip_256 vit_giantopt_patch16_siglip_384",
    ("siglip_reg4", "so150m"): "vit_so150m_patch16_reg4_map_256",
    ("gap", "base"): (
        "vit_base_patch16_siglip_gap_224 vit_base_patch16_siglip_gap_256 vit_base_patch16_siglip_gap_384 "
        "vit_base_patch16_siglip_gap_512"
    ),
    ("gap", "base_h16"): "vit_base_patch16_gap_224",
    ("gap", "large"): "vit_large_patch16_siglip_gap_256 vit_large_patch16_siglip_gap_384",
    ("gap", "so400m"): (
        "vit_so400m_patch14_siglip_gap_224 vit_so400m_patch14_siglip_gap_378 vit_so400m_patch14_siglip_gap_384 "
        "vit_so400m_patch14_siglip_gap_448 vit_so400m_patch14_siglip_gap_896"
    ),
    ("gap", "huge"): "vit_huge_patch14_gap_224 vit_huge_patch16_gap_448",
    ("gap", "giant"): "vit_giant_patch16_gap_224",
    ("gap_tanh", "base"): "vit_base_patch32_siglip_gap_256",
    ("gap_tanh", "large"): "vit_large_patch16_siglip_gap_512",
    ("gap_tanh", "so400m"): (
        "vit_so400m_patch16_siglip_gap_256 vit_so400m_patch16_siglip_gap_384 vit_so400m_patch16_siglip_gap_512"
    ),
    ("gap_tanh", "giantopt"): "vit_giantopt_patch16_siglip_gap_256 vit_giantopt_patch16_siglip_gap_384",
    ("gap_scaled", "medium"): "vit_medium_patch16_gap_240 vit_medium_patch16_gap_256 vit_medium_patch16_gap_384",
    ("gap_scaled", "betwixt"): "vit_betwixt_patch16_gap_256",
    ("gap_reg4", "so150m"): "vit_so150m_patch16_reg4_gap_256 vit_so150m_patch16_reg4_gap_384",
    ("reg1_gap", "wee"): "vit_wee_patch16_reg1_gap_256",
    ("reg1_gap", "little"): "vit_little_patch16_reg1_gap_256",
    ("reg1_gap", "medium"): "vit_medium_patch16_reg1_gap_256",
    ("reg1_gap", "betwixt"): "vit_betwixt_patch16_reg1_gap_256",
    ("reg4_gap", "little"): "vit_little_patch16_reg4_gap_256",
    ("reg4_gap", "medium"): "vit_medium_patch16_reg4_gap_256",
    ("reg4_gap", "mediumd"): "vit_mediumd_patch16_reg4_gap_256 vit_mediumd_patch16_reg4_gap_384",
    ("reg4_gap", "betwixt"): "vit_betwixt_patch16_reg4_gap_256 vit_betwixt_patch16_reg4_gap_384",
    ("reg4_gap_plain", "base"): "vit_base_patch16_reg4_gap_256",
    ("reg1_gap_no_qkv_bias", "so150m2"): (
        "vit_so150m2_patch16_reg1_gap_256 vit_so150m2_patch16_reg1_gap_384 vit_so150m2_patch16_reg1_gap_448"
    ),
    ("rpn", "base"): "vit_base_patch16_rpn_224",
    ("things", "small_18"): "vit_small_patch16_18x2_224",
    ("things", "base_18"): "vit_base_patch16_18x2_224",
    ("xp", "base"): "vit_base_patch16_xp_224",
    ("xp", "large"): "vit_large_patch14_xp_224",
    ("xp", "huge"): "vit_huge_patch14_xp_224",
    ("pwee", "pwee"): "vit_pwee_patch16_reg1_gap_256",
}


def _row(name, style, size):
    """The keyword arguments of `build_vit` behind a name."""
    dim, depth, num_heads, *mlp_ratio = SIZES[size]
    patch = int(re.findall(r"patch(\d+)", name)[0])
    image = re.search(r"_(\d{3})(_miil)?$", name)
    side = int(image[1]) if image else next(side for family, side in IMAGE.items() if family in name)
    row: dict = {"patch_size": patch, "dim": dim, "depth": depth, "num_heads": num_heads, **STYLES[style]}
    if mlp_ratio:
        row["mlp_ratio"] = mlp_ratio[0]
    if side != 224:
        row.update(input_shape=(side, side, 3), img_size=(side, side))
    return row


ROWS = {name: _row(name, *kind) for kind, names in NAMES.items() for name in names.split()}
