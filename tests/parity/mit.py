"""SegFormer's encoder of the transformers library -> ours."""

from tests.parity import Port, channels_first, same
from tests.parity.timm import activation_of, finish
from vitgraph import build_mit

MIT = {
    "depths": "depths",
    "sr_ratios": "sr_ratios",
    "hidden_sizes": "dims",
    "patch_sizes": "kernel_sizes",
    "strides": "strides",
    "num_attention_heads": "num_heads",
    "mlp_ratios": "mlp_ratios",
    "num_labels": "num_classes",
}
WITHOUT_EFFECT = (  # on the answers of a classifier
    "num_channels",
    "num_encoder_blocks",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "classifier_dropout_prob",
    "drop_path_rate",
    "initializer_range",
    "layer_norm_eps",  # all norms have PyTorch's 1e-5
    "decoder_hidden_size",
    "semantic_loss_ignore_index",
    "reshape_last_stage",
)


def mit(config, image_shape, weights):
    kwargs = {key: value for key, value in config["kwargs"].items() if key not in WITHOUT_EFFECT}
    ours = {mine: kwargs.pop(theirs) for theirs, mine in MIT.items() if theirs in kwargs}
    ours["act"] = activation_of(kwargs.pop("hidden_act", "gelu"))
    finish(kwargs)
    model = build_mit(image_shape, classifier_activation=None, norm_eps=1e-5, **{"num_classes": 2, **ours})
    outputs = {f"features/{i}": (stage.name, channels_first) for i, stage in enumerate(model.stages)}
    return Port(model, "mit/transformers", {**outputs, "logits": ("predictions", same)})


PARAMETERS = {
    "mit_b0": 3_576_392,
    "mit_b1": 13_664_424,
    "mit_b2": 24_709_288,
    "mit_b3": 44_585_128,
    "mit_b4": 61_355_688,
    "mit_b5": 81_956_008,
}

TRANSLATIONS = {"transformers.SegformerForImageClassification": mit}
