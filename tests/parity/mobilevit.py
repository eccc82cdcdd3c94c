"""timm's ByobNet, where its configuration is a MobileViT or MobileViT v2, -> ours."""

from tests.parity import Port, channels_first, same
from tests.parity.timm import activation_of, bare_name, begin, finish, norm_of, top_of
from vitgraph import build_mobilevit, build_mobilevit_v2
from vitgraph.wiring.mobile_stages import multiple_of_8

MODEL = {  # ByoModelCfg's defaults
    "downsample": "conv1x1", "stem_type": "3x3", "stem_pool": "maxpool", "stem_chs": 32, "width_factor": 1.0,
    "num_features": 0, "zero_init_last": True, "fixed_input_size": False, "act_layer": "relu",
    "norm_layer": "batchnorm", "aa_layer": "", "head_hidden_size": None, "head_type": "classifier",
    "attn_layer": None, "attn_kwargs": None, "self_attn_layer": None, "self_attn_kwargs": None, "block_kwargs": {},
}  # fmt: skip
BLOCK = {  # ByoBlockCfg's defaults
    "s": 2, "gs": None, "br": 1.0, "attn_layer": None, "attn_kwargs": None, "self_attn_layer": None,
    "self_attn_kwargs": None, "block_kwargs": None,
}  # fmt: skip
BOTTLENECK = {"kernel_size": 3, "attn_last": False, "linear_out": False, "extra_conv": False, "bottle_in": False}
RATES = ("attn_drop", "drop", "drop_path_rate")


def byobnet(config, image_shape, weights):
    kwargs, ours = begin(config, {})
    for name in ("img_size", "zero_init_last", "drop_block_rate", "drop_block_size"):
        kwargs.pop(name, None)
    only(kwargs.pop("global_pool", None), None, "avg")
    output_stride = kwargs.pop("output_stride", 32)
    given = kwargs.pop("cfg")["kwargs"]
    cfg = {**MODEL, **given, **{name: kwargs.pop(name) for name in [*MODEL, "blocks"] if name in kwargs}}
    finish({**kwargs, **{name: value for name, value in cfg.items() if name not in (*MODEL, "blocks")}})
    only(cfg["downsample"], "")
    only(cfg["stem_type"], "3x3", "")
    only(cfg["stem_pool"], "", None)
    only(cfg["norm_layer"], "batchnorm", "batchnorm2d")
    only(cfg["aa_layer"], "", None)
    only(cfg["head_type"], "classifier", "")
    only(cfg["attn_layer"], "", None)

    stages = [stage_of(stage, cfg) for stage in cfg["blocks"]]
    mobile = [stage["mobile"] for stage in stages if stage["mobile"]]
    only([bool(stage["mobile"]) for stage in stages], sorted(bool(stage["mobile"]) for stage in stages))
    kind = alike([block.pop("type") for block in mobile])
    for name in ("dims", "depths", "strides", "expansions"):
        ours[name] = [stage[name] for stage in stages]
    for name in ("attn_dims", "attn_depths", "mlp_ratios"):
        ours[name] = [block.pop(name) for block in mobile]
    heads = [block.pop("num_heads") for block in mobile]
    for name in mobile[0]:
        ours[name] = alike([block[name] for block in mobile])
    ours["stem_dim"] = int(round(cfg["stem_chs"] * cfg["width_factor"]))
    ours["last_dim"] = int(round(cfg["width_factor"] * cfg["num_features"])) or None
    ours["act"] = activation_of(cfg["act_layer"])

    if kind == "mobilevit":
        model = build_mobilevit(image_shape, num_heads=heads, **top_of(ours, pooling="avg"), **ours)
    else:
        model = build_mobilevit_v2(image_shape, **top_of(ours, pooling="avg"), **ours)
    if model.stages[-1].stride > output_stride:
        raise NotImplementedError(f"output_stride={output_stride}: dilated convolutions")
    return Port(model, "mobilevit/timm" if kind == "mobilevit" else "mobilevit_v2/timm", outputs_of(model, stages))


def stage_of(blocks, cfg):
    """Our numbers of a stage: inverted residuals that are alike, and at most one MobileViT block at their end."""
    blocks = [block["kwargs"] for block in (blocks if isinstance(blocks, (list, tuple)) else [blocks])]
    blocks = [with_defaults(block, cfg) for block in blocks]
    *bottles, last = blocks
    if last["type"] == "bottle":
        bottles, last = blocks, None
    dim = multiple_of_8(bottles[0]["c"] * cfg["width_factor"])
    for block in bottles:
        only(block["type"], "bottle")
        only(block["gs"], 1)
        options = block["block_kwargs"]
        only({**BOTTLENECK, **options}, {**BOTTLENECK, "linear_out": True, "bottle_in": True})
    return {
        "dims": alike([multiple_of_8(block["c"] * cfg["width_factor"]) for block in blocks]),
        "depths": sum(block["d"] for block in bottles),
        "strides": bottles[0]["s"],
        "expansions": alike([block["br"] for block in bottles]),
        "mobile": last and mobile_of(last, dim),
    }


def mobile_of(block, dim):
    """Our numbers of a MobileViT block."""
    only(block["type"], "mobilevit", "mobilevit2")
    only(block["d"], 1)
    first = block["type"] == "mobilevit"
    only(block["gs"], *((None, 0) if first else (1,)))
    options = {name: value for name, value in block["block_kwargs"].items() if name not in RATES}
    only(options.pop("group_size", block["gs"]), block["gs"])
    norm = options.pop("transformer_norm_layer", None)
    numbers = {
        "type": block["type"],
        "attn_dims": options.pop("transformer_dim", None)
        or multiple_of_8(options.pop("bottle_ratio", block["br"]) * dim),
        "attn_depths": options.pop("transformer_depth", 2),
        "mlp_ratios": options.pop("mlp_ratio", 2.0),
        "patch_size": options.pop("patch_size", 8),
        "kernel_size": options.pop("kernel_size", 3),
        "num_heads": options.pop("num_heads", 4),
        "norm_eps": eps_of(norm, first),
    }
    no_fusion = options.pop("no_fusion", False)
    if first:
        numbers["fusion"] = not no_fusion
        finish(options)  # v2 takes any further argument without effect
    return numbers


def eps_of(norm, first):
    name, options = bare_name(norm)
    only(name, *((None, "LayerNorm", "LayerNormFp32") if first else (None, "GroupNorm1")))
    return norm_of(norm, 1e-5)["norm_eps"] if first else options.get("eps", 1e-5)


def with_defaults(block, cfg):
    block = {**BLOCK, **block}
    only(block["attn_layer"], "", None)
    finish({name: value for name, value in block.items() if name not in (*BLOCK, "type", "d", "c")})
    return {**block, "block_kwargs": cfg["block_kwargs"] if block["block_kwargs"] is None else block["block_kwargs"]}


def outputs_of(model, stages):
    """timm's features: what stands before each step, and the end."""
    names = [layer.name for layer in model.layers]
    before = ["stem_act", *(stage.name for stage in model.stages)]
    features = [name for name, stage in zip(before, stages, strict=False) if stage["strides"] > 1]
    features.append("last_conv_act" if "last_conv" in names else before[-1])
    outputs = {f"features/{i}": (name, channels_first) for i, name in enumerate(features)}
    outputs["forward_features"] = (features[-1], channels_first)
    outputs["pre_logits"] = ("pool", same)
    outputs["logits"] = ("predictions" if "predictions" in names else "pool", same)
    return outputs


def only(value, *allowed):
    if value not in allowed:
        raise NotImplementedError(f"{value!r} without a translation; there is one of {allowed}")


def alike(values):
    only(values, values[:1] * len(values))
    return values[0]


PARAMETERS = {
    "mobilevit_s": 5_578_632,
    "mobilevit_xs": 2_317_848,
    "mobilevit_xxs": 1_272_024,
    "mobilevitv2_050": 1_370_593,
    "mobilevitv2_075": 2_866_009,
    "mobilevitv2_100": 4_901_841,
    "mobilevitv2_125": 7_478_089,
    "mobilevitv2_150": 10_594_753,
    "mobilevitv2_175": 14_251_833,
    "mobilevitv2_200": 18_449_329,
}

TRANSLATIONS = {"timm.models.byobnet.ByobNet": byobnet}
