"""The official ScalableViT -> ours."""

from tests.parity import Port, as_tokens, initial, same
from tests.parity.official import no_more
from vitgraph import build_scalablevit

PER_STAGE = {  # theirs may be longer than the net is deep
    "embed_dims": ("dims", (64, 128, 256)),
    "num_heads": ("num_heads", (1, 2, 4)),
    "mlp_ratios": ("mlp_ratios", (4, 4, 4)),
    "depths": ("depths", (4, 4, 4)),
    "wss": ("window_sizes", (7, 7, 7)),
    "sr_ratios": ("sr_ratios", (4, 2, 1)),
    "c_ratios": ("c_ratios", (1.25, 1.25, 1.25, 1.25)),
}
WITHOUT_EFFECT = ["img_size", "in_chans", "qk_scale", "drop_rate", "attn_drop_rate", "drop_path_rate"]


def official_scalablevit(config, image_shape, weights):
    stages = len(config.get("depths", (4, 4, 4)))
    ours = {mine: tuple(config.get(name, default))[:stages] for name, (mine, default) in PER_STAGE.items()}
    plain_head = config.get("plain_head", False)
    ours["representation_size"] = None if plain_head else 4096
    ours["qkv_bias"] = config.get("qkv_bias", False)
    ours.update(
        {mine: config[k] for k, mine in (("patch_size", "stem_stride"), ("norm_eps", "norm_eps")) if k in config}
    )
    no_more(config, (*PER_STAGE, *WITHOUT_EFFECT, "plain_head", "qkv_bias", "patch_size", "norm_eps", "num_classes"))
    classes = config.get("num_classes", 1000)
    if classes:
        top, logits = {"num_classes": classes, "classifier_activation": None}, "predictions"
    elif plain_head:
        top, logits = {"include_top": False, "pooling": "avg"}, "pool"
    else:
        raise NotImplementedError("num_classes=0 without plain_head: the hidden layer of the head, and no head")
    model = build_scalablevit(image_shape, **top, **ours)
    blocks = (f"stage_{i + 1}_block_{depth - 1}_res2" for i, depth in enumerate(ours["depths"]))
    outputs = {f"features/{i}": (block, as_tokens) for i, block in enumerate(blocks)}  # after one block: before PEG
    source = "scalablevit/official_plain_head" if plain_head else "scalablevit/official"
    return Port(model, source, {**outputs, "logits": (logits, same)})


INITIAL = {"scalable_vit_small": {**initial.VIT, initial.CONV: initial.he_fan_out}}

PARAMETERS = {
    "scalable_vit_base": 81_881_624,
    "scalable_vit_large": 109_288_840,
    "scalable_vit_small": 32_000_472,
    "scalable_vit_small_0": 26_307_032,
}

TRANSLATIONS = {"official_scalablevit": official_scalablevit}
