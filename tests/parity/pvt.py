"""PVT of the official repository -> ours."""

from tests.parity import Port, as_tokens, initial, same
from tests.parity.official import no_more
from tests.parity.timm import WITHOUT_EFFECT, top_of
from vitgraph import build_pvt

DEFAULTS = {
    "img_size": 224,
    "patch_size": 16,
    "num_classes": 1000,
    "embed_dims": (64, 128, 256, 512),
    "num_heads": (1, 2, 4, 8),
    "mlp_ratios": (4, 4, 4, 4),
    "qkv_bias": False,
    "qk_scale": None,
    "norm_eps": 1e-5,
    "depths": (3, 4, 6, 3),
    "sr_ratios": (8, 4, 2, 1),
    "num_stages": 4,
}


def official_pvt(config, image_shape, weights):
    return pvt(build_pvt, "pvt/official", config, image_shape)


def pvt(build, source, config, image_shape):
    """Any net with the constructor of the official one."""
    no_more(config, (*DEFAULTS, *WITHOUT_EFFECT))
    config = DEFAULTS | config
    stages = config["num_stages"]
    names = {"embed_dims": "dims"}
    per_stage = ("embed_dims", "num_heads", "mlp_ratios", "depths", "sr_ratios")
    ours = {names.get(k, k): tuple(config[k][:stages]) for k in per_stage}
    ours |= {k: config[k] for k in ("num_classes", "qkv_bias", "norm_eps")}
    ours["patch_sizes"] = (config["patch_size"], *[2] * (stages - 1))
    ours["qk_scale"] = config["qk_scale"] or None
    if config["patch_size"] == 4:  # otherwise the official tables are those of another grid than any image gives
        ours["img_size"], image_shape = config["img_size"], (None, None, image_shape[2])
    model = build(image_shape, **top_of(ours, pooling="token"), **ours)
    outputs = {f"features/{i}": (stage.name, as_tokens) for i, stage in enumerate(model.stages)}
    outputs["logits"] = ("predictions" if ours.get("num_classes") else "pool", same)
    return Port(model, source, outputs)


INITIAL = {"pvt_tiny": initial.VIT}

PARAMETERS = {
    "pvt_large": 61_369_320,
    "pvt_medium": 44_208_104,
    "pvt_small": 24_485_864,
    "pvt_tiny": 13_229_288,
}

TRANSLATIONS = {"official_pvt": official_pvt}
