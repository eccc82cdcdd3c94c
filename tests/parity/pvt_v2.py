"""PVT v2 of timm and of the official repository -> ours."""

from tests.parity import Port, as_tokens, channels_first, same
from tests.parity.official import no_more
from tests.parity.timm import begin, finish, hierarchical, norm_of, top_of
from vitgraph import build_pvt_v2

PVT_V2 = {
    "embed_dims": "dims",
    "depths": "depths",
    "num_heads": "num_heads",
    "sr_ratios": "sr_ratios",
    "mlp_ratios": "mlp_ratios",
    "qkv_bias": "qkv_bias",
    "linear": "linear",
}


def timm_pvt_v2(config, image_shape, weights):
    kwargs, ours = begin(config, PVT_V2)
    kwargs.pop("img_size", None)
    ours.update(norm_of(kwargs.pop("norm_layer", None), 1e-6))
    assert kwargs.pop("global_pool", "avg") == "avg"
    finish(kwargs)
    model = build_pvt_v2(image_shape, **top_of(ours, pooling="avg"), **ours)
    return Port(model, "pvt_v2/timm", hierarchical(model, model.stages[-1].name, channels_first))


def official_pvt_v2(config, image_shape, weights):
    config = dict(config)
    names = {"embed_dims": "dims"}
    kept = ("num_classes", "num_heads", "mlp_ratios", "qkv_bias", "norm_eps", "depths", "sr_ratios", "linear")
    ours = {names.get(k, k): v for k, v in config.items() if k in kept or k in names}
    no_more(config, (*kept, *names, "img_size", "patch_size"))
    model = build_pvt_v2(image_shape, classifier_activation=None, **ours)
    outputs = {f"features/{i}": (stage.name, as_tokens) for i, stage in enumerate(model.stages)}
    return Port(model, "pvt_v2/official", {**outputs, "logits": ("predictions", same)})


PARAMETERS = {
    "pvt_v2_b0": 3_666_760,
    "pvt_v2_b1": 14_009_000,
    "pvt_v2_b2": 25_362_856,
    "pvt_v2_b2_li": 22_553_512,
    "pvt_v2_b3": 45_238_696,
    "pvt_v2_b4": 62_556_072,
    "pvt_v2_b5": 81_956_008,
}

TRANSLATIONS = {
    "timm.models.pvt_v2.PyramidVisionTransformerV2": timm_pvt_v2,
    "official_pvt_v2": official_pvt_v2,
}
