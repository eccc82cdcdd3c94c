"""Configurations of the transformers library's plain nets: `config.json` -> arguments of our builders.

Defaults are those of the library's configuration classes. Rates of dropout belong to a training and aren't read.
"""

from vitgraph.checkpoints.configurations.reading import Configuration, activation, ratio, sides

_DEFAULTS = {
    "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
    "hidden_act": "gelu", "image_size": 224, "patch_size": 16, "num_channels": 3, "qkv_bias": True,
}  # fmt: skip


def _transformer(config, hidden=None):
    """The arguments of a net of pre-norm blocks; `hidden` is the width of feed-forward layers that isn't stated."""
    return {
        "input_shape": (*sides(config["image_size"]), config["num_channels"]),
        "patch_size": sides(config["patch_size"]),
        "dim": config["hidden_size"],
        "depth": config["num_hidden_layers"],
        "num_heads": config["num_attention_heads"],
        "mlp_ratio": ratio(hidden or config["intermediate_size"], config["hidden_size"]),
        "norm_eps": config["layer_norm_eps"],
    }


def _vit(content, **defaults):
    config = Configuration(content, **{**_DEFAULTS, "layer_norm_eps": 1e-12, **defaults})
    width = {"head_dim": config["head_dim"]} if config.get("head_dim") else {}
    act = activation("hidden_act", config["hidden_act"])
    return {**_transformer(config), **width, "qkv_bias": config["qkv_bias"], "act": act}


def vit(content, architecture):
    return "build_vit", {**_vit(content), "pos_resampling": "bicubic"}


def deit(content, architecture):
    """The distillation token is always there, its head only with the teacher."""
    if architecture == "DeiTForImageClassification":
        return "build_vit", {**_vit(content), "num_reg_tokens": 1, "pos_resampling": "bicubic"}
    return "build_deit", {**_vit(content), "distilled": True}


def beit(content, architecture):
    config = Configuration(
        content,
        **{
            **_DEFAULTS, "layer_norm_eps": 1e-12, "use_absolute_position_embeddings": False,
            "use_relative_position_bias": False, "use_shared_relative_position_bias": False,
            "layer_scale_init_value": 0.1, "use_mean_pooling": True,
        },
    )  # fmt: skip
    width = config["hidden_size"] // config["num_attention_heads"]
    config.only(hidden_act=["gelu", "gelu_python"], head_dim=[None, width])
    tables = config["use_relative_position_bias"], config["use_shared_relative_position_bias"]
    pooled = config["use_mean_pooling"] and architecture != "BeitForMaskedImageModeling"
    return "build_beit", {
        **_transformer(config),
        "init_values": config["layer_scale_init_value"] or None,
        "pos_embed": "learn" if config["use_absolute_position_embeddings"] else "none",
        "rel_pos_bias": {(True, False): "block", (False, True): "shared", (True, True): "both"}.get(tables),
        "global_pool": "avg" if config["use_mean_pooling"] else "token",
        "fc_norm": pooled,
    }


def dinov2(content, architecture):
    registers = content["model_type"] == "dinov2_with_registers"
    config = Configuration(
        content,
        **{
            **_DEFAULTS, "layer_norm_eps": 1e-6, "mlp_ratio": 4, "layerscale_value": 1.0, "use_swiglu_ffn": False,
            "num_register_tokens": 4, "patch_size": 16 if registers else 14,
        },
    )  # fmt: skip
    hidden = int(config["hidden_size"] * config["mlp_ratio"])
    feed_forward = {"act": activation("hidden_act", config["hidden_act"])}
    if config["use_swiglu_ffn"]:
        hidden = 2 * ((int(hidden * 2 / 3) + 7) // 8 * 8)  # both halves, each of two thirds in whole eights
        feed_forward = {"act": "silu", "gated_mlp": True}
    special = {"num_reg_tokens": config["num_register_tokens"], "no_embed_class": True} if registers else {}
    return "build_vit", {
        **_transformer(config, hidden),
        **special,
        **feed_forward,
        "qkv_bias": config["qkv_bias"],
        "init_values": config["layerscale_value"] or 1.0,
        "global_pool": "token_avg",
        "pos_resampling": "bicubic",
    }


def clip(content, architecture):
    """A tower alone, or that of a whole CLIP, whose configuration is part of the file."""
    arguments = _vit(
        content.get("vision_config", content),
        hidden_act="quick_gelu",
        layer_norm_eps=1e-5,
        patch_size=32,
    )
    arguments = {**arguments, "pre_norm": True, "qkv_bias": True, "pos_resampling": "bicubic"}
    if architecture == "CLIPForImageClassification":
        return "build_vit", {**arguments, "final_norm": False, "global_pool": "avg"}
    return "build_vit", arguments


def siglip(content, architecture):
    config = content.get("vision_config", content)
    arguments = _vit(config, hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-6)
    pool = "avg" if architecture == "SiglipForImageClassification" else "map"
    return "build_vit", {
        **arguments,
        "qkv_bias": True,
        "class_token": False,
        "global_pool": pool,
        "fc_norm": False,
        "pos_resampling": "bicubic",
    }
