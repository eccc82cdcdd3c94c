"""T2T-ViTs of the official repository -> ours."""

from tests.parity import Port, as_tokens, initial, same
from tests.parity.official import no_more
from vitgraph import build_t2t_vit

NAMES = {
    "tokens_type": "tokens_type",
    "embed_dim": "dim",
    "depth": "depth",
    "num_heads": "num_heads",
    "mlp_ratio": "mlp_ratio",
    "qkv_bias": "qkv_bias",
    "qk_scale": "qk_scale",
    "token_dim": "token_dim",
    "num_classes": "num_classes",
    "norm_eps": "norm_eps",
}
WITHOUT_EFFECT = ("img_size", "in_chans", "drop_rate", "attn_drop_rate", "drop_path_rate")


def official_t2t(config, image_shape, weights):
    config = {"embed_dim": 768, "depth": 12, "num_heads": 12, "mlp_ratio": 4.0, **config}
    no_more(config, (*NAMES, *WITHOUT_EFFECT))
    ours = {mine: config[theirs] for theirs, mine in NAMES.items() if theirs in config}
    ours["qk_scale"] = ours.get("qk_scale") or None  # theirs takes 0 for None
    top: dict = {"classifier_activation": None}
    if not ours.get("num_classes", 1000):  # then the logits are what the head would see
        del ours["num_classes"]
        top = {"include_top": False, "pooling": "token"}
    model = build_t2t_vit(image_shape, **top, **ours)
    outputs = {f"features/{i}": (stage.name, same) for i, stage in enumerate(model.stages)}
    outputs.update({f"features/attention{i}": (f"tokens_{i}_res2", as_tokens) for i in (1, 2)})
    outputs.update({"features/tokens": ("tokens", same), "logits": (model.output_names[0], same)})
    return Port(model, f"t2t_vit/{config.get('tokens_type', 'performer')}", outputs)


INITIAL = {"t2t_vit_7": {"patch_embed/kernel": initial.normal(0.02), **initial.VIT}}

PARAMETERS = {
    "t2t_vit_10": 5_834_702,
    "t2t_vit_12": 6_887_374,
    "t2t_vit_14": 21_465_806,
    "t2t_vit_14_384": 21_465_806,
    "t2t_vit_14_resnext": 21_465_806,
    "t2t_vit_14_wide": 25_000_910,
    "t2t_vit_19": 39_085_070,
    "t2t_vit_24": 64_000_974,
    "t2t_vit_24_token_labeling": 64_000_974,
    "t2t_vit_7": 4_255_694,
    "t2t_vit_t_14": 21_465_422,
    "t2t_vit_t_19": 39_084_686,
    "t2t_vit_t_24": 64_000_590,
}

TRANSLATIONS = {"official_t2t": official_t2t}
