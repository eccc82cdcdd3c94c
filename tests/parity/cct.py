"""CCT, CVT and ViT-Lite of the official repository, and vit-pytorch's CCT -> ours."""

from tests.parity import Port, initial, same
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


INITIAL = {"cct_7_3x1_32": initial.COMPACT, "cvt_7_4_32": initial.COMPACT}

PARAMETERS = {
    "cct_14_7x1_224": 22_339_049,
    "cct_14_7x2_224": 22_367_273,
    "cct_14_7x2_384": 22_513_193,
    "cct_14_7x2_384_fl": 22_513_193,
    "cct_16_7x1_224": 25_295_081,
    "cct_2_3x2_32": 411_433,
    "cct_2_3x2_32_sine": 403_241,
    "cct_2_7x1_224": 748_009,
    "cct_4_3x2_32": 609_833,
    "cct_4_3x2_32_sine": 601_641,
    "cct_4_7x1_224": 946_409,
    "cct_6_3x1_32": 3_488_233,
    "cct_6_3x1_32_sine": 3_422_697,
    "cct_6_3x2_32": 3_581_353,
    "cct_6_3x2_32_sine": 3_564_969,
    "cct_6_7x1_224": 4_256_233,
    "cct_7_3x1_32": 4_014_569,
    "cct_7_3x1_32_c100": 4_014_569,
    "cct_7_3x1_32_sine": 3_949_033,
    "cct_7_3x1_32_sine_c100": 3_949_033,
    "cct_7_3x2_32": 4_107_689,
    "cct_7_3x2_32_sine": 4_091_305,
    "cct_7_7x1_224": 4_782_569,
    "cct_7_7x2_224": 4_804_521,
    "cct_7_7x2_224_sine": 4_754_345,
    "cct_8_7x1_224": 5_308_905,
    "cvt_2_4_32": 342_249,
    "cvt_2_4_32_sine": 334_057,
    "cvt_4_4_32": 540_649,
    "cvt_4_4_32_sine": 532_457,
    "cvt_6_4_32": 3_444_713,
    "cvt_6_4_32_sine": 3_428_329,
    "cvt_7_4_32": 3_971_049,
    "cvt_7_4_32_sine": 3_954_665,
    "vit_2_4_32": 342_376,
    "vit_2_4_32_sine": 334_056,
    "vit_4_4_32": 540_776,
    "vit_4_4_32_sine": 532_456,
    "vit_6_4_32": 3_444_968,
    "vit_6_4_32_sine": 3_428_328,
    "vit_7_4_32": 3_971_304,
    "vit_7_4_32_sine": 3_954_664,
}

TRANSLATIONS = {
    "official_cct": official_cct,
    "official_compact_cvt": official_compact_cvt,
    "official_vit_lite": official_vit_lite,
    "lucid_cct": lucid_cct,
}
