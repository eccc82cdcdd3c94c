"""Who is measured: each function builds a model with random weights and gives a step, images -> scores as numpy.

Modes are the frameworks' own ways to run: "graph" is a `tf.function` (or the backend's plain way), "xla" a compiled
one, "eager" and "compile" are PyTorch's. Ours are also "xla_native", with the native depthwise convolution, and
"..._folded", with their batch norms folded.
"""

import importlib

import numpy as np

MODES = {
    "vitgraph": ("graph", "xla", "xla_native", "graph_folded", "xla_folded"),
    "zeromodels": ("graph", "xla"),
    "kecam": ("graph", "xla"),
    "timm": ("eager", "compile"),
}
"""The modes of each candidate. A plain mode asked for also means what PyTorch has in its place."""

EQUIVALENT = {"graph": "eager", "xla": "compile"}

_SMALL = {"embed_dim": 384, "depth": 12, "num_heads": 6}
_SOFTMAX = {"classifier_activation": "softmax"}

KECAM = {  # published name: module, function, arguments
    "pvt_v2_b0": ("pvt", "PVT_V2B0", {}),
    "pvt_v2_b2": ("pvt", "PVT_V2B2", {}),
    "vit_small_patch16_224": ("beit", "ViT", {**_SMALL, "patch_size": 16, "input_shape": (224, 224, 3)}),
    "swinv2_tiny_window8_256": ("swin_transformer_v2", "SwinTransformerV2Tiny_window8", {}),
    "levit_256": ("levit", "LeViT256", {"use_distillation": False, **_SOFTMAX}),  # one head: two are two outputs
    "mobilevit_s": ("mobilevit", "MobileViT_S", {}),
    "mobilevitv2_100": ("mobilevit", "MobileViT_V2_100", {}),
}
ZEROMODELS = {  # published name: module, class, arguments
    "pvt_tiny": ("pvt", "PvtImageClassify", {}),
    "pvt_v2_b0": ("pvt_v2", "PvtV2ImageClassify", {}),
    "vit_small_patch16_224": ("vit", "ViTImageClassify", {"embed_dim": 384, "num_heads": 6}),
    "swin_tiny_patch4_window7_224": ("swin", "SwinImageClassify", {}),
    "swinv2_tiny_window8_256": ("swinv2", "SwinV2ImageClassify", {}),
    "levit_256": (
        "levit",
        "LevitImageClassify",
        {"hidden_sizes": (256, 384, 512), "num_attention_heads": (4, 6, 8), "key_dim": (32, 32, 32)},
    ),
    "mobilevit_s": ("mobilevit", "MobileViTImageClassify", {}),
    "mobilevitv2_100": ("mobilevitv2", "MobileViTV2ImageClassify", {}),
    "pit_s_224": ("pit", "PiTImageClassify", {"embed_dim": (144, 288, 576), "heads": (3, 6, 12)}),
    "cait_xxs24_224": ("cait", "CaiTImageClassify", {}),
    "deit_tiny_patch16_224": ("deit", "DeiTImageClassify", {}),
}


def modes(candidate, asked):
    """The candidate's modes among those asked for."""
    wanted = {EQUIVALENT[mode] if candidate == "timm" and mode in EQUIVALENT else mode for mode in asked}
    return [mode for mode in MODES[candidate] if mode in wanted]


def vitgraph(name, mode):
    """Ours, on the Keras backend of the environment."""
    from vitgraph import create, fold_batchnorm
    from vitgraph.blocks import convolution

    if mode == "xla_native":
        convolution._under_xla = lambda: False
    model = create(name)
    return keras_step(fold_batchnorm(model) if mode.endswith("folded") else model, mode)


def zeromodels(name, mode):
    """ZeroModels, on the Keras backend of the environment."""
    module, function, arguments = known(ZEROMODELS, name)
    model = getattr(importlib.import_module(f"zeromodels.models.{module}"), function)
    return keras_step(model(**{**arguments, **_SOFTMAX}), mode)


def kecam(name, mode):
    """keras_cv_attention_models, which needs `tf_keras` and TF_USE_LEGACY_KERAS=1."""
    package = importlib.import_module("keras_cv_attention_models")
    module, function, arguments = known(KECAM, name)
    model = getattr(getattr(package, module), function)(pretrained=None, **arguments)
    return model, tensorflow_step(model, mode)


def timm(name, mode):
    """timm on PyTorch, channels last, without gradients."""
    import timm
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = timm.create_model(name).eval().to(device, memory_format=torch.channels_last)
    forward = torch.compile(model) if mode == "compile" else model

    def step(images):
        x = torch.from_numpy(images).permute(0, 3, 1, 2).to(device)  # as a view this is channels last
        with torch.inference_mode():
            return forward(x).softmax(-1).cpu().numpy()

    return model, step


def keras_step(model, mode):
    """(model, step) for a Keras 3 model."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        return model, tensorflow_step(model, mode)
    if backend == "jax":
        import jax

        state = [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]
        forward = jax.jit(lambda images: model.stateless_call(*state, images, training=False)[0])
        return model, lambda images: np.asarray(forward(images))

    import torch

    def step(images):
        with torch.inference_mode():
            return keras.ops.convert_to_numpy(model(images, training=False))

    return model, step


def tensorflow_step(model, mode):
    """images -> scores, as one TensorFlow function."""
    import tensorflow as tf

    forward = tf.function(
        lambda images: model(images, training=False), jit_compile=mode.startswith("xla"), autograph=False
    )
    return lambda images: forward(tf.constant(images)).numpy()


def known(table, name):
    if name not in table:
        raise LookupError(f"no {name}")
    return table[name]
