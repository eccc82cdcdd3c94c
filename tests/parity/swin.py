"""timm's Swin and Microsoft's -> ours."""

from tests.parity import Port, as_tokens, same
from tests.parity.official import no_more
from tests.parity.timm import begin, finish, hierarchical, norm_of, top_of
from vitgraph import build_swin
from vitgraph.blocks.base import pair

SWIN = {
    "embed_dim": "dim",
    "depths": "depths",
    "num_heads": "num_heads",
    "head_dim": "head_dim",
    "qkv_bias": "qkv_bias",
    "patch_size": "patch_size",
}


def swin(config, image_shape, weights):
    kwargs, ours = begin(config, SWIN)
    stages = len(ours.get("depths", (2, 2, 6, 2)))
    ours["mlp_ratios"] = (kwargs.pop("mlp_ratio", 4.0),) * stages
    ours["window_sizes"] = per_stage(kwargs.pop("window_size", 7), stages)
    img_size = pair(kwargs.pop("img_size", 224))
    fixed = kwargs.pop("strict_img_size", True)
    ours["clip_windows"] = not kwargs.pop("always_partition", False)
    ours.update(norm_of(kwargs.pop("norm_layer", None), 1e-5))
    assert kwargs.pop("global_pool", "avg") == "avg"
    finish(kwargs)
    shape = image_shape if fixed else (None, None, image_shape[-1])
    model = build_swin(shape, img_size=None if fixed else img_size, **top_of(ours, pooling="avg"), **ours)
    return Port(model, "swin/timm", hierarchical(model, "norm", same))


def per_stage(window_size, stages):
    """timm's window: an integer or (rows, columns) for all stages, or another number of entries, one per stage."""
    alike = isinstance(window_size, int) or len(window_size) == 2
    return (window_size,) * stages if alike else window_size


MICROSOFT = {
    "patch_size": "patch_size",
    "embed_dim": "dim",
    "depths": "depths",
    "num_heads": "num_heads",
    "window_size": "window_sizes",
    "mlp_ratio": "mlp_ratios",
    "qkv_bias": "qkv_bias",
}
FIXED = {"patch_norm": True, "qk_scale": None}
RATES = ("drop_rate", "attn_drop_rate", "drop_path_rate")
WITHOUT_EFFECT = ("img_size", "in_chans", *RATES, "use_checkpoint", "fused_window_process")


def from_microsoft(config, image_shape):
    """Microsoft's and SimMIM's constructor arguments -> those of `build_swin`."""
    no_more(config, (*MICROSOFT, *FIXED, *WITHOUT_EFFECT, "ape", "num_classes"))
    other = [name for name, value in FIXED.items() if config.get(name, value) != value]
    if other:
        raise NotImplementedError(f"a Swin with other values of {other}")
    ours = {mine: config[theirs] for theirs, mine in MICROSOFT.items() if theirs in config}
    ours["pos_embed"] = "learn" if config.get("ape", False) else "none"
    last = min(image_shape[:2]) // (ours.get("patch_size", 4) * 2 ** (len(ours.get("depths", (2, 2, 6, 2))) - 1))
    if image_shape[0] != image_shape[1] and last <= ours.get("window_sizes", 7):
        raise NotImplementedError("windows that are as wide as the shorter side: then neither axis is shifted")
    return ours


def microsoft_swin(config, image_shape, weights):
    config = dict(config)
    ours = {"norm_eps": config.pop("norm_eps", 1e-5), "num_classes": config.get("num_classes", 1000)}
    ours |= from_microsoft(config, image_shape)
    model = build_swin(image_shape, **top_of(ours, pooling="avg"), **ours)
    outputs = {f"features/{i}": (stage.name, as_tokens) for i, stage in enumerate(model.stages)}
    outputs["features/embed"] = ("pos_embed" if ours["pos_embed"] == "learn" else "patch_norm", as_tokens)
    return Port(model, "swin/microsoft", {**outputs, "logits": (model.layers[-1].name, same)})


PARAMETERS = {
    "swin_base_patch4_window12_384": 87_903_584,
    "swin_base_patch4_window7_224": 87_768_224,
    "swin_large_patch4_window12_384": 196_735_516,
    "swin_large_patch4_window7_224": 196_532_476,
    "swin_s3_base_224": 71_125_762,
    "swin_s3_small_224": 49_737_298,
    "swin_s3_tiny_224": 28_328_674,
    "swin_small_patch4_window7_224": 49_606_258,
    "swin_tiny_patch4_window7_224": 28_288_354,
}

TRANSLATIONS = {"timm.models.swin_transformer.SwinTransformer": swin, "official_swin": microsoft_swin}
