"""timm's XCiT -> ours."""

from tests.parity import Port, channels_first, same
from tests.parity.timm import activation_of, begin, finish, norm_of, top_of
from vitgraph import build_xcit

XCIT = {
    "patch_size": "patch_size",
    "embed_dim": "dim",
    "depth": "depth",
    "num_heads": "num_heads",
    "mlp_ratio": "mlp_ratio",
    "qkv_bias": "qkv_bias",
    "cls_attn_layers": "depth_token_only",
    "use_pos_embed": "pos_embed",
    "eta": "init_values",
    "tokens_norm": "tokens_norm",
    "global_pool": "global_pool",
}


def xcit(config, image_shape, weights):
    kwargs, ours = begin({"kwargs": {"embed_dim": 768, "num_heads": 12, **config["kwargs"]}}, XCIT)
    kwargs.pop("img_size", None)
    ours.update(norm_of(kwargs.pop("norm_layer", None), 1e-6))
    if ours.pop("rms_norm", False):
        raise NotImplementedError("norm_layer")
    ours["act"] = activation_of(kwargs.pop("act_layer", None))
    finish(kwargs)
    top = top_of(ours, pooling=ours.get("global_pool", "token"))
    model = build_xcit(image_shape, **top, **ours)
    return Port(
        model,
        "xcit/timm",
        {
            **{f"features/{i}": (stage.name, channels_first) for i, stage in enumerate(model.stages)},
            "forward_features": ("norm", same),
            "pre_logits": ("pool", same),
            "logits": ("predictions" if top["include_top"] else "pool", same),
        },
    )


TRANSLATIONS = {"timm.models.xcit.Xcit": xcit}
