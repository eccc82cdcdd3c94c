"""CCT, CVT and ViT-Lite of the official repository, and vit-pytorch's CCT -> ours."""

from tests.parity import Port, same
from tests.parity.official import no_more
from vitgraph import build_cct, build_vit_lite

TRANSFORMER = {
    "embedding_dim": "dim",
    "num_layers": "depth",
    "num_heads": "num_heads",
    "mlp_ratio": "mlp_ratio",
    "num_classes": "num_classes",
}
TOKENIZER = {
    "n_conv_layers": "num_conv_layers",
    "kernel_size": "kernel_size",
    "stride": "stride",
    "padding": "padding",
    "pooling_kernel_size": "pooling_kernel_size",
    "pooling_stride": "pooling_stride",
    "pooling_padding": "pooling_padding",
}
PATCHES = {"kernel_size": "patch_size"}
POSITIONS = {"learnable": "learn", "none": "none"}
RATES = ("dropout", "attention_dropout", "stochastic_depth", "dropout_rate", "stochastic_depth_rate")

BASE = {"embedding_dim": 768, "mlp_ratio": 4.0, "num_classes": 1000}
OFFICIAL = {**BASE, "num_layers": 14, "num_heads": 6, "positional_embedding": "learnable"}
LUCID = {**BASE, "num_layers": 12, "num_heads": 12, "positional_embedding": "sine"}
ONE_CONVOLUTION = {"n_conv_layers": 1, "kernel_size": 7, "stride": 2, "padding": 3}


def official_cct(config, image_shape, weights):
    return _port(build_cct, {**OFFICIAL, **ONE_CONVOLUTION, **config}, TOKENIZER, image_shape)


def lucid_cct(config, image_shape, weights):
    return _port(build_cct, {**LUCID, **ONE_CONVOLUTION, **config}, TOKENIZER, image_shape)


def official_compact_cvt(config, image_shape, weights):
    config = {**OFFICIAL, "kernel_size": 16, **config}
    return _port(build_vit_lite, config, PATCHES, image_shape, class_token=False)


def official_vit_lite(config, image_shape, weights):
    return _port(build_vit_lite, {**OFFICIAL, "kernel_size": 16, **config}, PATCHES, image_shape)


def _port(build, config, tokenizer, image_shape, **ours):
    names = {**TRANSFORMER, **tokenizer}
    no_more(config, (*names, *RATES, "positional_embedding", "img_size", "n_input_channels"))
    ours.update({mine: config[theirs] for theirs, mine in names.items() if theirs in config})
    ours["pos_embed"] = POSITIONS.get(config["positional_embedding"], "sine")  # theirs for whatever they don't know
    model = build(image_shape, classifier_activation=None, **ours)
    outputs = {f"features/{i}": (stage.name, same) for i, stage in enumerate(model.stages)}
    outputs.update({"features/tokens": ("tokens", same), "logits": ("predictions", same)})
    return Port(model, "cct/official_sine" if ours["pos_embed"] == "sine" else "cct/official", outputs)


TRANSLATIONS = {
    "official_cct": official_cct,
    "official_compact_cvt": official_compact_cvt,
    "official_vit_lite": official_vit_lite,
    "lucid_cct": lucid_cct,
}
