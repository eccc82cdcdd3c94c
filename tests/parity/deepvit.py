"""DeepViTs of the official repository -> ours."""

import keras

import vitgraph
from tests.parity import Port, initial, same
from tests.parity.official import no_more

NAMES = {
    "patch_size": "patch_size",
    "num_classes": "num_classes",
    "embed_dim": "dim",
    "num_heads": "num_heads",
    "mlp_ratio": "mlp_ratio",
    "qkv_bias": "qkv_bias",
    "qk_scale": "qk_scale",
    "transform_scale": "transform_scale",
    "scale_adjustment": "scale_adjustment",
    "norm_eps": "norm_eps",
}
DEFAULTS = {"embed_dim": 768, "num_heads": 12, "mlp_ratio": 4.0, "qkv_bias": False, "norm_eps": 1e-5}
WITHOUT_EFFECT = (
    "img_size", "in_chans", "drop_rate", "attn_drop_rate", "drop_path_rate", "group", "cos_reg", "depth"
)  # fmt: skip


def official_deepvit(config, image_shape, weights):
    config = {**DEFAULTS, **config}
    no_more(config, (*NAMES, *WITHOUT_EFFECT, "apply_transform", "use_cnn_embed", "re_atten", "hybrid_backbone"))
    if config.get("hybrid_backbone") is not None:
        raise NotImplementedError("DeepViT on another net")
    ours = {mine: config[theirs] for theirs, mine in NAMES.items() if theirs in config}
    ours["apply_transform"] = tuple(map(bool, config["apply_transform"]))
    ours["depth"] = len(ours["apply_transform"])
    ours["qk_scale"] = ours.get("qk_scale") or None  # theirs takes 0 for None
    ours["stem_dim"] = 64 if config.get("use_cnn_embed") else None
    if not config.get("re_atten", True):  # theirs then forgets the scales too
        ours.update(apply_transform=False, scale_adjustment=1.0)
    top: dict = {"classifier_activation": None}
    if not ours.get("num_classes", 1000):  # then the logits are what the head would see
        del ours["num_classes"]
        top = {"include_top": False, "pooling": "token"}

    model = vitgraph.build_deepvit(image_shape, **top, **ours)
    outputs = {"logits": (model.output_names[0], same)}
    for i in range(ours["depth"]):
        outputs[f"features/{i}/x"] = (f"block_{i}", same)
        outputs[f"features/{i}/attn"] = (f"block_{i}_attn_map", same)
    with_maps = keras.Model(model.input, [*model.outputs, *vitgraph.attention(model).outputs])
    return Port(with_maps, "deepvit/official", outputs)


INITIAL = {"deepvit_patch16_224_re_attn_16b": {r".*reatten_matrix/kernel": initial.default, **initial.VIT}}

PARAMETERS = {
    "deepvit_L": 58_883_708,
    "deepvit_L_384": 59_043_308,
    "deepvit_S": 27_312_632,
    "deepvit_patch16_224_re_attn_16b": 24_426_664,
    "deepvit_patch16_224_re_attn_24b": 36_261_448,
    "deepvit_patch16_224_re_attn_32b": 48_096_232,
}

TRANSLATIONS = {"official_deepvit": official_deepvit}
