"""timm's EVA, EVA-02, DINOv3 and their relatives -> ours."""

import math

from tests.parity import Port, same
from tests.parity.initial import CONV, LINEAR, TABLE, default, normal, scaled_with_depth
from tests.parity.timm import begin, finish, norm_of, top_of
from tests.parity.vit import image_of, maps_of
from vitgraph import build_eva

EVA = {
    "embed_dim": "dim",
    "depth": "depth",
    "num_heads": "num_heads",
    "num_kv_heads": "num_kv_heads",
    "patch_size": "patch_size",
    "qkv_bias": "qkv_bias",
    "qk_norm": "qk_norm",
    "scale_attn_inner": "attn_norm",
    "scale_mlp": "mlp_norm",
    "swiglu_mlp": "gated_mlp",
    "init_values": "init_values",
    "class_token": "class_token",
    "num_reg_tokens": "num_reg_tokens",
    "no_embed_class": "no_embed_class",
    "use_pre_transformer_norm": "pre_norm",
    "use_post_norm": "post_norm",
    "use_post_transformer_norm": "final_norm",
    "global_pool": "global_pool",
    "attn_pool_num_heads": "pool_heads",
    "attn_pool_mlp_ratio": "pool_mlp_ratio",
    "rope_temperature": "rope_temperature",
    "rope_rotate_half": "rope_halves",
}
ROPES = {"cat": "axial", "dinov3": "centred", "mixed": "mixed"}


def eva(config, image_shape, weights):
    kwargs, ours = begin(config, EVA)
    ours.update(norm_of(kwargs.pop("norm_layer", None), 1e-6))
    for augmentation in ("rope_shift_coords", "rope_jitter_coords", "rope_rescale_coords", "head_init_scale"):
        kwargs.pop(augmentation, None)  # of training alone
    ours["pos_embed"] = "learn" if kwargs.pop("use_abs_pos_emb", True) else "none"
    ours.update(rope_of(kwargs))
    ours["mlp_ratio"] = mlp_ratio(kwargs, ours)
    ours["k_bias"] = kwargs.pop("attn_type", "eva") == "rope"
    ours["mlp_scale"] = not kwargs.pop("attn_only_layer_scale", False)
    pool, fc_norm = ours.get("global_pool", "avg"), kwargs.pop("use_fc_norm", None)
    ours["fc_norm"] = pool == "avg" if fc_norm is None else fc_norm
    kwargs.pop("qkv_fused", None)
    shape, ours["img_size"] = image_of(kwargs, image_shape)
    finish(kwargs)

    top = top_of(ours, pooling=pool)
    model = build_eva(shape, **top, **ours)
    names = [layer.name for layer in model.layers]
    before_head = next(n for n in ("head_drop", "fc_norm", "pool") if n in names)
    return Port(
        model,
        source_of(weights),
        {
            "logits": ("predictions" if top["include_top"] else before_head, same),
            "pre_logits": (before_head, same),
            "forward_features": ("norm" if "norm" in names else model.stages[-1].name, same),
            **maps_of(model, image_shape, ours.get("patch_size", 16)),
        },
    )


def rope_of(kwargs):
    """Takes out what timm says of rotary positions."""
    used, kind = kwargs.pop("use_rot_pos_emb", False), kwargs.pop("rope_type", "cat")
    reference, offset = kwargs.pop("ref_feat_shape", None), kwargs.pop("rope_grid_offset", 0.0)
    ours = {"rope_x_first": {"ij": False, "xy": True}[kwargs.pop("rope_grid_indexing", "ij")]}
    if not used:
        return {**ours, "rope": None}
    if kind not in ROPES:
        raise NotImplementedError(f"rope_type={kind!r} without a translation; there is one of {', '.join(ROPES)}")
    ours |= {"rope": ROPES[kind], "rope_offset": 0.0 if kind == "mixed" else offset}
    return {**ours, "rope_reference": reference} if kind == "cat" else ours


def mlp_ratio(kwargs, ours):
    """Ours, which counts both halves of a gated layer."""
    ratio, align = kwargs.pop("mlp_ratio", 4.0), kwargs.pop("swiglu_align_to", 0)
    if not ours.get("gated_mlp"):
        return ratio
    dim = ours.get("dim", 768)
    hidden = int(dim * ratio)
    hidden += -hidden % align if align and not ours.get("post_norm") or align and ours.get("mlp_norm") else 0
    ratio = 2 * hidden / dim
    return ratio if int(dim * ratio) == 2 * hidden else math.nextafter(ratio, math.inf)


def source_of(weights):
    """The table: which projections come in parts."""
    parts = ("q_proj", "fc1_g")
    qkv, mlp = (any(f".{part}." in name for name in weights) for part in parts)
    return f"eva/timm{'_qkv' * (qkv and not mlp)}{'_mlp' * (mlp and not qkv)}{'_parts' * (qkv or mlp)}"


PARAMETERS = {
    "eva02_base_patch14_224": 86_527_720,
    "eva02_base_patch14_448": 87_117_544,
    "eva02_base_patch16_clip_224": 86_638_312,
    "eva02_enormous_patch14_clip_224": 4_350_513_896,
    "eva02_large_patch14_224": 304_293_800,
    "eva02_large_patch14_448": 305_080_232,
    "eva02_large_patch14_clip_224": 304_342_952,
    "eva02_large_patch14_clip_336": 304_670_632,
    "eva02_small_patch14_224": 22_006_120,
    "eva02_small_patch14_336": 22_129_000,
    "eva02_tiny_patch14_224": 5_695_144,
    "eva02_tiny_patch14_336": 5_756_584,
    "eva_giant_patch14_224": 1_012_555_112,
    "eva_giant_patch14_336": 1_013_005_672,
    "eva_giant_patch14_560": 1_014_447_464,
    "eva_giant_patch14_clip_224": 1_012_555_112,
    "vit_5b_patch16_sapiens2": 5_069_335_976,
    "vit_7b_patch16_dinov3": 6_720_127_976,
    "vit_base_patch16_dinov3": 86_410_216,
    "vit_base_patch16_dinov3_qkvb": 86_428_648,
    "vit_base_patch16_lingbot": 86_428_648,
    "vit_base_patch16_rope_224": 86_434_792,
    "vit_base_patch16_rope_ape_224": 86_585_320,
    "vit_base_patch16_rope_mixed_224": 86_444_008,
    "vit_base_patch16_rope_mixed_ape_224": 86_594_536,
    "vit_base_patch16_rope_reg1_gap_256": 86_425_576,
    "vit_base_patch16_sapiens2": 114_762_472,
    "vit_betwixt_patch16_rope_reg4_gap_256": 60_226_920,
    "vit_giant_patch16_lingbot": 1_136_010_216,
    "vit_giant_patch16_sapiens2": 1_457_011_176,
    "vit_huge_patch16_sapiens2": 815_564_520,
    "vit_huge_plus_patch16_dinov3": 841_790_440,
    "vit_huge_plus_patch16_dinov3_qkvb": 841_872_360,
    "vit_large_patch16_dinov3": 304_104_424,
    "vit_large_patch16_dinov3_qkvb": 304_153_576,
    "vit_large_patch16_lingbot": 304_153_576,
    "vit_large_patch16_rope_224": 304_174_056,
    "vit_large_patch16_rope_ape_224": 304_374_760,
    "vit_large_patch16_rope_mixed_224": 304_198_632,
    "vit_large_patch16_rope_mixed_ape_224": 304_399_336,
    "vit_large_patch16_sapiens2": 396_475_368,
    "vit_medium_patch16_rope_reg1_gap_256": 38_743_016,
    "vit_mediumd_patch16_rope_reg1_gap_256": 63_945_704,
    "vit_pe_core_base_patch16_224": 93_655_528,
    "vit_pe_core_gigantic_patch14_448": 1_881_603_560,
    "vit_pe_core_large_patch14_336": 317_127_656,
    "vit_pe_core_small_patch16_384": 23_971_048,
    "vit_pe_core_tiny_patch16_384": 6_235_240,
    "vit_pe_lang_gigantic_patch14_448": 1_742_459_624,
    "vit_pe_lang_large_patch14_448": 292_440_040,
    "vit_pe_spatial_base_patch16_512": 87_202_792,
    "vit_pe_spatial_gigantic_patch14_448": 1_853_424_104,
    "vit_pe_spatial_large_patch14_448": 304_989_160,
    "vit_pe_spatial_small_patch16_512": 22_368_232,
    "vit_pe_spatial_tiny_patch16_512": 5_876_200,
    "vit_small_patch16_dinov3": 21_971_944,
    "vit_small_patch16_dinov3_qkvb": 21_981_160,
    "vit_small_patch16_lingbot": 21_981_160,
    "vit_small_patch16_rope_224": 21_984_232,
    "vit_small_patch16_rope_ape_224": 22_059_496,
    "vit_small_patch16_rope_mixed_224": 21_988_840,
    "vit_small_patch16_rope_mixed_ape_224": 22_064_104,
    "vit_small_plus_patch16_dinov3": 29_068_264,
    "vit_small_plus_patch16_dinov3_qkvb": 29_077_480,
    "vit_tiny_patch16_dinov3_qkvb": 5_682_664,
}

INITIAL = {
    "eva02_tiny_patch14_224": {
        **scaled_with_depth(r"block_(\d+)_(attn_proj|mlp_fc2)/kernel"),
        "head/kernel": normal(0.02 * 0.001),
        CONV: default,
        LINEAR: normal(0.02),
        TABLE: normal(0.02),
    }
}

TRANSLATIONS = {"timm.models.eva.Eva": eva}
