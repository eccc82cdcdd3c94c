"""timm's LeViT, with one head or two -> ours."""

from tests.parity import Port, as_tokens, channels_first, same
from tests.parity.timm import activation_of, begin, finish, hierarchical, top_of
from vitgraph import build_levit

LEVIT = {"embed_dim": "dims", "key_dim": "key_dim", "depth": "depths", "num_heads": "num_heads"}


def levit(config, image_shape, weights, distilled=False):
    kwargs, ours = begin(config, LEVIT)
    kwargs = {key: value for key, value in kwargs.items() if key not in ("img_size", "stem_stride")}
    ours = {"dims": (192,), "key_dim": 64, "depths": (12,), "num_heads": (3,), **ours}
    ours["attn_ratios"], ours["mlp_ratios"] = kwargs.pop("attn_ratio", 2.0), kwargs.pop("mlp_ratio", 2.0)
    for name in ("num_heads", "attn_ratios", "mlp_ratios"):
        if isinstance(ours[name], (int, float)):
            ours[name] = (ours[name],) * len(ours["dims"])
    ours["stem_stride"] = {"s16": 16, "s8": 8}[kwargs.pop("stem_type", "s16")]
    ours["act"] = activation_of(kwargs.pop("act_layer", "hard_swish"))
    attn_act = kwargs.pop("attn_act_layer", None)
    ours["attn_act"] = attn_act and activation_of(attn_act)
    as_maps, pool = kwargs.pop("use_conv", False), kwargs.pop("global_pool", "avg")
    assert kwargs.pop("stem_backbone", None) is None
    assert kwargs.pop("down_op", "subsample")  # anything but an empty string, it makes no difference
    finish(kwargs)
    top = top_of(ours, pooling=pool or None)
    model = build_levit(image_shape, distilled=distilled, **top, **ours)
    last, layout = model.stages[-1].name, channels_first if as_maps else as_tokens
    outputs = hierarchical(model, last, layout)
    if not pool:
        outputs["pre_logits"] = outputs["logits"] = (last, layout)
    if top["include_top"] and distilled:
        outputs["logits_cls"], outputs["logits_dist"] = ("head", same), ("head_dist", same)
    return Port(model, "levit/timm", outputs)


def levit_distilled(config, image_shape, weights):
    return levit(config, image_shape, weights, distilled=True)


PARAMETERS = {
    "levit_128": 9_213_936,
    "levit_128s": 7_777_058,
    "levit_192": 10_947_069,
    "levit_256": 18_893_876,
    "levit_256d": 26_210_788,
    "levit_384": 39_128_836,
    "levit_384_s8": 39_118_960,
    "levit_512": 95_173_700,
    "levit_512_s8": 74_046_696,
    "levit_512d": 92_497_538,
    "levit_conv_128": 9_213_936,
    "levit_conv_128s": 7_777_058,
    "levit_conv_192": 10_947_069,
    "levit_conv_256": 18_893_876,
    "levit_conv_256d": 26_210_788,
    "levit_conv_384": 39_128_836,
    "levit_conv_384_s8": 39_118_960,
    "levit_conv_512": 95_173_700,
    "levit_conv_512_s8": 74_046_696,
    "levit_conv_512d": 92_497_538,
}

TRANSLATIONS = {
    "timm.models.levit.Levit": levit,
    "timm.models.levit.LevitDistilled": levit_distilled,
}
