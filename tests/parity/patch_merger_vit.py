"""vit-pytorch's patch merger, in its ViTs and alone -> ours."""

import keras

from tests.parity import Port, initial, same
from tests.parity.official import no_more
from tests.parity.vit import lucid_arguments, lucid_attn_proj
from vitgraph import build_patch_merger_vit
from vitgraph.builders.patch_merger_vit import patch_merger

NAMES = {"patch_merge_layer": "patch_merge_layer", "patch_merge_num_tokens": "num_merged_tokens"}


def lucid_patch_merger_vit(config, image_shape, weights):
    return _port("lucidrains", config, image_shape)


def lucid22_patch_merger_vit(config, image_shape, weights):
    """No patch norms; the last norm is after the mean."""
    return _port("lucidrains_2022", config, image_shape, dual_patch_norm=False, fc_norm=True)


def _port(source, config, image_shape, **ours):
    own = {ours: config[theirs] for theirs, ours in NAMES.items() if theirs in config}
    rest = {name: value for name, value in config.items() if name not in NAMES}
    layer = own.get("patch_merge_layer")
    if not 1 <= (config["depth"] // 2 if layer is None else layer) <= config["depth"]:
        raise NotImplementedError("a merger after no layer, which merges nothing")
    model = build_patch_merger_vit(image_shape, attn_proj=lucid_attn_proj(rest), **lucid_arguments(rest), **own, **ours)
    names = [node.name for node in model.layers]
    last = "norm" if "norm" in names else names[names.index("pool") - 1]
    outputs = {
        "features/tokens": ("tokens", same),
        "features/transformer": (last, same),
        "logits": ("predictions", same),
    }
    return Port(model, f"patch_merger_vit/{source}", outputs)


def lucid_patch_merger(config, image_shape, weights):
    no_more(config, ("dim", "num_tokens_in", "num_tokens_out"))
    tokens = keras.Input((config.get("num_tokens_in"), config["dim"]))
    model = keras.Model(tokens, patch_merger(tokens, config["num_tokens_out"]))
    return Port(model, "patch_merger_vit/merger", {"logits": ("patch_merger", same)}, input="tokens")


INITIAL = {"patch_merger_vit_base_patch16_224": initial.RANDN}

PARAMETERS = {
    "patch_merger_vit_base_patch16_224": 86_549_224,
    "patch_merger_vit_large_patch16_224": 304_264_680,
}

TRANSLATIONS = {
    "lucid_patch_merger_vit": lucid_patch_merger_vit,
    "lucid22_patch_merger_vit": lucid22_patch_merger_vit,
    "lucid_patch_merger": lucid_patch_merger,
}
