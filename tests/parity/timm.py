"""What all translations of timm's constructor arguments share."""

from tests.parity import channels_first, same

RATES = ("drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate")
WITHOUT_EFFECT = (*RATES, "weight_init", "fix_init", "device", "dtype", "in_chans")

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


def begin(config, names):
    """The reference's arguments that are left, and those of ours that have another name at most."""
    kwargs = {k: v for k, v in config["kwargs"].items() if k not in WITHOUT_EFFECT}
    ours = {mine: kwargs.pop(theirs) for theirs, mine in names.items() if theirs in kwargs}
    ours["num_classes"] = kwargs.pop("num_classes", 1000)
    return kwargs, ours


def finish(kwargs):
    if kwargs:
        raise NotImplementedError(f"timm arguments without a translation: {kwargs}")


def top_of(ours, pooling):
    """timm's num_classes=0 is a graph that ends in what the head would see; here it is taken out."""
    if ours["num_classes"]:
        return {"include_top": True, "classifier_activation": None}
    del ours["num_classes"]
    return {"include_top": False, "pooling": pooling}


def hierarchical(model, last, layout):
    names = [layer.name for layer in model.layers]
    outputs = {f"features/{i}": (stage.name, channels_first) for i, stage in enumerate(model.stages)}
    outputs["forward_features"] = (last, layout)
    outputs["pre_logits"] = ("pool", same)
    outputs["logits"] = ("predictions" if "predictions" in names else "pool", same)
    return outputs


def bare_name(value):
    """A Python object in a golden header -> (its bare name, keyword arguments)."""
    if isinstance(value, dict):
        path = value.get("$ref") or value.get("$partial") or value.get("$call")
        return path.rsplit(".", 1)[1], value.get("kwargs", {})
    return value, {}


def norm_of(value, default_eps):
    if value is None:
        return {"norm_eps": default_eps}
    name, options = bare_name(value)
    full = value if isinstance(value, str) else next(iter(value.values()))
    rms = {"rms_norm": True} if "rms" in name.lower() else {}
    eps = 1e-5 if full.startswith("torch.nn") or name == "LayerNormFp32" else 1e-6
    return {"norm_eps": options.get("eps", eps), **rms}


def activation_of(value):
    name, options = bare_name(value or "gelu")
    key = name.lower().replace("_", "")
    return "gelu_tanh" if options.get("approximate") == "tanh" else ACTIVATIONS[key]


def with_options(block, options):
    return (lambda *args, **kwargs: block(*args, **kwargs, **options)) if options else block
