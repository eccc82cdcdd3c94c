"""CaiTs of timm and of the official repository -> ours."""

from tests.parity import Port, same
from tests.parity.official import no_more
from tests.parity.timm import activation_of, bare_name, begin, finish, norm_of, top_of
from tests.parity.vit import maps_of
from vitgraph import build_cait

CAIT = {
    "embed_dim": "dim",
    "depth": "depth",
    "num_heads": "num_heads",
    "mlp_ratio": "mlp_ratio",
    "patch_size": "patch_size",
    "qkv_bias": "qkv_bias",
    "init_values": "init_values",
    "global_pool": "global_pool",
    "depth_token_only": "depth_token_only",
    "mlp_ratio_token_only": "mlp_ratio_token_only",
}
PARTS = {
    "block_layers": "LayerScaleBlock",
    "block_layers_token": "LayerScaleBlockClassAttn",
    "patch_layer": "PatchEmbed",
    "attn_block": "TalkingHeadAttn",
    "mlp_block": "Mlp",
    "attn_block_token_only": "ClassAttn",
    "mlp_block_token_only": "Mlp",
}


def timm_cait(config, image_shape, weights):
    defaults = {"embed_dim": 768, "depth": 12, "num_heads": 12, "init_values": 1e-4}
    kwargs, ours = begin({"kwargs": {**defaults, **config["kwargs"]}}, CAIT)
    kwargs.pop("img_size", None)
    for name, part in PARTS.items():
        if bare_name(kwargs.pop(name, part)) != (part, {}):
            raise NotImplementedError(f"CaiT with another {name}")
    ours.update(norm_of(kwargs.pop("norm_layer", None), 1e-6))
    ours["act"] = activation_of(kwargs.pop("act_layer", None))
    finish(kwargs)

    top = top_of(ours, pooling=ours.get("global_pool", "token"))
    model = build_cait(image_shape, **top, **ours)
    outputs = {
        "logits": ("predictions" if top["include_top"] else "pool", same),
        "pre_logits": ("pool", same),
        "forward_features": ("norm", same),
        **maps_of(model, image_shape, ours.get("patch_size", 16)),
    }
    return Port(model, "cait/timm", outputs)


def official_cait(config, image_shape, weights):
    defaults = {
        "embed_dim": 768, "depth": 12, "num_heads": 12, "qkv_bias": False, "norm_eps": 1e-5, "init_scale": 1e-4
    }  # fmt: skip
    config = {**defaults, **config}
    names = {
        "embed_dim": "dim", "init_scale": "init_values", "mlp_ratio_clstk": "mlp_ratio_token_only",
        "depth_token_only": "depth_token_only",
    }  # fmt: skip
    kept = ("patch_size", "num_classes", "depth", "num_heads", "mlp_ratio", "qkv_bias", "qk_scale", "norm_eps")
    ours = {names.get(k, k): v for k, v in config.items() if k in kept or k in names}
    rates = ("drop_rate", "attn_drop_rate", "drop_path_rate")
    no_more(config, (*kept, *names, "img_size", "in_chans", "global_pool", *rates))
    model = build_cait(image_shape, classifier_activation=None, **ours)
    outputs = {f"features/{i}": (stage.name, same) for i, stage in enumerate(model.stages)}
    tokens = {f"features/cls{i}": (f"cls_stage_{i}_res2", same) for i in range(ours.get("depth_token_only", 2))}
    return Port(model, "cait/timm", {**outputs, **tokens, "logits": ("predictions", same)})


PARAMETERS = {
    "cait_m36_384": 271_221_352,
    "cait_m48_448": 356_460_520,
    "cait_s24_224": 46_916_200,
    "cait_s24_384": 47_062_120,
    "cait_s36_384": 68_366_632,
    "cait_xs24_384": 26_670_088,
    "cait_xxs24_224": 11_956_264,
    "cait_xxs24_384": 12_029_224,
    "cait_xxs36_224": 17_299_720,
    "cait_xxs36_384": 17_372_680,
}

TRANSLATIONS = {"timm.models.cait.Cait": timm_cait, "official_cait": official_cait}
