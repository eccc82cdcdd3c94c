"""timm's CrossViT -> ours."""

import keras
from keras import ops

from tests.parity import Port, same, tokens_as_map
from tests.parity.timm import begin, finish, norm_of
from vitgraph import build_crossvit

CROSSVIT = {
    "img_scale": "img_scales",
    "patch_size": "patch_sizes",
    "embed_dim": "dims",
    "depth": "depths",
    "num_heads": "num_heads",
    "multi_conv": "multi_conv",
    "crop_scale": "crop_scale",
    "qkv_bias": "qkv_bias",
    "global_pool": "global_pool",
}
DEFAULTS = {
    "img_scales": (1.0, 1.0),
    "patch_sizes": (8, 16),
    "dims": (192, 384),
    "depths": ((1, 3, 1), (1, 3, 1), (1, 3, 1)),
    "num_heads": (6, 12),
}


def crossvit(config, image_shape, weights):
    kwargs, ours = begin(config, CROSSVIT)
    kwargs.pop("img_size", None)
    ours = {**DEFAULTS, **ours, "mlp_ratios": kwargs.pop("mlp_ratio", (2.0, 2.0, 4.0))[:2]}  # the third is unused
    ours.update(norm_of(kwargs.pop("norm_layer", None), 1e-6))
    finish(kwargs)
    with_head = ours["num_classes"] > 0
    model = build_crossvit(image_shape, include_top=with_head, classifier_activation=None, **ours)

    normed = [model.get_layer(f"norm_{i}").output for i in (0, 1)]
    mean = ours.get("global_pool") == "avg"
    pooled = [ops.mean(x[:, 1:], axis=1) if mean else x[:, 0] for x in normed]
    pre_logits = keras.layers.Concatenate(name="pre_logits")(pooled)
    model = keras.Model(model.input, [model.output, pre_logits])

    outputs = {"logits": ("predictions" if with_head else "pre_logits", same), "pre_logits": ("pre_logits", same)}
    blocks = len(ours["depths"])
    for i in (0, 1):
        outputs[f"forward_features/{i}"] = (f"norm_{i}", same)
        height, width = model.get_layer(f"pos_embed_{i}").grid
        for k in range(blocks):
            outputs[f"features/{i * blocks + k}"] = (f"block_{k}_branch_{i}", tokens_as_map(1, height, width))
    return Port(model, "crossvit/timm", outputs)


PARAMETERS = {
    "crossvit_15_240": 27_528_464,
    "crossvit_15_dagger_240": 28_209_008,
    "crossvit_15_dagger_408": 28_500_080,
    "crossvit_18_240": 43_271_408,
    "crossvit_18_dagger_240": 44_266_976,
    "crossvit_18_dagger_408": 44_606_560,
    "crossvit_9_240": 8_553_296,
    "crossvit_9_dagger_240": 8_776_592,
    "crossvit_base_240": 105_025_232,
    "crossvit_small_240": 26_856_272,
    "crossvit_tiny_240": 7_014_800,
}

TRANSLATIONS = {"timm.models.crossvit.CrossVit": crossvit}
