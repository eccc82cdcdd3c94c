"""BEiTs of timm and of SimMIM -> ours."""

from tests.parity import Port, same
from tests.parity.official import no_more
from tests.parity.timm import WITHOUT_EFFECT, begin, finish, norm_of, top_of
from tests.parity.vit import last_of, maps_of
from vitgraph import build_beit

BEIT = {
    "embed_dim": "dim",
    "depth": "depth",
    "num_heads": "num_heads",
    "mlp_ratio": "mlp_ratio",
    "patch_size": "patch_size",
    "qkv_bias": "qkv_bias",
}
BIASES = {(False, False): None, (True, False): "block", (False, True): "shared", (True, True): "both"}


def positions(kwargs):
    """Takes out what a reference says about positions."""
    tables = tuple(kwargs.pop(f"use_{kind}rel_pos_bias", False) for kind in ("", "shared_"))
    pos_embed = "learn" if kwargs.pop("use_abs_pos_emb", True) else "none"
    return {"pos_embed": pos_embed, "rel_pos_bias": BIASES[tables]}


def beit(config, image_shape, weights):
    kwargs, ours = begin(config, BEIT)
    ours.update(positions(kwargs))
    ours.update(norm_of(kwargs.pop("norm_layer", None), 1e-6))
    ours["init_values"] = kwargs.pop("init_values", None) or None
    ours["global_pool"] = kwargs.pop("global_pool", "avg")
    ours["fc_norm"] = kwargs.pop("use_fc_norm", None)
    for name in ("img_size", "head_init_scale"):
        kwargs.pop(name, None)
    if kwargs.pop("swiglu_mlp", False) or kwargs.pop("scale_mlp", False) or not ours["global_pool"]:
        raise NotImplementedError("another feed-forward layer, or scores of all tokens")
    finish(kwargs)
    top = top_of(ours, pooling=ours["global_pool"])
    model = build_beit(image_shape, **top, **ours)
    names = [layer.name for layer in model.layers]
    before_head = next(name for name in ("fc_norm", "pool") if name in names)
    outputs = {
        "logits": ("predictions" if top["include_top"] else before_head, same),
        "pre_logits": (before_head, same),
        "forward_features": (last_of(model), same),
        **maps_of(model, image_shape, ours.get("patch_size", 16)),
    }
    return Port(model, "beit/timm", outputs)


def official_simmim_vit(config, image_shape, weights):
    kwargs = {name: value for name, value in config.items() if name not in WITHOUT_EFFECT}
    ours = {name: kwargs.pop(theirs) for theirs, name in BEIT.items() if theirs in kwargs}
    ours["qkv_bias"] = ours.get("qkv_bias", False)
    ours.update(positions(kwargs))
    ours["init_values"] = kwargs.pop("init_values", None)
    ours["qk_scale"] = kwargs.pop("qk_scale", None) or None
    ours["norm_eps"] = kwargs.pop("norm_eps", 1e-5)
    ours["num_classes"] = kwargs.pop("num_classes", 1000)
    ours["global_pool"] = "avg" if kwargs.pop("use_mean_pooling", True) else "token"
    no_more(kwargs, ("img_size", "init_scale"))
    top = top_of(ours, pooling=ours["global_pool"])
    model = build_beit(image_shape, **top, **ours)
    last = "fc_norm" if ours["global_pool"] == "avg" else "pool"
    outputs = {f"features/{i}": (stage.name, same) for i, stage in enumerate(model.stages)}
    return Port(model, "beit/timm", {**outputs, "logits": ("predictions" if top["include_top"] else last, same)})


PARAMETERS = {
    "beit_base_patch16_224": 86_530_984,
    "beit_base_patch16_384": 86_744_104,
    "beit_large_patch16_224": 304_430_568,
    "beit_large_patch16_384": 304_998_888,
    "beit_large_patch16_512": 305_674_728,
    "beitv2_base_patch16_224": 86_530_984,
    "beitv2_large_patch16_224": 304_430_568,
    "simmim_vit_base_patch16_224": 86_530_984,
}

TRANSLATIONS = {"timm.models.beit.Beit": beit, "official_simmim_vit": official_simmim_vit}
