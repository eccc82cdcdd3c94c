"""timm's NesT -> ours."""

from tests.parity import Port, channels_first
from tests.parity.timm import activation_of, begin, finish, hierarchical, norm_of, top_of
from vitgraph import build_nest

NEST = {"patch_size": "patch_size", "qkv_bias": "qkv_bias"}
PER_LEVEL = {  # timm's name: ours, timm's default
    "embed_dims": ("dims", (128, 256, 512)),
    "num_heads": ("num_heads", (4, 8, 16)),
    "depths": ("depths", (2, 2, 20)),
}


def nest(config, image_shape, weights):
    kwargs, ours = begin(config, NEST)
    kwargs.pop("img_size", None)
    levels = kwargs.pop("num_levels", 3)
    for theirs, (mine, default) in PER_LEVEL.items():
        value = kwargs.pop(theirs, default)
        ours[mine] = (value,) * levels if isinstance(value, int) else value
    ours["mlp_ratios"] = (kwargs.pop("mlp_ratio", 4.0),) * levels
    pad_type = (kwargs.pop("pad_type", "") or "").lower()
    if pad_type == "valid":
        raise NotImplementedError("pad_type='valid'")
    ours["same_padding"] = pad_type == "same"
    ours["act"] = activation_of(kwargs.pop("act_layer", None))
    ours.update(norm_of(kwargs.pop("norm_layer", None), 1e-6))
    assert kwargs.pop("global_pool", "avg") == "avg"
    finish(kwargs)
    model = build_nest(image_shape, **top_of(ours, pooling="avg"), **ours)
    return Port(model, "nest/timm", hierarchical(model, "norm", channels_first))


PARAMETERS = {
    "nest_base": 67_723_368,
    "nest_base_jx": 67_723_368,
    "nest_small": 38_351_176,
    "nest_small_jx": 38_351_176,
    "nest_tiny": 17_057_608,
    "nest_tiny_jx": 17_057_608,
}

TRANSLATIONS = {"timm.models.nest.Nest": nest}
