"""Who is measured: each function builds a net with random weights, and nothing that is random in training.

Each takes the published name; the side of the images in pixels, None for the net's own; and the head's activation,
"softmax" or None. The dtype is Keras' global policy.
"""

import importlib
import importlib.metadata
import os
import warnings

GOALS = (
    "vit_small_patch16_224",
    "deit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224",
    "swinv2_tiny_window8_256",
    "pvt_v2_b0",
    "pvt_v2_b2",
    "cvt_13_224",
    "twins_svt_small",
    "levit_256",
    "mobilevit_s",
    "cait_xxs24_224",
    "pit_s_224",
)
"""The models of the goals, for `--models goals`."""

OPENVINO = ("openvino", "openvino_int8")
INFERENCE_ONLY = ("graph_as_written", "graph_folded", "xla_folded", "jax_folded", "frozen", *OPENVINO)
"""Modes that training doesn't have."""

MODES = {
    "vitgraph": ("graph", "xla", "jax", "torch", "xla_native", *INFERENCE_ONLY),
    "timm": ("eager", "compile", *OPENVINO),
    "kecam": ("graph", "graph_as_written", "xla"),
    "zeromodels": ("graph", "graph_as_written", "xla", "jax", "torch", *OPENVINO),
    "keras_hub": ("graph", "graph_as_written", "xla", "jax", "torch", *OPENVINO),
}
"""The modes of each candidate: ways to run that the frameworks themselves have.

"graph" is a `tf.function`, "xla" a compiled one, "jax" a `jax.jit`, "torch" Keras' PyTorch backend, "eager" and
"compile" PyTorch's own. For inference there is also "graph_as_written", in which TensorFlow doesn't reorder arithmetic.
Ours are also "xla_native", with the native depthwise convolution, and "..._folded", for inference with batch norms
folded, and "frozen", by `vitgraph.export.freeze`. "openvino" is OpenVINO's runtime on what each package's users can
bring there in a call: ours by `vitgraph.export.to_openvino`, Keras nets by Keras' exporter, timm's by OpenVINO's own
converter; "openvino_int8" is the same, quantised by NNCF.
"""

PEERS = tuple(name for name in MODES if name != "vitgraph")

EQUIVALENT = {"graph": "eager", "graph_as_written": "eager", "xla": "compile", "jax": "compile", "torch": "eager"}
"""What a mode asked for means for a candidate on plain PyTorch."""

PACKAGES = {"kecam": "keras_cv_attention_models"}
"""What is imported, where that isn't the candidate's name."""

DISTRIBUTIONS = {"keras_hub": "keras-hub"}
"""What is installed, where that isn't the candidate's name."""

_SMALL = {"embed_dim": 384, "depth": 12, "num_heads": 6}
_TINY = {"embed_dim": 192, "depth": 12, "num_heads": 3}
_VIT = {"patch_size": 16, "input_shape": (224, 224, 3)}
_LARGE = {"embed_dim": 1024, "depth": 24, "num_heads": 16}

KECAM = {  # published name: module, function, arguments
    "deit_tiny_patch16_224": ("beit", "ViT", {**_TINY, **_VIT}),  # DeiT's net without its second token
    "levit_256": ("levit", "LeViT256", {"use_distillation": True}),
    "levit_384": ("levit", "LeViT384", {"use_distillation": True}),
    "mobilevit_s": ("mobilevit", "MobileViT_S", {}),
    "mobilevitv2_100": ("mobilevit", "MobileViT_V2_100", {}),
    "mobilevitv2_200": ("mobilevit", "MobileViT_V2_200", {}),
    "pvt_v2_b0": ("pvt", "PVT_V2B0", {}),
    "pvt_v2_b2": ("pvt", "PVT_V2B2", {}),
    "pvt_v2_b5": ("pvt", "PVT_V2B5", {}),
    "swinv2_tiny_window8_256": ("swin_transformer_v2", "SwinTransformerV2Tiny_window8", {}),
    "swinv2_large_window12_192": ("swin_transformer_v2", "SwinTransformerV2Large_window12", {}),
    "vit_small_patch16_224": ("beit", "ViT", {**_SMALL, **_VIT}),
    "vit_base_patch16_224": ("beit", "ViT", {**_VIT}),
    "vit_large_patch16_224": ("beit", "ViT", {**_LARGE, **_VIT}),
}
ZEROMODELS = {  # published name: module, class, arguments
    "cait_xxs24_224": ("cait", "CaiTImageClassify", {}),
    "deit_tiny_patch16_224": ("deit", "DeiTImageClassify", {}),
    "levit_256": (
        "levit",
        "LevitImageClassify",
        {"hidden_sizes": (256, 384, 512), "num_attention_heads": (4, 6, 8), "key_dim": (32, 32, 32)},
    ),
    "mobilevit_s": ("mobilevit", "MobileViTImageClassify", {}),
    "mobilevitv2_100": ("mobilevitv2", "MobileViTV2ImageClassify", {}),
    "pit_s_224": ("pit", "PiTImageClassify", {"embed_dim": (144, 288, 576), "heads": (3, 6, 12)}),
    "pvt_tiny": ("pvt", "PvtImageClassify", {}),
    "pvt_v2_b0": ("pvt_v2", "PvtV2ImageClassify", {}),
    "pvt_v2_b2": ("pvt_v2", "PvtV2ImageClassify", {"hidden_sizes": (64, 128, 320, 512), "depths": (3, 4, 6, 3)}),
    "swin_tiny_patch4_window7_224": ("swin", "SwinImageClassify", {"drop_path_rate": 0.0}),
    "swin_base_patch4_window7_224": (
        "swin",
        "SwinImageClassify",
        {"embed_dim": 128, "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32), "drop_path_rate": 0.0},
    ),
    "swin_large_patch4_window12_384": (
        "swin",
        "SwinImageClassify",
        {
            "embed_dim": 192,
            "depths": (2, 2, 18, 2),
            "num_heads": (6, 12, 24, 48),
            "window_size": 12,
            "pretrain_size": 384,
            "image_size": 384,
            "drop_path_rate": 0.0,
        },
    ),
    "swinv2_tiny_window8_256": ("swinv2", "SwinV2ImageClassify", {"drop_path_rate": 0.0}),
    "vit_small_patch16_224": ("vit", "ViTImageClassify", {"embed_dim": 384, "num_heads": 6}),
    "vit_base_patch16_224": ("vit", "ViTImageClassify", {}),
    "vit_large_patch16_224": ("vit", "ViTImageClassify", {**_LARGE}),
}
_HUB_VIT = {"image_shape": (224, 224, 3), "patch_size": 16}
_HUB_SWIN = {"image_shape": (224, 224, 3), "window_size": 7, "drop_path": 0.0}
KERAS_HUB = {  # published name: the name that backbone and classifier begin with, the backbone's arguments
    "deit_tiny_patch16_224": (
        "ViT",  # their DeiT always has the second token
        {**_HUB_VIT, "num_layers": 12, "num_heads": 3, "hidden_dim": 192, "mlp_dim": 768},
    ),
    "swin_tiny_patch4_window7_224": (
        "SwinTransformer",
        {**_HUB_SWIN, "embed_dim": 96, "depths": (2, 2, 6, 2), "num_heads": (3, 6, 12, 24)},
    ),
    "swin_base_patch4_window7_224": (
        "SwinTransformer",
        {**_HUB_SWIN, "embed_dim": 128, "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32)},
    ),
    "vit_small_patch16_224": (
        "ViT",
        {**_HUB_VIT, "num_layers": 12, "num_heads": 6, "hidden_dim": 384, "mlp_dim": 1536},
    ),
    "vit_base_patch16_224": (
        "ViT",
        {**_HUB_VIT, "num_layers": 12, "num_heads": 12, "hidden_dim": 768, "mlp_dim": 3072},
    ),
    "vit_large_patch16_224": (
        "ViT",
        {**_HUB_VIT, "num_layers": 24, "num_heads": 16, "hidden_dim": 1024, "mlp_dim": 4096},
    ),
}


def check_published(name):
    """Raises a ValueError that names the nearest ones if none of our published variants has that name."""
    _registry().variant(name)


def _registry():
    """`vitgraph.registry`, imported without a backend that would take an accelerator's memory."""
    before = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = "numpy"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gradients pass through in that backend
            return importlib.import_module("vitgraph.registry")
    finally:
        os.environ.pop("KERAS_BACKEND")
        if before is not None:
            os.environ["KERAS_BACKEND"] = before


def largest():
    """The published variant of every builder that has the most parameters, by name."""
    registry, found = _registry(), {}
    counts = importlib.import_module("tests.parity").parameters()
    for name in registry.list_models():
        builder, _ = registry.variant(name)
        found[builder] = max(found.get(builder, name), name, key=counts.__getitem__)
    return sorted(found.values())


def modes(candidate, asked, task="inference"):
    """The candidate's modes among those asked for, but for those that the task doesn't have."""
    wanted = {EQUIVALENT.get(mode, mode) if candidate == "timm" else mode for mode in asked}
    without = INFERENCE_ONLY if task == "training" else ()
    return [mode for mode in MODES[candidate] if mode in wanted and mode not in without]


def load(candidate, framework, mode=""):
    """Imports the candidate's package: ["name version", ...] of it and of what it computes with."""
    importlib.import_module(PACKAGES.get(candidate, candidate))
    if candidate == "vitgraph":
        own = f"vitgraph {importlib.import_module('vitgraph').__version__}"
    else:
        own = f"{candidate} {importlib.metadata.version(DISTRIBUTIONS.get(candidate, candidate))}"
    keras = {"timm": (), "kecam": ("tf_keras",)}.get(candidate, ("keras",))
    runtime = ("openvino",) if mode in OPENVINO else ()
    return [own, *(f"{name} {importlib.metadata.version(name)}" for name in (*keras, framework, *runtime))]


def vitgraph(name, size, activation):
    """Ours: a `keras.Model`."""
    from vitgraph import create

    shape = {"input_shape": (size, size, 3)} if size else {}
    return create(name, classifier_activation=activation, **shape)


def kecam(name, size, activation):
    """keras_cv_attention_models', which needs `tf_keras` and TF_USE_LEGACY_KERAS=1: a `tf_keras.Model`."""
    package = importlib.import_module(PACKAGES["kecam"])
    module, function, arguments = known(KECAM, name)
    shape = {"input_shape": (size, size, 3)} if size else {}
    build = getattr(getattr(package, module), function)
    model = build(pretrained=None, classifier_activation=activation, **{**arguments, **shape})
    if len(model.outputs) == 1:
        return model
    import tf_keras

    return tf_keras.Model(model.inputs, tf_keras.layers.Average()(model.outputs))  # as everybody else's two heads


def zeromodels(name, size, activation):
    """ZeroModels': a `keras.Model`."""
    module, function, arguments = known(ZEROMODELS, name)
    shape = {"image_size": size} if size else {}
    build = getattr(importlib.import_module(f"zeromodels.models.{module}"), function)
    return build(**{**arguments, **shape}, classifier_activation=activation or "linear")


def keras_hub(name, size, activation):
    """keras-hub's: a `keras.Model`."""
    from keras_hub import models

    family, arguments = known(KERAS_HUB, name)
    shape = {"image_shape": (size, size, 3)} if size else {}
    backbone = getattr(models, f"{family}Backbone")(**{**arguments, **shape})
    return getattr(models, f"{family}ImageClassifier")(backbone, num_classes=1000, activation=activation)


def timm(name, size, activation):
    """timm's: a `torch.nn.Module`."""
    import timm
    import torch

    model = timm.create_model(name, drop_path_rate=0.0, **({"img_size": size} if size else {}))
    return torch.nn.Sequential(model, torch.nn.Softmax(-1)) if activation else model


def known(table, name):
    """The table's row.

    Raises:
        LookupError: the package hasn't that net.
    """
    if name not in table:
        raise LookupError(f"no {name}")
    return table[name]


def parameters(network):
    """Number of weights, those that don't train included, as Keras counts; of a PyTorch module its parameters."""
    if hasattr(network, "count_params"):
        return int(network.count_params())
    return sum(p.numel() for p in network.parameters())


def rates(network):
    """Names of the parts that are random in training: dropout, stochastic depth."""
    if hasattr(network, "count_params"):
        parts = [(layer.name, layer) for layer in network._flatten_layers()]
    else:
        parts = network.named_modules()
    return [name for name, part in parts if any(_above_zero(part, key) for key in ("rate", "drop", "p", "drop_prob"))]


def _above_zero(part, key):
    value = getattr(part, key, 0)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
