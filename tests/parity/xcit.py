"""timm's XCiT -> ours."""

from tests.parity import Port, channels_first, same
from tests.parity.initial import default, normal
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


PARAMETERS = {
    "xcit_large_24_p16_224": 189_096_136,
    "xcit_large_24_p16_384": 189_096_136,
    "xcit_large_24_p8_224": 188_932_648,
    "xcit_large_24_p8_384": 188_932_648,
    "xcit_medium_24_p16_224": 84_395_752,
    "xcit_medium_24_p16_384": 84_395_752,
    "xcit_medium_24_p8_224": 84_323_624,
    "xcit_medium_24_p8_384": 84_323_624,
    "xcit_nano_12_p16_224": 3_053_224,
    "xcit_nano_12_p16_384": 3_053_224,
    "xcit_nano_12_p8_224": 3_049_016,
    "xcit_nano_12_p8_384": 3_049_016,
    "xcit_small_12_p16_224": 26_253_304,
    "xcit_small_12_p16_384": 26_253_304,
    "xcit_small_12_p8_224": 26_213_032,
    "xcit_small_12_p8_384": 26_213_032,
    "xcit_small_24_p16_224": 47_671_384,
    "xcit_small_24_p16_384": 47_671_384,
    "xcit_small_24_p8_224": 47_631_112,
    "xcit_small_24_p8_384": 47_631_112,
    "xcit_tiny_12_p16_224": 6_716_272,
    "xcit_tiny_12_p16_384": 6_716_272,
    "xcit_tiny_12_p8_224": 6_706_504,
    "xcit_tiny_12_p8_384": 6_706_504,
    "xcit_tiny_24_p16_224": 12_116_896,
    "xcit_tiny_24_p16_384": 12_116_896,
    "xcit_tiny_24_p8_224": 12_107_128,
    "xcit_tiny_24_p8_384": 12_107_128,
}

INITIAL = {"xcit_nano_12_p16_224": {r"(patch_embed_\d|pos_embed|.*_local_conv\d)/kernel": default, ".*": normal(0.02)}}

TRANSLATIONS = {"timm.models.xcit.Xcit": xcit}
