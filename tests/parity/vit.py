"""ViTs of timm, MAE and vit-pytorch -> ours."""

from tests.parity import Port, same, tokens_as_map
from tests.parity.official import no_more
from tests.parity.timm import activation_of, bare_name, begin, finish, norm_of, top_of, with_options
from vitgraph import build_vit
from vitgraph.blocks.base import pair
from vitgraph.builders import vit
from vitgraph.checkpoints.configurations.reading import ratio

VIT = {
    "embed_dim": "dim",
    "depth": "depth",
    "num_heads": "num_heads",
    "mlp_ratio": "mlp_ratio",
    "patch_size": "patch_size",
    "qkv_bias": "qkv_bias",
    "qk_norm": "qk_norm",
    "scale_attn_norm": "attn_norm",
    "scale_mlp_norm": "mlp_norm",
    "init_values": "init_values",
    "class_token": "class_token",
    "no_embed_class": "no_embed_class",
    "reg_tokens": "num_reg_tokens",
    "pre_norm": "pre_norm",
    "final_norm": "final_norm",
    "fc_norm": "fc_norm",
    "pool_include_prefix": "pool_include_prefix",
    "global_pool": "global_pool",
}
BLOCKS = {
    "Block": vit.pre_norm_block,
    "ResPostBlock": vit.res_post_norm_block,
    "ParallelThingsBlock": vit.parallel_things_block,
    "ParallelScalingBlock": vit.parallel_scaling_block,
}


def vision_transformer(config, image_shape, weights):
    kwargs, ours = begin(config, VIT)
    ours["pos_embed"] = "none" if kwargs.pop("pos_embed", "learn") in ("", "none") else "learn"
    in_parts = bare_name(kwargs.get("mlp_layer"))[0] == "SwiGLU"
    ours["embed_norm"] = embed_norm_of(kwargs)
    ours.update(transformer_of(kwargs))
    if in_parts:  # timm's ratio is that of a half
        ours["mlp_ratio"] = ratio(2 * int(ours["dim"] * ours.get("mlp_ratio", 4.0)), ours["dim"])
    shape, ours["img_size"] = image_of(kwargs, image_shape)
    finish(kwargs)

    top = top_of(ours, pooling=ours.get("global_pool", "token"))
    model = build_vit(shape, **top, **ours)
    names = [layer.name for layer in model.layers]
    before_head = next(n for n in ("head_drop", "fc_norm", "pool") if n in names)
    return Port(
        model,
        "vit/timm_aimv2" if in_parts else "vit/timm",
        {
            "logits": ("predictions" if top["include_top"] else before_head, same),
            "pre_logits": (before_head, same),
            "forward_features": (last_of(model), same),
            **maps_of(model, image_shape, ours.get("patch_size", 16)),
        },
    )


def transformer_of(kwargs):
    """Takes out what timm's ViTs say about their blocks."""
    ours = {"act": activation_of(kwargs.pop("act_layer", None)), **norm_of(kwargs.pop("norm_layer", None), 1e-6)}
    ours["proj_bias"] = ours["mlp_bias"] = kwargs.pop("proj_bias", True)
    block, options = bare_name(kwargs.pop("block_fn", "Block"))
    ours["block"] = with_options(BLOCKS[block], options)
    mlp_layer, options = bare_name(kwargs.pop("mlp_layer", "Mlp"))
    gate_first = mlp_layer == "SwiGLUPacked" or options.get("gate_last") is False
    ours["gated_mlp"] = {"Mlp": False, "SwiGLU": True, "SwiGLUPacked": True, "GluMlp": gate_first}[mlp_layer]
    if mlp_layer == "GluMlp" and not gate_first:
        raise NotImplementedError("GluMlp with gate_last=True")
    return ours


def embed_norm_of(kwargs):
    """Takes out the norm after the patches, which is of the blocks' kind if there is one."""
    embed_norm = kwargs.pop("embed_norm_layer", None)
    if embed_norm is not None and norm_of(embed_norm, 1e-6) != norm_of(kwargs.get("norm_layer"), 1e-6):
        raise NotImplementedError("a norm after the patches of another kind than those of blocks")
    return embed_norm is not None


def image_of(kwargs, image_shape):
    """Takes out what timm's ViTs say about image sizes: our input_shape and img_size."""
    open_size = kwargs.pop("dynamic_img_size", False) | kwargs.pop("dynamic_img_pad", False)
    return (None, None, image_shape[-1]) if open_size else image_shape, pair(kwargs.pop("img_size", 224))


def last_of(model):
    """The node whose output timm calls the features."""
    return "norm" if "norm" in [layer.name for layer in model.layers] else model.stages[-1].name


def maps_of(model, image_shape, patch_size):
    """timm's intermediate features: the patch tokens of each block as a map."""
    round_up = model.input_shape[1] is None
    grid = [-(-n // p) if round_up else n // p for n, p in zip(image_shape, pair(patch_size), strict=False)]
    return {f"features/{i}": (s.name, tokens_as_map(s.prefix, *grid)) for i, s in enumerate(model.stages)}


def mae_vit(config, image_shape, weights):
    config = dict(config)
    ours = {"dim": config["embed_dim"], "global_pool": "avg" if config.get("global_pool") else "token"}
    kept = ("patch_size", "num_classes", "depth", "num_heads", "mlp_ratio", "qkv_bias", "norm_eps")
    ours.update({k: config[k] for k in kept if k in config})
    no_more(config, (*kept, "embed_dim", "global_pool", "img_size"))
    model = build_vit(image_shape, classifier_activation=None, **ours)
    outputs = {f"features/{i}": (stage.name, same) for i, stage in enumerate(model.stages)}
    return Port(model, "vit/timm", {**outputs, "logits": ("predictions", same)})


def lucid_vit(config, image_shape, weights):
    """vit-pytorch 1.26: norms around the patch embedding; with mean pooling no class token."""
    mean = config.get("pool", "cls") == "mean"
    ours = {"class_token": not mean, "global_pool": "avg" if mean else "token", "fc_norm": False}
    model = _lucid(config, image_shape, dual_patch_norm=True, **ours)
    return Port(model, "vit/lucidrains", lucid_outputs("norm"))


def lucid22_vit(config, image_shape, weights):
    """vit-pytorch of 2022: no patch norm, no final norm but one in the head, the mean includes the class token."""
    mean = config.get("pool", "cls") == "mean"
    ours = {"global_pool": "avg" if mean else "token", "pool_include_prefix": mean, "fc_norm": True}
    model = _lucid(config, image_shape, **ours)
    return Port(model, "vit/lucidrains_2022", lucid_outputs(f"block_{config['depth'] - 1}"))


def _lucid(config, image_shape, **ours):
    return build_vit(image_shape, **{**lucid_arguments(config), "attn_proj": lucid_attn_proj(config), **ours})


def lucid_attn_proj(config):
    """One head as wide as the stream has no projection."""
    return not (config["heads"] == 1 and config.get("dim_head", 64) == config["dim"])


def lucid_arguments(config, further=()):
    """Arguments of ours that follow from those of any of vit-pytorch's ViTs; `further` is translated elsewhere."""
    known = "image_size patch_size num_classes dim depth heads mlp_dim dim_head pool channels dropout emb_dropout"
    no_more(config, (*known.split(), *further))
    return {
        "classifier_activation": None,
        "num_classes": config["num_classes"],
        "patch_size": pair(config["patch_size"]),
        "dim": config["dim"],
        "depth": config["depth"],
        "num_heads": config["heads"],
        "head_dim": config.get("dim_head", 64),
        "mlp_ratio": config["mlp_dim"] / config["dim"],
        "qkv_bias": False,
        "norm_eps": 1e-5,
    }


def lucid_outputs(last):
    return {
        "features/tokens": ("tokens", same),
        "features/transformer": (last, same),
        "logits": ("predictions", same),
    }


PARAMETERS = {
    "aimv2_1b_patch14_224": 1_237_007_336,
    "aimv2_1b_patch14_336": 1_237_662_696,
    "aimv2_1b_patch14_448": 1_238_580_200,
    "aimv2_3b_patch14_224": 2_723_731_432,
    "aimv2_3b_patch14_336": 2_724_714_472,
    "aimv2_3b_patch14_448": 2_726_090_728,
    "aimv2_huge_patch14_224": 682_388_968,
    "aimv2_huge_patch14_336": 682_880_488,
    "aimv2_huge_patch14_448": 683_568_616,
    "aimv2_large_patch14_224": 310_222_824,
    "aimv2_large_patch14_336": 310_550_504,
    "aimv2_large_patch14_448": 311_009_256,
    "beit3_base_patch16_224": 86_659_816,
    "beit3_giant_patch14_224": 1_013_215_592,
    "beit3_giant_patch14_336": 1_013_666_152,
    "beit3_large_patch16_224": 304_572_392,
    "deit3_base_patch16_224": 86_585_320,
    "deit3_base_patch16_384": 86_877_160,
    "deit3_huge_patch14_224": 632_126_440,
    "deit3_large_patch16_224": 304_374_760,
    "deit3_large_patch16_384": 304_763_880,
    "deit3_medium_patch16_224": 38_849_512,
    "deit3_small_patch16_224": 22_059_496,
    "deit3_small_patch16_384": 22_205_416,
    "eva_large_patch14_196": 304_142_312,
    "eva_large_patch14_336": 304_531_432,
    "flexivit_base": 86_589_160,
    "flexivit_large": 304_355_304,
    "flexivit_small": 22_061_416,
    "vit_base_patch14_dinov2": 87_348_712,
    "vit_base_patch14_reg1_tipsv2": 87_083_752,
    "vit_base_patch14_reg4_dinov2": 87_351_016,
    "vit_base_patch16_18x2_224": 256_731_880,
    "vit_base_patch16_224": 86_567_656,
    "vit_base_patch16_224_miil": 86_540_008,
    "vit_base_patch16_384": 86_859_496,
    "vit_base_patch16_clip_224": 86_568_424,
    "vit_base_patch16_clip_384": 86_860_264,
    "vit_base_patch16_clip_quickgelu_224": 86_568_424,
    "vit_base_patch16_gap_224": 86_566_120,
    "vit_base_patch16_plus_240": 117_557_992,
    "vit_base_patch16_plus_clip_240": 117_537_384,
    "vit_base_patch16_radio_v3": 87_225_064,
    "vit_base_patch16_reg4_gap_256": 86_615_272,
    "vit_base_patch16_rpn_224": 86_538_472,
    "vit_base_patch16_siglip_224": 93_653_224,
    "vit_base_patch16_siglip_256": 93_699_304,
    "vit_base_patch16_siglip_384": 93_945_064,
    "vit_base_patch16_siglip_512": 94_289_128,
    "vit_base_patch16_siglip_gap_224": 86_566_120,
    "vit_base_patch16_siglip_gap_256": 86_612_200,
    "vit_base_patch16_siglip_gap_384": 86_857_960,
    "vit_base_patch16_siglip_gap_512": 87_202_024,
    "vit_base_patch16_xp_224": 86_512_360,
    "vit_base_patch32_224": 88_224_232,
    "vit_base_patch32_384": 88_297_192,
    "vit_base_patch32_clip_224": 88_225_000,
    "vit_base_patch32_clip_256": 88_236_520,
    "vit_base_patch32_clip_384": 88_297_960,
    "vit_base_patch32_clip_448": 88_337_896,
    "vit_base_patch32_clip_quickgelu_224": 88_225_000,
    "vit_base_patch32_plus_256": 119_478_120,
    "vit_base_patch32_siglip_256": 95_321_320,
    "vit_base_patch32_siglip_gap_256": 88_234_216,
    "vit_base_patch8_224": 86_576_872,
    "vit_betwixt_patch16_gap_256": 60_372_840,
    "vit_betwixt_patch16_reg1_gap_256": 60_396_520,
    "vit_betwixt_patch16_reg4_gap_256": 60_398_440,
    "vit_betwixt_patch16_reg4_gap_384": 60_603_240,
    "vit_betwixt_patch32_clip_224": 61_724_520,
    "vit_giant_patch14_224": 1_012_611_432,
    "vit_giant_patch14_clip_224": 1_012_612_840,
    "vit_giant_patch14_dinov2": 1_138_016_232,
    "vit_giant_patch14_reg1_tipsv2": 1_137_486_312,
    "vit_giant_patch14_reg4_dinov2": 1_138_020_840,
    "vit_giant_patch16_gap_224": 1_012_777_576,
    "vit_giant_patch16_radio_v3": 1_137_564_136,
    "vit_giantopt_patch16_siglip_256": 1_164_705_256,
    "vit_giantopt_patch16_siglip_384": 1_165_196_776,
    "vit_giantopt_patch16_siglip_gap_256": 1_136_375_272,
    "vit_giantopt_patch16_siglip_gap_384": 1_136_866_792,
    "vit_gigantic_patch14_224": 1_844_440_680,
    "vit_gigantic_patch14_clip_224": 1_844_442_344,
    "vit_gigantic_patch14_clip_378": 1_845_229_416,
    "vit_gigantic_patch14_clip_quickgelu_224": 1_844_442_344,
    "vit_huge_patch14_224": 632_045_800,
    "vit_huge_patch14_clip_224": 632_047_080,
    "vit_huge_patch14_clip_336": 632_456_680,
    "vit_huge_patch14_clip_378": 632_652_520,
    "vit_huge_patch14_clip_quickgelu_224": 632_047_080,
    "vit_huge_patch14_clip_quickgelu_378": 632_652_520,
    "vit_huge_patch14_gap_224": 632_043_240,
    "vit_huge_patch14_xp_224": 631_802_600,
    "vit_huge_patch16_gap_448": 632_949_480,
    "vit_huge_patch16_radio_v3": 633_264_360,
    "vit_huge_patch16_radio_v4": 633_266_920,
    "vit_intern300m_patch14_448": 305_037_288,
    "vit_large_patch14_224": 304_203_752,
    "vit_large_patch14_clip_224": 304_204_776,
    "vit_large_patch14_clip_336": 304_532_456,
    "vit_large_patch14_clip_quickgelu_224": 304_204_776,
    "vit_large_patch14_clip_quickgelu_336": 304_532_456,
    "vit_large_patch14_dinov2": 305_392_616,
    "vit_large_patch14_reg1_tipsv2": 305_039_336,
    "vit_large_patch14_reg4_dinov2": 305_395_688,
    "vit_large_patch14_xp_224": 304_057_320,
    "vit_large_patch16_224": 304_326_632,
    "vit_large_patch16_384": 304_715_752,
    "vit_large_patch16_radio_v3": 305_227_752,
    "vit_large_patch16_siglip_256": 316_981_224,
    "vit_large_patch16_siglip_384": 317_308_904,
    "vit_large_patch16_siglip_512": 317_767_656,
    "vit_large_patch16_siglip_gap_256": 304_386_024,
    "vit_large_patch16_siglip_gap_384": 304_713_704,
    "vit_large_patch16_siglip_gap_512": 305_172_456,
    "vit_large_patch32_224": 306_535_400,
    "vit_large_patch32_384": 306_632_680,
    "vit_little_patch16_reg1_gap_256": 22_515_048,
    "vit_little_patch16_reg4_gap_256": 22_516_008,
    "vit_medium_patch16_clip_224": 38_838_248,
    "vit_medium_patch16_gap_240": 38_845_416,
    "vit_medium_patch16_gap_256": 38_861_288,
    "vit_medium_patch16_gap_384": 39_025_128,
    "vit_medium_patch16_reg1_gap_256": 38_880_232,
    "vit_medium_patch16_reg4_gap_256": 38_881_768,
    "vit_medium_patch32_clip_224": 39_942_632,
    "vit_mediumd_patch16_reg4_gap_256": 64_109_032,
    "vit_mediumd_patch16_reg4_gap_384": 64_272_872,
    "vit_pwee_patch16_reg1_gap_256": 15_253_480,
    "vit_small_patch14_dinov2": 22_441_192,
    "vit_small_patch14_reg4_dinov2": 22_442_344,
    "vit_small_patch16_18x2_224": 64_665_448,
    "vit_small_patch16_224": 22_050_664,
    "vit_small_patch16_36x1_224": 64_665_448,
    "vit_small_patch16_384": 22_196_584,
    "vit_small_patch32_224": 22_878_952,
    "vit_small_patch32_384": 22_915_432,
    "vit_small_patch8_224": 22_055_272,
    "vit_so150m2_patch16_reg1_gap_256": 136_059_560,
    "vit_so150m2_patch16_reg1_gap_384": 136_325_800,
    "vit_so150m2_patch16_reg1_gap_448": 136_498_856,
    "vit_so150m_patch16_reg4_gap_256": 134_131_560,
    "vit_so150m_patch16_reg4_gap_384": 134_418_280,
    "vit_so150m_patch16_reg4_map_256": 141_481_064,
    "vit_so400m_patch14_reg1_tipsv2": 414_544_600,
    "vit_so400m_patch14_siglip_224": 428_833_704,
    "vit_so400m_patch14_siglip_378": 429_378_600,
    "vit_so400m_patch14_siglip_384": 429_378_600,
    "vit_so400m_patch14_siglip_gap_224": 413_595_352,
    "vit_so400m_patch14_siglip_gap_378": 414_140_248,
    "vit_so400m_patch14_siglip_gap_384": 414_140_248,
    "vit_so400m_patch14_siglip_gap_448": 414_480_088,
    "vit_so400m_patch14_siglip_gap_896": 418_019_032,
    "vit_so400m_patch16_radio_v4": 414_696_664,
    "vit_so400m_patch16_siglip_256": 429_041_064,
    "vit_so400m_patch16_siglip_384": 429_409_704,
    "vit_so400m_patch16_siglip_512": 429_925_800,
    "vit_so400m_patch16_siglip_gap_256": 413_802_712,
    "vit_so400m_patch16_siglip_gap_384": 414_171_352,
    "vit_so400m_patch16_siglip_gap_512": 414_687_448,
    "vit_tiny_patch16_224": 5_717_416,
    "vit_tiny_patch16_384": 5_790_376,
    "vit_wee_patch16_reg1_gap_256": 13_422_568,
    "vit_xsmall_patch16_clip_224": 8_402_920,
}

TRANSLATIONS = {
    "timm.models.vision_transformer.VisionTransformer": vision_transformer,
    "official_mae_vit": mae_vit,
    "lucid_vit": lucid_vit,
    "lucid22_vit": lucid22_vit,
}
