"""The official SPT/LSA ViT and PiT, and the tokenization alone -> ours."""

import keras

from tests.parity import Port, channels_first, initial, same
from tests.parity.official import no_more
from vitgraph import build_small_data_pit, build_small_data_vit
from vitgraph.blocks import ToTokens
from vitgraph.blocks.base import pair
from vitgraph.builders.small_data_vit import shifted_patch_tokenization

SHARED = ("patch_size", "num_classes", "mlp_dim_ratio", "dim_head", "is_SPT", "is_LSA", "dim", "depth", "heads")
WITHOUT_EFFECT = ("img_size", "channels", "dropout", "emb_dropout", "stochastic_depth")


def vit(config, image_shape, weights):
    heads, head_dim = config["heads"], config.get("dim_head", 16)
    ours = {"dim": config["dim"], "depth": config["depth"], "num_heads": heads}
    ours["mlp_ratio"] = config["mlp_dim_ratio"]
    ours["attn_proj"] = not (heads == 1 and head_dim == config["dim"])
    model = build_small_data_vit(image_shape, **ours, **_shared(config, head_dim))
    outputs = {"features/tokens": ("tokens", same), "features/transformer": (model.stages[-1].name, same)}
    return _port(model, outputs, "small_data_vit", config)


def pit(config, image_shape, weights):
    depths = config["depth"]
    heads = config["heads"] if isinstance(config["heads"], (list, tuple)) else (config["heads"],) * len(depths)
    dims = [config["dim"] * 2**i for i in range(len(depths))]
    head_dim = config.get("dim_head", 64)
    proj = [not (n == 1 and head_dim == dim) for n, dim in zip(heads, dims, strict=True)]
    ours = {"dims": dims, "depths": depths, "num_heads": heads, "attn_proj": proj}
    ours["mlp_ratios"] = [config["mlp_dim_ratio"]] * len(depths)
    model = build_small_data_pit(image_shape, **ours, **_shared(config, head_dim))
    outputs = {f"features/{2 * i}": (stage.name, same) for i, stage in enumerate(model.stages)}
    outputs.update({f"features/{2 * i - 1}": (f"stage_{i + 1}_pool_join", same) for i in range(1, len(depths))})
    return _port(model, outputs, "small_data_pit", config)


def _shared(config, head_dim):
    """Arguments of ours that follow from those that ViT and PiT share."""
    no_more(config, (*SHARED, *WITHOUT_EFFECT))
    patch = config["patch_size"]
    return {
        "classifier_activation": None,
        "patch_size": patch if isinstance(patch, int) else pair(patch),
        "num_classes": config["num_classes"],
        "head_dim": head_dim,
        "spt": config.get("is_SPT", False),
        "lsa": config.get("is_LSA", False),
    }


def _port(model, outputs, family, config):
    source = "official" if config.get("is_SPT") else "official_plain"
    return Port(model, f"{family}/{source}", {**outputs, "logits": ("predictions", same)})


def tokenization(config, image_shape, weights):
    no_more(config, ("in_dim", "dim", "merging_size", "exist_class_t", "is_pe"))
    if config.get("exist_class_t") or not config.get("is_pe"):
        raise NotImplementedError("shifted patch tokenization of tokens")
    image = keras.Input(image_shape)
    x = shifted_patch_tokenization(image, config.get("merging_size", 2), config["dim"], "merging")
    model = keras.Model(image, ToTokens(name="tokens")(x))
    outputs = {"shifted": ("merging_shifts", channels_first), "logits": ("tokens", same)}
    return Port(model, "small_data_vit/official_spt", outputs)


_INITIAL = {r".*kernel": initial.xavier, r".*(token|table)": initial.normal(1.0)}
INITIAL = {"sl_vit_32": _INITIAL, "sl_pit_32": _INITIAL}

PARAMETERS = {
    "pit_32": 7_353_736,
    "pit_64": 7_357_192,
    "sl_pit_32": 9_023_164,
    "sl_pit_64": 9_040_804,
    "sl_vit_32": 2_920_948,
    "sl_vit_64": 3_060_628,
    "vit_32": 2_883_496,
    "vit_64": 2_911_144,
}

TRANSLATIONS = {"official_spt_lsa_vit": vit, "official_spt_lsa_pit": pit, "official_spt": tokenization}
