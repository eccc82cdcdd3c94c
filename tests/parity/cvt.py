"""CvT of the official repository -> ours."""

from tests.parity import Port, channels_first, initial, same, tokens_as_map
from tests.parity.official import no_more
from vitgraph import build_cvt

SPEC = {
    "PATCH_SIZE": "kernel_sizes",
    "PATCH_STRIDE": "strides",
    "PATCH_PADDING": "paddings",
    "DIM_EMBED": "dims",
    "DEPTH": "depths",
    "NUM_HEADS": "num_heads",
    "MLP_RATIO": "mlp_ratios",
    "CLS_TOKEN": "class_token",
    "QKV_BIAS": "qkv_bias",
    "QKV_PROJ_METHOD": "qkv_method",
    "KERNEL_QKV": "kernel_qkv",
    "STRIDE_KV": "stride_kv",
    "PADDING_KV": "padding_kv",
    "STRIDE_Q": "stride_q",
    "PADDING_Q": "padding_q",
    "DROP_RATE": "proj_drop_rate",
    "ATTN_DROP_RATE": "attn_drop_rate",
    "DROP_PATH_RATE": "drop_path_rate",
}
WITHOUT_EFFECT = ("POS_EMBED", "INIT")  # the first is read by nothing, the second before training only


def official_cvt(config, image_shape, weights):
    no_more(config, ("num_classes", "act_layer", "norm_eps", "spec", "in_chans", "init"))
    spec = dict(config["spec"])
    stages = spec.pop("NUM_STAGES")
    no_more(spec, (*SPEC, *WITHOUT_EFFECT))
    ours = {mine: spec[theirs][:stages] for theirs, mine in SPEC.items()}
    ours["pos_drop_rate"] = ours["proj_drop_rate"]
    model = build_cvt(
        image_shape,
        num_classes=config.get("num_classes", 1000),
        classifier_activation=None,
        act=config.get("act_layer", "gelu"),
        norm_eps=config.get("norm_eps", 1e-5),
        **ours,
    )
    outputs = {"logits": ("predictions", same)}
    for i, stage in enumerate(model.stages):
        outputs[f"features/{i}/map"] = (stage.name, channels_first)
        if stage.prefix:
            grid = model.get_layer(stage.grid).output.shape[1:3]
            outputs[f"features/{i}/map"] = (stage.name, tokens_as_map(1, *grid))
            outputs[f"features/{i}/cls"] = (stage.name, lambda x: x[:, :1])
    return Port(model, "cvt/official", outputs)


INITIAL = {"cvt_13_224": initial.VIT}

PARAMETERS = {
    "cvt_13_224": 19_997_480,
    "cvt_13_384": 19_997_480,
    "cvt_21_224": 31_622_696,
    "cvt_21_384": 31_622_696,
    "cvt_w24_384": 277_196_392,
}

TRANSLATIONS = {"official_cvt": official_cvt}
