"""timm's TNT -> ours."""

from tests.parity import Port, same
from tests.parity.initial import default, normal
from tests.parity.timm import begin, finish, norm_of, top_of
from tests.parity.vit import maps_of
from vitgraph import build_tnt

TNT = {
    "patch_size": "patch_size",
    "first_stride": "inner_stride",
    "embed_dim": "dim",
    "inner_dim": "inner_dim",
    "depth": "depth",
    "num_heads_outer": "num_heads",
    "num_heads_inner": "num_inner_heads",
    "mlp_ratio": "mlp_ratio",
    "qkv_bias": "qkv_bias",
    "legacy": "legacy",
    "global_pool": "global_pool",
}


def tnt(config, image_shape, weights):
    defaults = {"embed_dim": 768, "inner_dim": 48, "num_heads_outer": 12}
    kwargs, ours = begin({"kwargs": {**defaults, **config["kwargs"]}}, TNT)
    kwargs.pop("img_size", None)
    ours.update(norm_of(kwargs.pop("norm_layer", None), 1e-5))
    if ours.pop("rms_norm", False):
        raise NotImplementedError("norm_layer")
    finish(kwargs)
    top = top_of(ours, pooling=ours.get("global_pool", "token"))
    model = build_tnt(image_shape, **top, **ours)
    outputs = {
        "forward_features": ("norm", same),
        "pre_logits": ("pool", same),
        "logits": ("predictions" if top["include_top"] else "pool", same),
        **maps_of(model, image_shape, ours.get("patch_size", 16)),
    }
    return Port(model, "tnt/timm", outputs)


PARAMETERS = {
    "tnt_b_patch16_224": 65_428_680,
    "tnt_s_legacy_patch16_224": 23_755_336,
    "tnt_s_patch16_224": 23_768_584,
}

INITIAL = {"tnt_s_patch16_224": {"pixel_embed/kernel": default, ".*": normal(0.02)}}

TRANSLATIONS = {"timm.models.tnt.TNT": tnt}
