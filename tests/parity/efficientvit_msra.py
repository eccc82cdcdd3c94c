"""timm's EfficientViT of Microsoft -> ours."""

from tests.parity import Port, channels_first, same
from tests.parity.initial import default, normal
from tests.parity.timm import begin, finish, top_of
from vitgraph import build_efficientvit_msra

PER_STAGE = {  # theirs: ours, and timm's default
    "embed_dim": ("dims", (64, 128, 192)),
    "key_dim": ("key_dims", (16, 16, 16)),
    "depth": ("depths", (1, 2, 3)),
    "num_heads": ("num_heads", (4, 4, 4)),
    "window_size": ("window_sizes", (7, 7, 7)),
}


def efficientvit_msra(config, image_shape, weights):
    kwargs, ours = begin(config, {"kernels": "kernel_sizes"})
    given = {mine: kwargs.pop(theirs, usual) for theirs, (mine, usual) in PER_STAGE.items()}
    down = kwargs.pop("down_ops", (("", 1), ("subsample", 2), ("subsample", 2)))
    stages = min(len(down), *map(len, given.values()))
    ours.update({name: value[:stages] for name, value in given.items()})
    ours["downsamples"] = [kind == "subsample" for kind, _ in down[:stages]]
    if any(step != 2 for kind, step in down[:stages] if kind == "subsample"):
        raise NotImplementedError(f"down_ops={down}")
    size = kwargs.pop("img_size", 224)
    pool = kwargs.pop("global_pool", "avg")
    finish(kwargs)
    top = top_of(ours, pooling=pool or None)
    if top["include_top"] and pool != "avg":
        raise NotImplementedError(f"global_pool={pool!r} before a head")
    planned = min((size, size) if isinstance(size, int) else size) // 16
    for i, flag in enumerate(ours["downsamples"]):  # windows are for the size that timm's net was made for
        planned = (planned + 1) // 2 if flag else planned
        ours["window_sizes"] = [min(n, planned) if j == i else n for j, n in enumerate(ours["window_sizes"])]
    model = build_efficientvit_msra(image_shape, **top, **ours)
    return Port(
        model,
        "efficientvit_msra/timm",
        {
            **{f"features/{i}": (stage.name, channels_first) for i, stage in enumerate(model.stages)},
            "forward_features": (model.stages[-1].name, channels_first),
            "pre_logits": ("pool", same),
            "logits": ("predictions" if top["include_top"] else "pool", same),
        },
    )


PARAMETERS = {
    "efficientvit_m0": 2_349_436,
    "efficientvit_m1": 2_980_560,
    "efficientvit_m2": 4_187_554,
    "efficientvit_m3": 6_900_722,
    "efficientvit_m4": 8_804_228,
    "efficientvit_m5": 12_473_772,
}

INITIAL = {
    "efficientvit_m0": {
        "head/kernel": normal(0.02),
        r".*_attn_bias/table": normal(0.0),
        r".*/kernel": default,
    }
}

TRANSLATIONS = {"timm.models.efficientvit_msra.EfficientVitMsra": efficientvit_msra}
