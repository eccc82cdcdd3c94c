"""The official RegionViT -> ours."""

from tests.parity import Port, channels_first, initial, same
from tests.parity.official import no_more
from vitgraph import build_regionvit

SAME = {  # with their defaults
    "patch_conv_type": "3conv",
    "qkv_bias": True,
    "qk_scale": None,
    "norm_eps": 1e-6,
    "peg": False,
    "det_norm": False,
}
RENAMED = (
    "patch_size",
    "mlp_ratio",
    "embed_dim",
    "depth",
    "num_heads",
    "kernel_sizes",
    "downsampling",
    "num_classes",
    "computed_cls_token",
)
WITHOUT_EFFECT = ("img_size", "in_chans", "drop_rate", "attn_drop_rate", "drop_path_rate")


def official_regionvit(config, image_shape, weights):
    no_more(config, (*SAME, *RENAMED, *WITHOUT_EFFECT))
    if not config.get("computed_cls_token", True):
        raise NotImplementedError("computed_cls_token=False: the official code fails on it")
    ours = {name: config.get(name, default) for name, default in SAME.items()}
    stages = len(config["embed_dim"]) - 1
    model = build_regionvit(
        image_shape,
        **top_of(config.get("num_classes", 1000)),
        stem_stride=config.get("patch_size", 16),
        stem_dim=config["embed_dim"][0],
        dims=tuple(config["embed_dim"][1:]),
        depths=tuple(config["depth"][:stages]),
        num_heads=tuple(config["num_heads"][:stages]),
        mlp_ratios=per_stage(config.get("mlp_ratio", 4.0), stages),
        window_sizes=tuple(config["kernel_sizes"][:stages]),
        strides=tuple(2 if "c" in mode and "s" in mode else 1 for mode in config["downsampling"][:stages]),
        **{**ours, "qk_scale": ours["qk_scale"] or None, "patch_conv_type": _type(ours["patch_conv_type"])},
    )
    outputs = {"logits": ("predictions", same)}
    for i, depth in enumerate(config["depth"][:stages]):
        stage = f"stage_{i + 1}"
        outputs[f"features/{i}/local"] = (f"{stage}_map", channels_first)
        last = f"{stage}_peg_regional_res" if ours["peg"] and depth == 1 else f"{stage}_block_{depth - 1}_regional"
        outputs[f"features/{i}/regional"] = (last, channels_first)
    return Port(model, "regionvit/official", outputs)


def per_stage(ratio, stages):
    return tuple(ratio[:stages]) if isinstance(ratio, (list, tuple)) else (ratio,) * stages


def _type(name):
    """All that is not one of the other two is linear."""
    return name if name in ("3conv", "1conv") else "linear"


def top_of(num_classes):
    if not num_classes:
        raise NotImplementedError("num_classes=0: the mean of the regional tokens, which no graph ends in")
    return {"num_classes": num_classes, "classifier_activation": None}


INITIAL = {"regionvit_small_w14_peg_224": {r"stage_\d_proj/kernel": initial.default, **initial.VIT}}

PARAMETERS = {
    "regionvit_base_224": 72_747_232,
    "regionvit_base_w14_224": 73_825_120,
    "regionvit_base_w14_peg_224": 73_842_400,
    "regionvit_medium_224": 41_215_906,
    "regionvit_small_224": 30_586_618,
    "regionvit_small_w14_224": 31_354_714,
    "regionvit_small_w14_peg_224": 31_367_674,
    "regionvit_tiny_224": 13_842_676,
}

TRANSLATIONS = {"official_regionvit": official_regionvit}
