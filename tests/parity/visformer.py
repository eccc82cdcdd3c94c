"""timm's Visformer -> ours."""

from tests.parity import Port, channels_first, same
from tests.parity.initial import he_fan_out, normal
from tests.parity.timm import bare_name, begin, finish, top_of
from vitgraph import build_visformer

NORMS = {"BatchNorm2d": "batch", "LayerNorm2d": "layer"}


def visformer(config, image_shape, weights):
    defaults = {"init_channels": 32, "embed_dim": 384, "depth": 12, "num_heads": 6, "patch_size": 16, "group": 8}
    kwargs, ours = begin({"kwargs": {**defaults, **config["kwargs"]}}, {"mlp_ratio": "mlp_ratio", "group": "groups"})
    for initial in ("img_size", "conv_init"):
        kwargs.pop(initial, None)
    ours["stem_dim"] = kwargs.pop("init_channels")
    dim, patch = kwargs.pop("embed_dim"), kwargs.pop("patch_size")
    ours["dims"] = (dim // 2, dim, 2 * dim)
    ours["patch_sizes"] = (patch // (2 if ours["stem_dim"] is None else 4), patch // 8, patch // 8)
    depth = kwargs.pop("depth")
    ours["depths"] = (depth // 3, depth - 2 * (depth // 3), depth // 3) if isinstance(depth, int) else depth
    ours["num_heads"] = (kwargs.pop("num_heads"),) * 3
    ours["attn"] = [flag != "0" for flag in kwargs.pop("attn_stage", "111")]
    ours["spatial_conv"] = [flag == "1" for flag in kwargs.pop("spatial_conv", "111")]
    ours["pos_embed"] = kwargs.pop("use_pos_embed", True)
    for theirs, mine, default in (("norm_layer", "norm", "LayerNorm2d"), ("embed_norm", "embed_norm", None)):
        kind = kwargs.pop(theirs, default)
        ours[mine] = kind if kind is None else NORMS[bare_name(kind)[0]]
    pool = kwargs.pop("global_pool", "avg")
    if pool != "avg" or kwargs.pop("vit_stem", False):
        raise NotImplementedError("global_pool or vit_stem")
    finish(kwargs)
    top = top_of(ours, pooling="avg")
    model = build_visformer(image_shape, **top, **ours)
    return Port(
        model,
        "visformer/timm",
        {
            **{f"features/{i}": (stage.name, channels_first) for i, stage in enumerate(model.stages)},
            "forward_features": ("norm", channels_first),
            "pre_logits": ("pool", same),
            "logits": ("predictions" if top["include_top"] else "pool", same),
        },
    )


PARAMETERS = {
    "visformer_small": 40_219_592,
    "visformer_tiny": 10_321_368,
}

INITIAL = {"visformer_tiny": {"head/kernel|.*/table": normal(0.02), ".*": he_fan_out}}

TRANSLATIONS = {"timm.models.visformer.Visformer": visformer}
