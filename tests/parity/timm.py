"""timm's constructor arguments -> ours."""

import numpy as np

from tests.parity import Port, channels_first, same, tokens_as_map
from vitgraph import build_pvt_v2, build_swin, build_vit
from vitgraph.blocks.base import pair
from vitgraph.builders import vit
from vitgraph.weights import resample

RATES = ("drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate")
WITHOUT_EFFECT = (*RATES, "weight_init", "fix_init", "device", "dtype", "in_chans")

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
    "reg_tokens": "reg_tokens",
    "pre_norm": "pre_norm",
    "final_norm": "final_norm",
    "fc_norm": "fc_norm",
    "pool_include_prefix": "pool_include_prefix",
    "global_pool": "global_pool",
}
PVT_V2 = {
    "embed_dims": "dims",
    "depths": "depths",
    "num_heads": "num_heads",
    "sr_ratios": "sr_ratios",
    "mlp_ratios": "mlp_ratios",
    "qkv_bias": "qkv_bias",
    "linear": "linear",
}
SWIN = {
    "embed_dim": "dim",
    "depths": "depths",
    "num_heads": "num_heads",
    "head_dim": "head_dim",
    "window_size": "window_size",
    "mlp_ratio": "mlp_ratio",
    "qkv_bias": "qkv_bias",
    "patch_size": "patch_size",
}
BLOCKS = {
    "Block": vit.pre_norm_block,
    "ResPostBlock": vit.res_post_norm_block,
    "ParallelThingsBlock": vit.parallel_things_block,
    "ParallelScalingBlock": vit.parallel_scaling_block,
}
ACTIVATIONS = {
    "gelu": "gelu",
    "gelutanh": "gelu_tanh",
    "quickgelu": "quick_gelu",
    "silu": "silu",
    "swish": "silu",
    "relu": "relu",
    "relu6": "relu6",
    "hardswish": "hard_silu",
}


def vision_transformer(config, image_shape, weights):
    kwargs, ours = _begin(config, VIT)
    img_size = pair(kwargs.pop("img_size", 224))
    open_size = kwargs.pop("dynamic_img_size", False) | kwargs.pop("dynamic_img_pad", False)
    ours["pos_embed"] = "none" if kwargs.pop("pos_embed", "learn") in ("", "none") else "learn"
    ours["proj_bias"] = ours["mlp_bias"] = kwargs.pop("proj_bias", True)
    ours.update(_norm(kwargs.pop("norm_layer", None), 1e-6))
    ours["act"] = _activation(kwargs.pop("act_layer", None))
    block, options = _name(kwargs.pop("block_fn", "Block"))
    ours["block"] = _with_options(BLOCKS[block], options)
    mlp_layer, options = _name(kwargs.pop("mlp_layer", "Mlp"))
    gate_first = mlp_layer == "SwiGLUPacked" or options.get("gate_last") is False
    ours["gated_mlp"] = {"Mlp": False, "SwiGLUPacked": True, "GluMlp": gate_first}[mlp_layer]
    if mlp_layer == "GluMlp" and not gate_first:
        raise NotImplementedError("GluMlp with gate_last=True")
    _finish(kwargs)

    top = _top(ours, pooling=ours.get("global_pool", "token"))
    shape = (None, None, image_shape[-1]) if open_size else image_shape
    model = build_vit(shape, img_size=img_size, **top, **ours)
    prefix = int(ours.get("class_token", True)) + ours.get("reg_tokens", 0)
    patch = pair(ours.get("patch_size", 16))
    grid = [-(-n // p) if open_size else n // p for n, p in zip(image_shape, patch, strict=False)]
    names = [layer.name for layer in model.layers]
    before_head = next(n for n in ("head_drop", "fc_norm", "pool") if n in names)
    last_block = f"block_{ours.get('depth', 12) - 1}"
    outputs = {
        "logits": ("predictions" if top["include_top"] else before_head, same),
        "pre_logits": (before_head, same),
        "forward_features": ("norm" if "norm" in names else last_block, same),
    }
    for i, stage in enumerate(model.stages):
        outputs[f"features/{i}"] = (stage.name, tokens_as_map(prefix, *grid))
    return Port(model, "vit/timm", outputs)


def pvt_v2(config, image_shape, weights):
    kwargs, ours = _begin(config, PVT_V2)
    kwargs.pop("img_size", None)
    ours.update(_norm(kwargs.pop("norm_layer", None), 1e-6))
    assert kwargs.pop("global_pool", "avg") == "avg"
    _finish(kwargs)
    model = build_pvt_v2(image_shape, **_top(ours, pooling="avg"), **ours)
    return Port(model, "pvt_v2/timm", _hierarchical(model, model.stages[-1].name, channels_first))


def swin(config, image_shape, weights):
    kwargs, ours = _begin(config, SWIN)
    img_size = pair(kwargs.pop("img_size", 224))
    fixed = kwargs.pop("strict_img_size", True)
    ours["clip_windows"] = not kwargs.pop("always_partition", False)
    ours.update(_norm(kwargs.pop("norm_layer", None), 1e-5))
    assert kwargs.pop("global_pool", "avg") == "avg"
    _finish(kwargs)
    shape = image_shape if fixed else (None, None, image_shape[-1])
    model = build_swin(shape, img_size=None if fixed else img_size, **_top(ours, pooling="avg"), **ours)
    return Port(model, "swin/timm", _hierarchical(model, "norm", same))


def resampling(config, tensors):
    """Position tables of other sizes, each with the function and the arguments of its own."""
    differences = {}
    for name, case in config.items():
        table, expected = tensors[f"{name}/input"], tensors[f"{name}/output"]
        if case["function"].startswith("resample_abs_pos_embed"):
            options = {"kernel": case.get("interpolation", "bicubic"), "antialias": case.get("antialias", True)}
            ours = resample.position_table(table, case["prefix"], case["old"], case["new"], **options)
        elif case["function"].startswith("resize_rel_pos_bias_table ("):
            extra = len(table) - case.get("extra", 0)
            ours = resample.relative_bias_table(table[:extra], case["old"], case["new"])
            ours = np.concatenate([ours, table[extra:]])
        elif case["function"].startswith("resize_rel_pos_bias_table_simple"):
            sides = ([2 * n - 1 for n in case[size]] for size in ("old", "new"))
            ours = resample.position_table(table[None], 0, *sides, antialias=False)[0]
        elif case["function"].startswith("resize_rel_pos_bias_table_levit"):
            ours = resample.position_table(table[None], 0, *(pair(case[size]) for size in ("old", "new")))[0]
        elif case["function"].startswith("resample_patch_embed"):
            ours = resample.patch_kernel(table.transpose(2, 3, 1, 0), case["new"]).transpose(3, 2, 0, 1)
        elif case["function"].startswith("timm.models.nest.resize_pos_embed"):
            ours = resample.blockwise_table(table, expected.shape)
        else:
            raise NotImplementedError(case["function"])
        differences[name] = float(np.max(np.abs(ours - expected)))
    return differences


TRANSLATIONS = {
    "timm.models.vision_transformer.VisionTransformer": vision_transformer,
    "timm.models.pvt_v2.PyramidVisionTransformerV2": pvt_v2,
    "timm.models.swin_transformer.SwinTransformer": swin,
}


def _begin(config, names):
    """The reference's arguments that are left, and those of ours that have another name at most."""
    kwargs = {k: v for k, v in config["kwargs"].items() if k not in WITHOUT_EFFECT}
    ours = {mine: kwargs.pop(theirs) for theirs, mine in names.items() if theirs in kwargs}
    ours["num_classes"] = kwargs.pop("num_classes", 1000)
    return kwargs, ours


def _finish(kwargs):
    if kwargs:
        raise NotImplementedError(f"timm arguments without a translation: {kwargs}")


def _top(ours, pooling):
    """timm's num_classes=0 is a graph that ends in what the head would see."""
    if ours["num_classes"]:
        return {"include_top": True, "classifier_activation": None}
    return {"include_top": False, "pooling": pooling}


def _hierarchical(model, last, layout):
    names = [layer.name for layer in model.layers]
    outputs = {f"features/{i}": (stage.name, channels_first) for i, stage in enumerate(model.stages)}
    outputs["forward_features"] = (last, layout)
    outputs["pre_logits"] = ("pool", same)
    outputs["logits"] = ("predictions" if "predictions" in names else "pool", same)
    return outputs


def _name(value):
    """A Python object in a golden header -> (its bare name, keyword arguments)."""
    if isinstance(value, dict):
        path = value.get("$ref") or value.get("$partial") or value.get("$call")
        return path.rsplit(".", 1)[1], value.get("kwargs", {})
    return value, {}


def _norm(value, default_eps):
    if value is None:
        return {"norm_eps": default_eps}
    name, options = _name(value)
    full = value if isinstance(value, str) else next(iter(value.values()))
    rms = {"rms_norm": True} if "rms" in name.lower() else {}
    eps = 1e-5 if full.startswith("torch.nn") or name == "LayerNormFp32" else 1e-6
    return {"norm_eps": options.get("eps", eps), **rms}


def _activation(value):
    name, options = _name(value or "gelu")
    key = name.lower().replace("_", "")
    return "gelu_tanh" if options.get("approximate") == "tanh" else ACTIVATIONS[key]


def _with_options(block, options):
    return (lambda *args, **kwargs: block(*args, **kwargs, **options)) if options else block
