"""timm's MaxViT, CoAtNet and their relatives -> ours."""

from tests.parity import Port, channels_first, same
from tests.parity.initial import default, he_fan_out, xavier_uniform
from tests.parity.timm import activation_of, begin, finish, top_of
from vitgraph import build_maxvit

CONV = {
    "block_type": ("conv", "mbconv"),
    "expand_ratio": ("expand_ratio", 4.0),
    "expand_output": ("expand_output", True),
    "kernel_size": ("kernel_size", 3),
    "pre_norm_act": ("pre_norm_act", False),
    "output_bias": ("output_bias", True),
    "stride_mode": ("stride_mode", "dw"),
    "pool_type": ("pool_type", "avg2"),
    "attn_early": ("se_early", False),
    "attn_ratio": ("se_ratio", 0.25),
    "init_values": ("conv_init_values", 1e-6),
}
TRANSFORMER = {
    "dim_head": ("head_dim", 32),
    "head_first": ("heads_first", True),
    "expand_ratio": ("mlp_ratio", 4.0),
    "expand_first": ("expand_first", True),
    "shortcut_bias": ("shortcut_bias", True),
    "attn_bias": ("qkv_bias", True),
    "pool_type": ("attn_pool_type", "avg2"),
    "rel_pos_dim": ("rel_pos_dim", 512),
    "init_values": ("init_values", None),
    "norm_eps": ("norm_eps", 1e-6),
}
NORMS = {"batchnorm2d": "batch", "layernorm2d": "layer", "layernorm": "layer"}
RATES = ("attn_drop", "proj_drop")


def maxvit(config, image_shape, weights):
    kwargs, ours = begin(config, {})
    base, conv, transformer = overlaid(kwargs)
    ours.update(dims=base.pop("embed_dim", (96, 192, 384, 768)), depths=base.pop("depths", (2, 3, 5, 2)))
    kinds = base.pop("block_type", ("C", "C", "T", "T"))
    ours["block_types"] = ["".join("P" if k == "PM" else k for k in ([t] if isinstance(t, str) else t)) for t in kinds]
    stem = base.pop("stem_width", 64)
    ours["stem_dims"] = (stem, stem) if isinstance(stem, int) else stem
    ours["stem_bias"] = base.pop("stem_bias", False)
    ours["representation_size"] = base.pop("head_hidden_size", None)
    base.pop("weight_init", None)
    size = base.pop("img_size", 224)
    ours["img_size"] = (size, size) if isinstance(size, int) else size
    finish(base)
    ours.update(of_conv(conv))
    ours.update(of_transformer(transformer, ours["img_size"]))
    top = top_of(ours, pooling="avg")
    if not top["include_top"] and ours["representation_size"]:
        raise NotImplementedError("a hidden layer without a head")
    model = build_maxvit(image_shape, **top, **ours)
    names = {layer.name for layer in model.layers}
    features = ["stem_conv2", *(stage.name for stage in model.stages)]
    last = "head_rep_act" if "head_rep_act" in names else "pool"
    return Port(
        model,
        "maxvit/timm",
        {
            **{f"features/{i}": (name, channels_first) for i, name in enumerate(features)},
            "forward_features": ("norm" if "norm" in names else features[-1], channels_first),
            "pre_logits": (last, same),
            "logits": ("predictions" if "predictions" in names else "pool", same),
        },
    )


def overlaid(kwargs):
    """timm's three sets of arguments, over which further ones are laid by their prefix."""
    sets = {"base": plain(kwargs.pop("cfg")), "conv": {}, "transformer": {}}
    for name in ("conv", "transformer"):
        sets[name] = plain(sets["base"].pop(f"{name}_cfg", {}))
    if kwargs.pop("global_pool", "avg") != "avg":
        raise NotImplementedError("global_pool")
    for key, value in kwargs.items():
        prefix, _, rest = key.partition("_")
        if prefix in ("conv", "transformer"):
            sets[prefix][rest] = value
        else:
            sets["base"][key] = value
    return sets.values()


def plain(value):
    return dict(value.get("kwargs", {}) if "$call" in value else value)


def taken(kwargs, names):
    return {mine: kwargs.pop(theirs, default) for theirs, (mine, default) in names.items()}


def of_conv(kwargs):
    ours = taken(kwargs, CONV)
    is_mbconv = ours["conv"] == "mbconv"
    ours["down_pool_type"] = kwargs.pop("downsample_pool_type", "avg2") or ours["pool_type"]
    ours["same_padding"] = kwargs.pop("padding", "") == "same"
    ours["se_act"] = activation_of(kwargs.pop("attn_act_layer", "silu"))
    ours["conv_act"] = activation_of(kwargs.pop("act_layer", "gelu"))
    ours["conv_norm"] = NORMS[kwargs.pop("norm_layer", "") or ("batchnorm2d" if is_mbconv else "layernorm2d")]
    eps = kwargs.pop("norm_eps", None)
    ours["conv_norm_eps"] = (1e-5 if is_mbconv else 1e-6) if eps is None else eps
    kwargs.pop("norm_layer_cl", None)
    if kwargs.pop("group_size", 1) != 1 or kwargs.pop("attn_layer", "se") != "se":
        raise NotImplementedError("group_size or attn_layer")
    finish(kwargs)
    return ours


def of_transformer(kwargs, img_size):
    ours = taken(kwargs, TRANSFORMER)
    for rate in RATES:
        kwargs.pop(rate, None)
    ratio, window, grid = (
        kwargs.pop(n, d) for n, d in (("partition_ratio", 32), ("window_size", None), ("grid_size", None))
    )
    ours["window_size"] = window or tuple(n // (ratio or 32) for n in img_size)
    ours["grid_size"] = (grid or window) if window else ours["window_size"]
    ours["window_attn"] = not kwargs.pop("no_block_attn", False)
    ours["rel_pos"] = {"bias_tf": "bias"}.get(kind := kwargs.pop("rel_pos_type", "bias"), kind or None)
    ours["act"] = activation_of(kwargs.pop("act_layer", "gelu"))
    ours["attn_norm"] = NORMS[kwargs.pop("norm_layer", "layernorm2d")]
    if NORMS[kwargs.pop("norm_layer_cl", "layernorm")] != "layer":
        raise NotImplementedError("norm_layer_cl")
    if kwargs.pop("use_nchw_attn", False) and ours["attn_norm"] == "batch":
        raise NotImplementedError("use_nchw_attn with batch norms")
    finish(kwargs)
    return ours


PARAMETERS = {
    "coatnet_0_224": 25_036_820,
    "coatnet_0_rw_224": 27_435_562,
    "coatnet_1_224": 42_225_776,
    "coatnet_1_rw_224": 41_721_502,
    "coatnet_2_224": 74_684_744,
    "coatnet_2_rw_224": 73_868_400,
    "coatnet_3_224": 166_966_264,
    "coatnet_3_rw_224": 165_173_428,
    "coatnet_4_224": 275_425_288,
    "coatnet_5_224": 687_472_008,
    "coatnet_bn_0_rw_224": 27_435_562,
    "coatnet_nano_cc_224": 13_757_328,
    "coatnet_nano_rw_224": 15_141_244,
    "coatnet_pico_rw_224": 10_851_364,
    "coatnet_rmlp_0_rw_224": 27_446_074,
    "coatnet_rmlp_1_rw2_224": 41_724_622,
    "coatnet_rmlp_1_rw_224": 41_691_982,
    "coatnet_rmlp_2_rw_224": 73_881_264,
    "coatnet_rmlp_2_rw_384": 73_881_264,
    "coatnet_rmlp_3_rw_224": 165_152_788,
    "coatnet_rmlp_nano_rw_224": 15_145_116,
    "coatnext_nano_rw_224": 14_701_244,
    "maxvit_base_tf_224": 119_467_708,
    "maxvit_base_tf_384": 119_653_468,
    "maxvit_base_tf_512": 119_876_380,
    "maxvit_large_tf_224": 211_785_560,
    "maxvit_large_tf_384": 212_033_240,
    "maxvit_large_tf_512": 212_330_456,
    "maxvit_nano_rw_256": 15_451_148,
    "maxvit_pico_rw_256": 7_457_996,
    "maxvit_rmlp_base_rw_224": 116_135_788,
    "maxvit_rmlp_base_rw_384": 116_135_788,
    "maxvit_rmlp_nano_rw_256": 15_501_452,
    "maxvit_rmlp_pico_rw_256": 7_515_980,
    "maxvit_rmlp_small_rw_224": 64_895_044,
    "maxvit_rmlp_small_rw_256": 64_895_044,
    "maxvit_rmlp_tiny_rw_256": 29_148_896,
    "maxvit_small_tf_224": 68_927_956,
    "maxvit_small_tf_384": 69_018_676,
    "maxvit_small_tf_512": 69_127_540,
    "maxvit_tiny_pm_256": 30_089_344,
    "maxvit_tiny_rw_224": 29_057_312,
    "maxvit_tiny_rw_256": 29_066_720,
    "maxvit_tiny_tf_224": 30_916_528,
    "maxvit_tiny_tf_384": 30_977_008,
    "maxvit_tiny_tf_512": 31_049_584,
    "maxvit_xlarge_tf_224": 474_951_952,
    "maxvit_xlarge_tf_384": 475_323_472,
    "maxvit_xlarge_tf_512": 475_769_296,
    "maxxvit_rmlp_nano_rw_256": 16_779_628,
    "maxxvit_rmlp_small_rw_256": 66_010_516,
    "maxxvit_rmlp_tiny_rw_256": 29_636_528,
    "maxxvitv2_nano_rw_256": 23_696_611,
    "maxxvitv2_rmlp_base_rw_224": 116_092_512,
    "maxxvitv2_rmlp_base_rw_384": 116_092_512,
    "maxxvitv2_rmlp_large_rw_224": 215_417_166,
}

INITIAL = {
    "maxvit_rmlp_pico_rw_256": {
        "head/kernel": default,
        r".*(stem_conv\d|conv\d_\w+|se_fc\d|shortcut_expand)/kernel": he_fan_out,
        r".*_(qkv|proj|fc\d)/kernel": xavier_uniform,
    }
}

TRANSLATIONS = {"timm.models.maxxvit.MaxxVit": maxvit}
