"""timm's MViT v2 -> ours."""

import math

from tests.parity import Port, as_tokens, channels_first, same, tokens_as_map
from tests.parity.hiera import scaled, side
from tests.parity.initial import default, truncated
from tests.parity.timm import begin, finish, top_of
from vitgraph import build_mvit_v2

CFG = {
    "depths": ("depths", (2, 3, 16, 3)),
    "mlp_ratio": ("mlp_ratio", 4.0),
    "expand_attn": ("expand_attn", True),
    "qkv_bias": ("qkv_bias", True),
    "use_cls_token": ("class_token", False),
    "use_abs_pos": ("pos_embed", False),
    "residual_pooling": ("residual_pooling", True),
    "mode": ("qkv_pool", "conv"),
    "norm_eps": ("norm_eps", 1e-6),
}


def mvit_v2(config, image_shape, weights):
    kwargs, ours = begin(config, {"global_pool": "global_pool"})
    kwargs.pop("img_size", None)
    cfg = kwargs.pop("cfg")
    cfg = dict(cfg.get("kwargs", {}) if "$call" in cfg else cfg)
    ours.update({mine: cfg.pop(theirs, default) for theirs, (mine, default) in CFG.items()})
    stages = len(ours["depths"])
    for theirs, mine, first in (("embed_dim", "dims", 96), ("num_heads", "num_heads", 1)):
        value = cfg.pop(theirs, first)
        ours[mine] = scaled(value, 2, stages) if isinstance(value, int) else value
    ours["kernel_size"] = side(cfg.pop("kernel_qkv", (3, 3)))
    ours["q_strides"] = [side(s) for s in cfg.pop("stride_q", ((1, 1), (2, 2), (2, 2), (2, 2)))]
    ours["kv_strides"] = kv_strides(cfg, ours["q_strides"])
    ours["patch_size"] = side(cfg.pop("patch_kernel", (7, 7)))
    ours["patch_stride"] = side(cfg.pop("patch_stride", (4, 4)))
    assert side(cfg.pop("patch_padding", (3, 3))) == ours["patch_size"] // 2
    ours["rel_pos"] = cfg.pop("rel_pos_type", "spatial") == "spatial"
    for without_effect in ("pool_type", "act_layer"):
        cfg.pop(without_effect, None)
    if cfg.pop("norm_layer", "layernorm") != "layernorm" or cfg.pop("pool_first", False):
        raise NotImplementedError("norm_layer or pool_first")
    finish({**cfg, **kwargs})
    top = top_of(ours, pooling=ours.get("global_pool") or ("token" if ours["class_token"] else "avg"))
    model = build_mvit_v2(image_shape, **top, **ours)
    prefix, stride, features = int(ours["class_token"]), ours["patch_stride"], {}
    for i, stage in enumerate(model.stages):
        stride = ours["patch_stride"] * math.prod(ours["q_strides"][: i + 1])
        grid = [-(-n // stride) for n in image_shape[:2]]
        features[f"features/{i}"] = (stage.name, tokens_as_map(1, *grid) if prefix else channels_first)
    return Port(
        model,
        "mvit_v2/timm",
        {
            **features,
            "forward_features": ("norm", same if prefix else as_tokens),
            "pre_logits": ("pool", same),
            "logits": ("predictions" if top["include_top"] else "pool", same),
        },
    )


def kv_strides(cfg, q_strides):
    """Of each stage; unless they are given, they shrink as the map does."""
    given, current = cfg.pop("stride_kv", None), cfg.pop("stride_kv_adaptive", (4, 4))
    if given:
        return [side(s) for s in given]
    strides, current = [], side(current)
    for stride in q_strides:
        current = max(current // stride, 1)
        strides.append(current)
    return strides


PARAMETERS = {
    "mvitv2_base": 51_472_744,
    "mvitv2_base_cls": 51_472_840,
    "mvitv2_huge_cls": 666_879_912,
    "mvitv2_large": 217_992_952,
    "mvitv2_large_cls": 213_635_512,
    "mvitv2_small": 34_870_216,
    "mvitv2_small_cls": 34_870_312,
    "mvitv2_tiny": 24_173_320,
}

INITIAL = {"mvitv2_tiny": {r"(patch_embed|.*_pool)/kernel": default, ".*": truncated(0.02)}}

TRANSLATIONS = {"timm.models.mvitv2.MultiScaleVit": mvit_v2}
