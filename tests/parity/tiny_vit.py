"""timm's TinyViT -> ours."""

from tests.parity import Port, channels_first, same
from tests.parity.initial import default, normal
from tests.parity.timm import activation_of, begin, finish, top_of
from vitgraph import build_tiny_vit

NAMES = {
    "embed_dims": "dims",
    "depths": "depths",
    "num_heads": "num_heads",
    "window_sizes": "window_sizes",
    "mlp_ratio": "mlp_ratio",
    "mbconv_expand_ratio": "expand_ratio",
    "local_conv_size": "local_kernel_size",
}


def tiny_vit(config, image_shape, weights):
    kwargs, ours = begin(config, NAMES)
    for name, default_value in {"dims": (96, 192, 384, 768), "num_heads": (3, 6, 12, 24)}.items():
        ours.setdefault(name, default_value)
    stages = len(ours.get("depths", (2, 2, 6, 2)))
    for name in ("dims", "num_heads", "window_sizes"):
        ours[name] = ours.get(name, (7, 7, 14, 7))[:stages]
    ours["act"] = activation_of(kwargs.pop("act_layer", "gelu"))
    kwargs.pop("use_checkpoint", None)
    pool = kwargs.pop("global_pool", "avg")
    finish(kwargs)
    top = top_of(ours, pooling=pool)
    if top["include_top"] and pool != "avg":
        raise NotImplementedError(f"global_pool={pool!r} before a head")
    model = build_tiny_vit(image_shape, **top, **ours)
    return Port(
        model,
        "tiny_vit/timm",
        {
            **{f"features/{i}": (stage.name, channels_first) for i, stage in enumerate(model.stages)},
            "forward_features": (model.stages[-1].name, channels_first),
            "pre_logits": ("fc_norm", same),
            "logits": ("predictions" if top["include_top"] else "fc_norm", same),
        },
    )


PARAMETERS = {
    "tiny_vit_5m_224": 5_392_764,
    "tiny_vit_11m_224": 10_996_972,
    "tiny_vit_21m_224": 21_198_568,
    "tiny_vit_21m_384": 21_230_488,
    "tiny_vit_21m_512": 21_268_120,
}

INITIAL = {
    "tiny_vit_5m_224": {
        r".*_(qkv|proj|fc\d)/kernel": normal(0.02),
        "head/kernel": normal(0.02),
        r".*_attn_bias/table": normal(0.0),
        r".*/kernel": default,
    }
}

TRANSLATIONS = {"timm.models.tiny_vit.TinyVit": tiny_vit}
