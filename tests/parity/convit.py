"""timm's ConViT -> ours."""

from tests.parity import Port, same
from tests.parity.initial import default, normal
from tests.parity.timm import begin, finish, norm_of, top_of
from tests.parity.vit import maps_of
from vitgraph import build_convit

CONVIT = {
    "patch_size": "patch_size",
    "depth": "depth",
    "num_heads": "num_heads",
    "mlp_ratio": "mlp_ratio",
    "qkv_bias": "qkv_bias",
    "local_up_to_layer": "local_depth",
    "locality_strength": "locality_strength",
    "use_pos_embed": "pos_embed",
    "global_pool": "global_pool",
}


def convit(config, image_shape, weights):
    kwargs, ours = begin({"kwargs": {"num_heads": 12, "local_up_to_layer": 3, **config["kwargs"]}}, CONVIT)
    kwargs.pop("img_size", None)
    ours["dim"] = kwargs.pop("embed_dim", 768) * ours["num_heads"]
    ours.update(norm_of(kwargs.pop("norm_layer", None), 1e-6))
    if ours.pop("rms_norm", False) or kwargs.pop("hybrid_backbone", None) is not None:
        raise NotImplementedError("norm_layer or hybrid_backbone")
    finish(kwargs)
    top = top_of(ours, pooling=ours.get("global_pool", "token"))
    model = build_convit(image_shape, **top, **ours)
    outputs = {
        "forward_features": ("norm", same),
        "pre_logits": ("pool", same),
        "logits": ("predictions" if top["include_top"] else "pool", same),
        **maps_of(model, image_shape, ours.get("patch_size", 16)),
    }
    return Port(model, "convit/timm", outputs)


PARAMETERS = {
    "convit_base": 86_540_040,
    "convit_small": 27_777_322,
    "convit_tiny": 5_710_512,
}


def identity(kernel):
    mean = 1 / kernel.shape[0]
    return (mean - mean**2) ** 0.5, "normal", mean


def four_neighbours(kernel):
    """1 or -1 for the sides, -1 for the squared distance."""
    return (8 / 9) ** 0.5, "normal", -1 / 3


INITIAL = {
    "convit_tiny": {
        "patch_embed/kernel": default,
        r"block_\d_attn_v/kernel": identity,
        r"block_\d_attn_pos/kernel": four_neighbours,
        ".*": normal(0.02),
    }
}

TRANSLATIONS = {"timm.models.convit.ConVit": convit}
