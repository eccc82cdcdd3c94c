"""timm's Twins -> ours."""

from tests.parity import Port, as_tokens
from tests.parity.timm import bare_name, begin, finish, hierarchical, norm_of, top_of
from vitgraph import build_twins_pcpvt, build_twins_svt

TWINS = {
    "embed_dims": "dims",
    "depths": "depths",
    "num_heads": "num_heads",
    "mlp_ratios": "mlp_ratios",
    "sr_ratios": "sr_ratios",
}
DEFAULTS = {  # of timm's class: no published net's
    "dims": (64, 128, 256, 512),
    "depths": (3, 4, 6, 3),
    "num_heads": (1, 2, 4, 8),
    "mlp_ratios": (4, 4, 4, 4),
    "sr_ratios": (8, 4, 2, 1),
}


def twins(config, image_shape, weights):
    kwargs, ours = begin(config, TWINS)
    ours = {**DEFAULTS, **ours}
    kwargs.pop("img_size", None)
    stages = len(ours["depths"])
    ours.update({name: ours[name][:stages] for name in DEFAULTS})
    ours["patch_sizes"] = (kwargs.pop("patch_size", 4), *[2] * (stages - 1))
    ours.update(norm_of(kwargs.pop("norm_layer", None), 1e-6))
    windows = kwargs.pop("wss", None)
    if kwargs.pop("global_pool", "avg") != "avg" or bare_name(kwargs.pop("block_cls", "Block"))[0] != "Block":
        raise NotImplementedError(f"another pooling than avg, or another block: {config['kwargs']}")
    finish(kwargs)
    if windows is None:
        model, source = build_twins_pcpvt(image_shape, **top_of(ours, pooling="avg"), **ours), "twins_pcpvt/timm"
    else:
        ours["window_sizes"] = windows[:stages]
        model, source = build_twins_svt(image_shape, **top_of(ours, pooling="avg"), **ours), "twins_svt/timm"
    return Port(model, source, hierarchical(model, "norm", as_tokens))


PARAMETERS = {
    "twins_pcpvt_base": 43_828_456,
    "twins_pcpvt_large": 60_989_672,
    "twins_pcpvt_small": 24_106_216,
    "twins_svt_base": 56_070_952,
    "twins_svt_large": 99_271_400,
    "twins_svt_small": 24_060_776,
}

TRANSLATIONS = {"timm.models.twins.Twins": twins}
