"""LocalViT of the official repository, on ViT and on PVT -> ours."""

from tests.parity import Port, initial, same
from tests.parity.official import no_more
from tests.parity.pvt import pvt
from tests.parity.timm import WITHOUT_EFFECT, top_of
from vitgraph import build_localvit, build_localvit_pvt

ACTS = {1: ("relu6", None), 2: ("hard_silu", None), 3: ("hard_silu", "se"), 4: ("hard_silu", "eca")}
DEFAULTS = {
    "img_size": 224,
    "patch_size": 16,
    "num_classes": 1000,
    "embed_dim": 768,
    "depth": 12,
    "num_heads": 12,
    "mlp_ratio": 4.0,
    "qkv_bias": False,
    "qk_scale": None,
    "norm_eps": 1e-5,
    "act": 3,
    "reduction": 4,
    "wo_dp_conv": False,
    "dp_first": False,
}


def official_localvit(config, image_shape, weights):
    no_more(config, (*DEFAULTS, *WITHOUT_EFFECT))
    config = DEFAULTS | config
    kept = ("num_classes", "patch_size", "depth", "num_heads", "mlp_ratio", "qkv_bias", "norm_eps", "reduction")
    ours = {k: config[k] for k in kept}
    ours["act"], ours["channel_attention"] = ACTS.get(config["act"], ("hard_silu", "ecah"))
    order = "no_depthwise" if config["wo_dp_conv"] else "first" if config["dp_first"] else ""
    ours["depthwise"] = {"no_depthwise": "none", "first": "first", "": "middle"}[order]
    ours["qk_scale"] = config["qk_scale"] or None
    model = build_localvit(image_shape, dim=config["embed_dim"], **top_of(ours, pooling="token"), **ours)
    outputs = {f"features/{i}": (stage.name, same) for i, stage in enumerate(model.stages)}
    outputs["logits"] = ("predictions" if ours.get("num_classes") else "pool", same)
    source = "_".join(filter(None, ["official", order, "" if ours["channel_attention"] else "no_gate"]))
    return Port(model, f"localvit/{source}", outputs)


def official_localvit_pvt(config, image_shape, weights):
    return pvt(build_localvit_pvt, "localvit_pvt/official", config, image_shape)


_INITIAL = {r".*_mlp_fc\d/kernel": initial.default, **initial.VIT}
INITIAL = {"localvit_tiny_mlp4_act3_r4": _INITIAL, "localvit_pvt_tiny": _INITIAL}

PARAMETERS = {
    "localvit_pvt_tiny": 13_456_152,
    "localvit_small_mlp4_act3_r384": 22_433_176,
    "localvit_tiny_mlp4_act3_r192": 5_908_696,
    "localvit_tiny_mlp4_act3_r4": 9_376_168,
    "localvit_tiny_mlp6_act1": 7_655_080,
}

TRANSLATIONS = {"official_localvit": official_localvit, "official_localvit_pvt": official_localvit_pvt}
