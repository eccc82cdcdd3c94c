"""timm's Hiera -> ours."""

import math

import numpy as np

from tests.parity import Port, channels_first, same
from tests.parity.initial import normal, scaled_with_depth
from tests.parity.timm import begin, finish, norm_of, top_of
from vitgraph import build_hiera


def hiera(config, image_shape, weights):
    kwargs, ours = begin(config, {"init_values": "init_values", "mlp_ratio": "mlp_ratio", "q_pool": "q_pool"})
    for initial in ("head_init_scale", "img_size"):
        kwargs.pop(initial, None)
    ours.update(norm_of(kwargs.pop("norm_layer", None), 1e-6))
    ours["depths"] = kwargs.pop("stages", (2, 3, 16, 3))
    stages = len(ours["depths"])
    ours["dims"] = scaled(kwargs.pop("embed_dim", 96), kwargs.pop("dim_mul", 2.0), stages)
    ours["num_heads"] = scaled(kwargs.pop("num_heads", 1), kwargs.pop("head_mul", 2.0), stages)
    ours["mask_unit_attn"] = kwargs.pop("mask_unit_attn", (True, True, False, False))[:stages]
    ours["q_stride"] = side(kwargs.pop("q_stride", (2, 2)))
    ours["mask_unit_size"] = side(kwargs.pop("mask_unit_size", (8, 8)))
    ours["patch_size"] = side(kwargs.pop("patch_kernel", (7, 7)))
    ours["patch_stride"] = side(kwargs.pop("patch_stride", (4, 4)))
    assert side(kwargs.pop("patch_padding", (3, 3))) == ours["patch_size"] // 2
    ours["expansion"] = "linear" if kwargs.pop("use_expand_proj", True) else "pool"
    ours["pos_embed"] = "abswin" if kwargs.pop("abs_win_pos_embed", False) else "learn"
    ours["pos_grid"] = kwargs.pop("global_pos_size", (14, 14))
    if kwargs.pop("sep_pos_embed", False):
        raise NotImplementedError("positions of videos")
    pool = kwargs.pop("global_pool", "avg")
    finish(kwargs)
    top = top_of(ours, pooling=pool)
    if top["include_top"] and pool != "avg":
        raise NotImplementedError(f"global_pool={pool!r} before a head")
    model = build_hiera(image_shape, **top, **ours)
    unpooled = stages - 1 - ours.get("q_pool", 3)
    return Port(
        model,
        "hiera/timm",
        {
            **{f"features/{i}": (stage.name, channels_first) for i, stage in enumerate(model.stages)},
            "forward_features": (model.stages[-1].name, lambda x: unrolled(x, unpooled, ours["q_stride"])),
            "pre_logits": ("fc_norm", same),
            "logits": ("predictions" if top["include_top"] else "fc_norm", same),
        },
    )


def scaled(first, factor, stages):
    values = [first]
    while len(values) < stages:
        values.append(int(values[-1] * factor))
    return tuple(values)


def side(value):
    """The side of a square."""
    if len(set(value)) != 1:
        raise NotImplementedError(f"{value}, which isn't square")
    return value[0]


def unrolled(x, times, stride):
    """(B, H, W, C) -> (B, H W, C) in timm's order: positions within a unit first, the finest offsets first of all."""
    batch, (*_, channels) = x.shape[0], x.shape
    for _ in range(times):
        rows, columns = x.shape[-3] // stride, x.shape[-2] // stride
        x = x.reshape(-1, rows, stride, columns, stride, channels).transpose(0, 2, 4, 1, 3, 5)
        x = x.reshape(-1, rows, columns, channels)
    return np.reshape(x, (batch, -1, channels)) if math.prod(x.shape) else x


PARAMETERS = {
    "hiera_base_224": 51_524_968,
    "hiera_base_abswin_256": 51_267_304,
    "hiera_base_plus_224": 69_896_616,
    "hiera_huge_224": 672_779_752,
    "hiera_large_224": 213_739_912,
    "hiera_small_224": 35_008_072,
    "hiera_small_abswin_256": 34_361_800,
    "hiera_tiny_224": 27_910_216,
}

INITIAL = {
    "hiera_tiny_224": {
        **scaled_with_depth(r"block_(\d+)_(attn_proj|mlp_fc2)/kernel"),
        "head/kernel": normal(0.0),
        r".*/(kernel|table)": normal(0.02),
    }
}

TRANSLATIONS = {"timm.models.hiera.Hiera": hiera}
