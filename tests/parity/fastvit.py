"""timm's FastViT -> ours."""

import vitgraph
from tests.parity import Port, channels_first, same
from tests.parity.initial import default, normal
from tests.parity.timm import activation_of, bare_name, begin, finish, top_of
from vitgraph import build_fastvit

NAMES = {
    "layers": "depths",
    "token_mixers": "token_mixers",
    "embed_dims": "dims",
    "mlp_ratios": "mlp_ratios",
    "downsamples": "downsamples",
    "se_downsamples": "embed_se",
    "repmixer_kernel_size": "mixer_kernel_size",
    "down_patch_size": "embed_kernel_size",
    "layer_scale_init_value": "init_values",
    "lkc_use_act": "embed_act",
    "stem_use_scale_branch": "stem_scale",
    "cls_ratio": "last_ratio",
}


def fastvit(config, image_shape, weights):
    kwargs, ours = begin(config, NAMES)
    stages = len(ours.get("depths", (2, 2, 6, 2)))
    for name in ("dims", "token_mixers", "mlp_ratios", "downsamples", "embed_se"):
        if name in ours:
            ours[name] = ours[name][:stages]
    encodings = kwargs.pop("pos_embs", (None,) * 4)[:stages]
    ours["pos_kernel_sizes"] = [side(encoding) for encoding in encodings]
    ours["act"] = activation_of(kwargs.pop("act_layer", "gelu"))
    norm, options = bare_name(kwargs.pop("norm_layer", "BatchNorm2d"))
    ours["attn_norm"] = {"BatchNorm2d": "batch", "LayerNorm2d": "layer"}[norm]
    ours["norm_eps"] = options.get("eps", 1e-5 if norm == "BatchNorm2d" else 1e-6)
    pool, merged = kwargs.pop("global_pool", "avg"), kwargs.pop("inference_mode", False)
    if kwargs.pop("down_stride", 2) != 2 or kwargs.pop("fork_feat", False):
        raise NotImplementedError("down_stride or fork_feat")
    finish(kwargs)
    top = top_of(ours, pooling=pool)
    if top["include_top"] and pool != "avg":
        raise NotImplementedError(f"global_pool={pool!r} before a head")
    model = build_fastvit(image_shape, **top, **ours)
    model = vitgraph.reparameterize(model) if merged else model
    return Port(
        model,
        "fastvit/timm",
        {
            **{f"features/{i}": (stage.name, channels_first) for i, stage in enumerate(model.stages)},
            "forward_features": ("last_act", channels_first),
            "pre_logits": ("pool", same),
            "logits": ("predictions" if top["include_top"] else "pool", same),
        },
    )


def side(encoding):
    """The side of the kernel of a position encoding, or None."""
    if encoding is None:
        return None
    name, options = bare_name(encoding)
    assert name == "RepConditionalPosEnc" and not set(options) - {"spatial_shape"}
    shape = options.get("spatial_shape", 7)
    sides = {shape} if isinstance(shape, int) else set(shape)
    if len(sides) != 1:
        raise NotImplementedError(f"spatial_shape={shape}")
    return sides.pop()


PARAMETERS = {
    "fastvit_ma36": 44_068_004,
    "fastvit_mci0": 11_907_176,
    "fastvit_mci1": 22_041_832,
    "fastvit_mci2": 36_440_360,
    "fastvit_mci3": 125_948_584,
    "fastvit_mci4": 322_735_336,
    "fastvit_s12": 9_473_576,
    "fastvit_sa12": 11_580_968,
    "fastvit_sa24": 21_554_216,
    "fastvit_sa36": 31_527_464,
    "fastvit_t8": 4_026_232,
    "fastvit_t12": 7_553_704,
}

INITIAL = {
    "fastvit_sa12": {
        r".*_(attn_qkv|attn_proj|mlp_fc\d|mlp_conv)/kernel": normal(0.02),
        "head/kernel": normal(0.02),
        r".*/kernel": default,
    }
}

TRANSLATIONS = {"timm.models.fastvit.FastVit": fastvit}
