"""timm's PiT -> ours."""

from tests.parity import Port, same, tokens_as_map
from tests.parity.timm import begin, finish, top_of
from vitgraph import build_pit

PIT = {"patch_size": "patch_size", "stride": "stride", "distilled": "distilled"}


def pit(config, image_shape, weights):
    kwargs, ours = begin(config, PIT)
    kwargs.pop("img_size", None)
    heads = kwargs.pop("heads", (2, 4, 8))
    widths = zip(kwargs.pop("base_dims", (48, 48, 48)), heads, strict=True)
    ours.update(num_heads=heads, dims=[dim * n for dim, n in widths], depths=kwargs.pop("depth", (2, 6, 4)))
    ours["mlp_ratios"] = (kwargs.pop("mlp_ratio", 4),) * len(heads)
    if kwargs.pop("stem_type", "overlap") != "overlap" or kwargs.pop("global_pool", "token") != "token":
        raise NotImplementedError("PiT with another stem or without token pooling")
    finish(kwargs)

    top = top_of(ours, pooling="token")
    model = build_pit(image_shape, **top, **ours)
    prefix = model.stages[0].prefix
    names = {layer.name for layer in model.layers}
    outputs = {
        "forward_features": ("fc_norm", same),
        "pre_logits": ("fc_norm", lambda x: x.mean(axis=1)),
        "logits": (model.layers[-1].name, same),
    }
    if {"head", "head_dist"} <= names:
        outputs.update(logits_cls=("head", same), logits_dist=("head_dist", same))
    for i, stage in enumerate(model.stages):
        grid = model.get_layer(stage.grid).output.shape[1:3]
        outputs[f"features/{i}"] = (stage.name, tokens_as_map(prefix, *grid))
    return Port(model, "pit/timm", outputs)


PARAMETERS = {
    "pit_b_224": 73_764_840,
    "pit_b_distilled_224": 74_790_096,
    "pit_s_224": 23_461_912,
    "pit_s_distilled_224": 24_039_056,
    "pit_ti_224": 4_847_272,
    "pit_ti_distilled_224": 5_104_336,
    "pit_xs_224": 10_618_888,
    "pit_xs_distilled_224": 11_003_984,
}

TRANSLATIONS = {"timm.models.pit.PoolingVisionTransformer": pit}
