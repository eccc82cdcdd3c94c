"""Configurations of the transformers library's nets with stages: `config.json` -> arguments of our builders.

Defaults are those of the library's configuration classes. Rates of dropout belong to a training and aren't read.
"""

from vitgraph.checkpoints.configurations.reading import Configuration, activation, ratio, refuse, sides
from vitgraph.wiring.mobile_stages import multiple_of_8


def _image(config):
    return (*sides(config["image_size"]), config["num_channels"])


_SWIN = {
    "image_size": 224, "num_channels": 3, "patch_size": 4, "embed_dim": 96, "depths": (2, 2, 6, 2),
    "num_heads": (3, 6, 12, 24), "window_size": 7, "mlp_ratio": 4.0, "qkv_bias": True, "hidden_act": "gelu",
    "use_absolute_embeddings": False, "layer_norm_eps": 1e-5, "pretrained_window_sizes": (0, 0, 0, 0),
}  # fmt: skip


def _swin(config):
    _check_windows(config)
    config.only(layer_norm_eps=1e-5)  # there it is the blocks' epsilon and the last norm's, here that of all norms
    return {
        "input_shape": _image(config),
        "patch_size": config["patch_size"],
        "dim": config["embed_dim"],
        "depths": config["depths"],
        "num_heads": config["num_heads"],
        "mlp_ratios": config["mlp_ratio"],
        "window_sizes": config["window_size"],
        "qkv_bias": config["qkv_bias"],
    }


def _check_windows(config):
    """The library pads a map to whole windows before it shifts them, graphs here afterwards, as timm does."""
    window, grid = config["window_size"], [-(-n // config["patch_size"]) for n in sides(config["image_size"])]
    for depth in config["depths"]:
        padded = min(grid) > window and any(n % window for n in grid)
        uneven = min(grid) <= window < max(grid)
        if depth > 1 and (padded or uneven):
            refuse("image_size", config["image_size"], f"sizes whose maps, here {grid}, are whole windows of {window}")
        grid = [-(-n // 2) for n in grid]


def swin(content, architecture):
    config = Configuration(content, **_SWIN)
    config.only(hidden_act=["gelu", "gelu_python"])
    pos_embed = "learn" if config["use_absolute_embeddings"] else "none"
    return "build_swin", {**_swin(config), "pos_embed": pos_embed}


def swin_v2(content, architecture):
    config = Configuration(content, **_SWIN)
    config.only(use_absolute_embeddings=False)
    return "build_swin_v2", {
        **_swin(config),
        "pretrained_window_sizes": tuple(config["pretrained_window_sizes"])[: len(config["depths"])],
        "act": activation("hidden_act", config["hidden_act"]),
    }


_PVT = {
    "image_size": 224, "num_channels": 3, "num_encoder_blocks": 4, "depths": (2, 2, 2, 2), "qkv_bias": True,
    "num_attention_heads": (1, 2, 5, 8), "mlp_ratios": (8, 8, 4, 4), "hidden_act": "gelu", "layer_norm_eps": 1e-6,
}  # fmt: skip


def _pvt(config, **per_stage):
    """The arguments that both PVTs have; `per_stage` are those whose names differ."""
    config.only(hidden_act=["gelu", "gelu_python"])
    stages = config["num_encoder_blocks"]
    per_stage |= {"depths": "depths", "num_heads": "num_attention_heads", "mlp_ratios": "mlp_ratios"}
    return {
        "input_shape": _image(config),
        **{ours: tuple(config[theirs])[:stages] for ours, theirs in per_stage.items()},
        "qkv_bias": config["qkv_bias"],
        "norm_eps": config["layer_norm_eps"],
        "embed_norm_eps": config["layer_norm_eps"],
    }


def pvt(content, architecture):
    four = {"hidden_sizes": (64, 128, 320, 512), "patch_sizes": (4, 2, 2, 2), "sequence_reduction_ratios": (8, 4, 2, 1)}
    config = Configuration(content, **_PVT, **four)
    config.only(strides=tuple(config["patch_sizes"]))
    own = {"dims": "hidden_sizes", "patch_sizes": "patch_sizes", "sr_ratios": "sequence_reduction_ratios"}
    return "build_pvt", _pvt(config, **own)


def pvt_v2(content, architecture):
    config = Configuration(content, **_PVT, hidden_sizes=(32, 64, 160, 256), sr_ratios=(8, 4, 2, 1))
    stages = config["num_encoder_blocks"]
    config.only(patch_sizes=(7, 3, 3, 3)[:stages], strides=(4, 2, 2, 2)[:stages])
    linear = config.get("linear_attention", False)
    return "build_pvt_v2", {**_pvt(config, dims="hidden_sizes", sr_ratios="sr_ratios"), "linear": linear}


def segformer(content, architecture):
    """The encoder alone; all norms have the epsilon of PyTorch there, whatever `layer_norm_eps` says."""
    per_stage = {
        "dims": ("hidden_sizes", (32, 64, 160, 256)), "depths": ("depths", (2, 2, 2, 2)),
        "num_heads": ("num_attention_heads", (1, 2, 5, 8)), "mlp_ratios": ("mlp_ratios", (4, 4, 4, 4)),
        "sr_ratios": ("sr_ratios", (8, 4, 2, 1)), "kernel_sizes": ("patch_sizes", (7, 3, 3, 3)),
        "strides": ("strides", (4, 2, 2, 2)),
    }  # fmt: skip
    names = {"image_size": 224, "num_channels": 3, "num_encoder_blocks": 4, "hidden_act": "gelu"}
    config = Configuration(content, **names, **dict(per_stage.values()))
    return "build_mit", {
        "input_shape": _image(config),
        **{ours: tuple(config[theirs])[: config["num_encoder_blocks"]] for ours, (theirs, _) in per_stage.items()},
        "act": activation("hidden_act", config["hidden_act"]),
        "norm_eps": 1e-5,
    }


def levit(content, architecture):
    config = Configuration(
        content,
        image_size=224, num_channels=3, hidden_sizes=(128, 256, 384), num_attention_heads=(4, 8, 12), depths=(4, 4, 4),
        key_dim=(16, 16, 16), mlp_ratio=(2, 2, 2), attention_ratio=(2, 2, 2),
    )  # fmt: skip
    config.only(kernel_size=3, stride=2, padding=1, patch_size=16)
    (key_dim, *others), dims = config["key_dim"], config["hidden_sizes"]
    if any(other != key_dim for other in others):
        refuse("key_dim", config["key_dim"], "one width for all stages")
    downs = [["Subsample", key_dim, dim // key_dim, 4, 2, 2] for dim in dims[:-1]]
    stated = [list(down) for down in config.get("down_ops", downs)][: len(downs)]
    if stated != downs:
        refuse("down_ops", stated, downs)
    return "build_levit", {
        "input_shape": _image(config),
        "dims": dims,
        "depths": config["depths"],
        "num_heads": config["num_attention_heads"],
        "key_dim": key_dim,
        "attn_ratios": config["attention_ratio"],
        "mlp_ratios": config["mlp_ratio"],
        "distilled": architecture == "LevitForImageClassificationWithTeacher",
    }


_MOBILE = {
    "image_size": 256, "num_channels": 3, "patch_size": 2, "hidden_act": "silu", "conv_kernel_size": 3,
    "layer_norm_eps": 1e-5,
}  # fmt: skip


def _mobile(config):
    config.only(output_stride=32)
    return {
        "input_shape": _image(config),
        "patch_size": config["patch_size"],
        "kernel_size": config["conv_kernel_size"],
        "expansions": (config["expand_ratio"],) * 5,
        "act": activation("hidden_act", config["hidden_act"]),
        "norm_eps": config["layer_norm_eps"],
    }


def mobilevit(content, architecture):
    """Checkpoints of Apple's take the channels in the order blue, green, red."""
    config = Configuration(
        content,
        **_MOBILE, hidden_sizes=(144, 192, 240), neck_hidden_sizes=(16, 32, 64, 96, 128, 160, 640),
        num_attention_heads=4, mlp_ratio=2.0, expand_ratio=4.0, qkv_bias=True,
    )  # fmt: skip
    stem_dim, *dims, last_dim = config["neck_hidden_sizes"]
    return "build_mobilevit", {
        **_mobile(config),
        "stem_dim": stem_dim,
        "dims": dims,
        "last_dim": last_dim,
        "attn_dims": config["hidden_sizes"],
        "num_heads": (config["num_attention_heads"],) * 3,
        "mlp_ratios": (config["mlp_ratio"],) * 3,
        "qkv_bias": config["qkv_bias"],
    }


def mobilevit_v2(content, architecture):
    """Checkpoints of Apple's take the channels in the order blue, green, red."""
    config = Configuration(
        content,
        **{**_MOBILE, "hidden_act": "swish"}, expand_ratio=2.0, n_attn_blocks=(2, 4, 3), width_multiplier=1.0,
        base_attn_unit_dims=(128, 192, 256), ffn_multiplier=2,
    )  # fmt: skip
    grid, patch = [-(-n // 8) for n in sides(config["image_size"])], config["patch_size"]
    if any(-(-n // 2**i) % patch for n in grid for i in range(3)):  # the library drops what graphs here resize
        whole = f"sizes whose maps, at strides 8 to 32, are whole patches of {patch}"
        refuse("image_size", config["image_size"], whole)
    times = config["width_multiplier"]
    attn_dims = [multiple_of_8(times * dim) for dim in config["base_attn_unit_dims"]]
    hidden = [config["ffn_multiplier"] * dim // 16 * 16 for dim in attn_dims]
    return "build_mobilevit_v2", {
        **_mobile(config),
        "stem_dim": max(16, multiple_of_8(min(max(32 * times, 16), 64))),
        "dims": [_multiple_of_16(64 * times), *(multiple_of_8(dim * times) for dim in (128, 256, 384, 512))],
        "attn_dims": attn_dims,
        "attn_depths": config["n_attn_blocks"],
        "mlp_ratios": [ratio(*widths) for widths in zip(hidden, attn_dims, strict=True)],
    }


def _multiple_of_16(width):
    """The same as `multiple_of_8`, of another step."""
    return 2 * multiple_of_8(width / 2)


def cvt(content, architecture):
    """The library's feed-forward layers have GELU, though the official nets were trained with its quick form."""
    stages = {
        "kernel_sizes": ("patch_sizes", (7, 3, 3)), "strides": ("patch_stride", (4, 2, 2)),
        "paddings": ("patch_padding", (2, 1, 1)), "dims": ("embed_dim", (64, 192, 384)),
        "depths": ("depth", (1, 2, 10)), "num_heads": ("num_heads", (1, 3, 6)),
        "mlp_ratios": ("mlp_ratio", (4.0, 4.0, 4.0)),
        "class_token": ("cls_token", (False, False, True)), "qkv_bias": ("qkv_bias", (True, True, True)),
        "qkv_method": ("qkv_projection_method", ("dw_bn",) * 3), "kernel_qkv": ("kernel_qkv", (3, 3, 3)),
        "stride_kv": ("stride_kv", (2, 2, 2)), "padding_kv": ("padding_kv", (1, 1, 1)),
        "stride_q": ("stride_q", (1, 1, 1)), "padding_q": ("padding_q", (1, 1, 1)),
    }  # fmt: skip
    config = Configuration(content, num_channels=3, image_size=224, **dict(stages.values()))
    arguments = {ours: config[theirs] for ours, (theirs, _) in stages.items()}
    return "build_cvt", {"input_shape": _image(config), "act": "gelu", **arguments}
