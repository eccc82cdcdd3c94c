"""Tiny nets of the transformers library with every weight random, and what they compute beside what ours do."""

import keras
import numpy as np
import torch
import transformers

import vitgraph
from vitgraph.checkpoints import load_weights
from vitgraph.checkpoints.configurations import of_transformers

PLAIN = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40}
SQUARE = {**PLAIN, "image_size": 32, "patch_size": 8}
OTHER = {
    **PLAIN, "image_size": 36, "patch_size": 6, "num_attention_heads": 4, "intermediate_size": 37,
    "qkv_bias": False, "hidden_act": "gelu_new", "layer_norm_eps": 1e-2, "num_channels": 4,
}  # fmt: skip
DINO = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 32, "patch_size": 8}
CLIP = {**SQUARE, "projection_dim": 7}
TEXT = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 9}
SWIN = {
    "image_size": 32, "patch_size": 2, "embed_dim": 12, "depths": [2, 2], "num_heads": [2, 3], "window_size": 4,
}  # fmt: skip
ODD_SWIN = {
    **SWIN, "image_size": 72, "patch_size": 3, "depths": [1, 2, 1], "num_heads": [1, 2, 4], "window_size": 6,
    "mlp_ratio": 2.5, "qkv_bias": False, "use_absolute_embeddings": True,
}  # fmt: skip
ODD_SWIN_V2 = {**ODD_SWIN, "use_absolute_embeddings": False, "hidden_act": "relu", "pretrained_window_sizes": [2, 3, 0]}
PVT = {
    "image_size": 64, "hidden_sizes": [8, 12, 16, 24], "depths": [1, 2, 1, 1], "num_attention_heads": [1, 2, 4, 3],
}  # fmt: skip
ODD_PVT = {
    **PVT, "image_size": 96, "mlp_ratios": [3, 2, 1, 4], "qkv_bias": False, "layer_norm_eps": 1e-5, "num_channels": 2,
}  # fmt: skip
LEVIT = {
    "image_size": 64, "hidden_sizes": [16, 24, 32], "num_attention_heads": [2, 3, 4], "depths": [1, 2, 1],
    "key_dim": [8, 8, 8],
}  # fmt: skip
ODD_LEVIT = {**LEVIT, "image_size": 112, "depths": [2, 1, 2], "attention_ratio": [1, 2, 3], "mlp_ratio": [1, 3, 2]}
MOBILE = {
    "image_size": 64, "hidden_sizes": [12, 16, 20], "neck_hidden_sizes": [4, 8, 8, 16, 16, 24, 32],
}  # fmt: skip
ODD_MOBILE = {
    **MOBILE, "image_size": 96, "num_attention_heads": 2, "mlp_ratio": 1.5, "expand_ratio": 2.0, "qkv_bias": False,
    "hidden_act": "relu", "conv_kernel_size": 5, "layer_norm_eps": 1e-3, "num_channels": 1,
}  # fmt: skip
MOBILE_V2 = {
    "image_size": 64, "width_multiplier": 0.25, "base_attn_unit_dims": [64, 96, 128], "n_attn_blocks": [1, 1, 1],
}  # fmt: skip
ODD_MOBILE_V2 = {
    **MOBILE_V2, "image_size": 128, "width_multiplier": 0.5, "n_attn_blocks": [1, 2, 1], "ffn_multiplier": 1,
    "hidden_act": "gelu", "conv_kernel_size": 5, "base_attn_unit_dims": [48, 64, 32], "expand_ratio": 1.5,
}  # fmt: skip

SEGFORMER = {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 2, 1, 1], "num_attention_heads": [1, 3, 4, 5]}
CVT = {"image_size": 64, "embed_dim": [8, 12, 16], "num_heads": [1, 2, 4], "depth": [1, 2, 3]}

NETS = {  # {type: [(class, arguments of its configuration)]}
    "vit": [
        ("ViTForImageClassification", SQUARE),
        ("ViTModel", OTHER),
        ("ViTForImageClassification", OTHER),
        ("ViTForMaskedImageModeling", {**SQUARE, "encoder_stride": 8}),
        ("ViTForImageClassification", {**SQUARE, "hidden_act": "quick_gelu", "num_labels": 1}),
    ],
    "deit": [
        ("DeiTForImageClassificationWithTeacher", SQUARE),
        ("DeiTForImageClassification", OTHER),
        ("DeiTModel", SQUARE),
        ("DeiTForImageClassificationWithTeacher", OTHER),
        ("DeiTForMaskedImageModeling", {**SQUARE, "encoder_stride": 8}),
    ],
    "beit": [
        ("BeitForImageClassification", {**SQUARE, "use_relative_position_bias": True}),
        (
            "BeitForImageClassification",
            {
                **SQUARE,
                "use_shared_relative_position_bias": True,
                "use_absolute_position_embeddings": True,
                "use_mean_pooling": False,
                "layer_scale_init_value": 0.0,
                "layer_norm_eps": 1e-2,
            },
        ),
        ("BeitModel", {**SQUARE, "use_relative_position_bias": True, "use_shared_relative_position_bias": True}),
        ("BeitModel", {**SQUARE, "use_mean_pooling": False}),
        ("BeitForImageClassification", {**SQUARE, "image_size": 40, "num_attention_heads": 4}),
        ("BeitForMaskedImageModeling", {**SQUARE, "use_shared_relative_position_bias": True, "use_mask_token": True}),
    ],
    "dinov2": [
        ("Dinov2ForImageClassification", DINO),
        ("Dinov2Model", {**DINO, "use_swiglu_ffn": True, "image_size": 40, "qkv_bias": False, "layer_norm_eps": 1e-2}),
        ("Dinov2Model", {**DINO, "mlp_ratio": 3, "hidden_act": "relu", "num_channels": 1}),
        ("Dinov2ForImageClassification", {**DINO, "use_swiglu_ffn": True, "hidden_size": 32, "num_attention_heads": 4}),
    ],
    "dinov2_with_registers": [
        ("Dinov2WithRegistersForImageClassification", DINO),
        ("Dinov2WithRegistersModel", {**DINO, "use_swiglu_ffn": True, "num_register_tokens": 2, "qkv_bias": False}),
        ("Dinov2WithRegistersModel", {**DINO, "num_register_tokens": 1, "mlp_ratio": 2, "hidden_act": "silu"}),
    ],
    "vit_mae": [("ViTMAEModel", {**SQUARE, "mask_ratio": 0.0}), ("ViTMAEModel", {**OTHER, "mask_ratio": 0.0})],
    "clip": [
        ("CLIPVisionModelWithProjection", CLIP),
        ("CLIPForImageClassification", {"vision_config": OTHER | {"hidden_act": "gelu"}, "text_config": TEXT}),
        ("CLIPVisionModel", {**OTHER, "hidden_act": "gelu"}),
        ("CLIPForImageClassification", {"vision_config": SQUARE, "text_config": TEXT}),
    ],
    "siglip": [
        ("SiglipVisionModel", SQUARE),
        ("SiglipForImageClassification", {"vision_config": OTHER, "text_config": TEXT}),
        ("SiglipVisionModel", {**OTHER, "hidden_act": "gelu"}),
        ("SiglipForImageClassification", {"vision_config": SQUARE, "text_config": TEXT}),
    ],
    "swin": [
        ("SwinForImageClassification", SWIN),
        ("SwinModel", ODD_SWIN),
        ("SwinForImageClassification", ODD_SWIN),
        ("SwinForImageClassification", {**SWIN, "image_size": 36, "window_size": 9}),
        ("SwinForMaskedImageModeling", {**SWIN, "encoder_stride": 4}),
    ],
    "swinv2": [
        ("Swinv2ForImageClassification", SWIN),
        ("Swinv2Model", ODD_SWIN_V2),
        ("Swinv2ForImageClassification", ODD_SWIN_V2),
        ("Swinv2ForImageClassification", {**SWIN, "window_size": 8, "pretrained_window_sizes": [6, 6]}),
    ],
    "pvt": [
        ("PvtForImageClassification", PVT),
        ("PvtModel", ODD_PVT),
        ("PvtForImageClassification", ODD_PVT),
        ("PvtForImageClassification", {**PVT, "sequence_reduction_ratios": [4, 4, 2, 1], "image_size": 128}),
    ],
    "pvt_v2": [
        ("PvtV2ForImageClassification", PVT),
        ("PvtV2Model", {**ODD_PVT, "linear_attention": True, "image_size": 80}),
        ("PvtV2ForImageClassification", ODD_PVT),
    ],
    "segformer": [
        ("SegformerForImageClassification", SEGFORMER),
        ("SegformerModel", {**SEGFORMER, "mlp_ratios": [2, 3, 1, 4], "sr_ratios": [4, 2, 2, 1], "hidden_act": "relu"}),
        (
            "SegformerForImageClassification",
            {
                "num_encoder_blocks": 2,
                "hidden_sizes": [8, 12],
                "depths": [2, 1],
                "num_attention_heads": [2, 3],
                "patch_sizes": [5, 3],
                "strides": [3, 2],
                "sr_ratios": [2, 1],
                "num_channels": 1,
            },
        ),
    ],
    "levit": [
        ("LevitForImageClassificationWithTeacher", LEVIT),
        ("LevitForImageClassification", ODD_LEVIT),
        ("LevitModel", LEVIT),
        ("LevitForImageClassification", {**LEVIT, "depths": [3, 3, 1], "image_size": 80}),
    ],
    "mobilevit": [
        ("MobileViTForImageClassification", MOBILE),
        ("MobileViTModel", ODD_MOBILE),
        ("MobileViTForImageClassification", {**ODD_MOBILE, "image_size": 80}),
    ],
    "mobilevitv2": [
        ("MobileViTV2ForImageClassification", MOBILE_V2),
        ("MobileViTV2Model", ODD_MOBILE_V2),
        ("MobileViTV2ForImageClassification", {**MOBILE_V2, "width_multiplier": 2.0, "n_attn_blocks": [1, 1, 1]}),
    ],
    "cvt": [
        ("CvtForImageClassification", CVT),
        ("CvtForImageClassification", {**CVT, "image_size": 80, "cls_token": [False, False, False]}),
    ],
}


HIDDEN = {  # {type: [(index of their hidden state, index of our stage)]}, where both are of the same place
    **dict.fromkeys(["swin", "swinv2", "levit"], [(-1, -1)]),
    "cvt": [],
    "pvt": [(0, 0), (2, 1), (3, 2)],
    **dict.fromkeys(["pvt_v2", "mobilevit", "mobilevitv2"], [(i, i) for i in range(4)]),
    "segformer": [],
}
BLOCKS = [(i + 1, i) for i in range(2)]
POOLING = {"beit": "avg", "clip_vision_model": "token", "siglip_vision_model": "map"}
"""What the library's bare models give as `pooler_output` and a graph without a top gives too."""


def reference(name, arguments, seed=0):
    """A net of the library in which every weight matters."""
    torch.manual_seed(seed)
    cls = getattr(transformers, name)
    kind = cls.config_class
    if name.startswith(("CLIPVision", "SiglipVision")):
        kind = getattr(transformers, "CLIPVisionConfig" if "CLIP" in name else "SiglipVisionConfig")
    net = cls(kind(**{"num_labels": 5, **arguments})).eval()
    with torch.no_grad():
        for path, tensor in net.state_dict().items():
            if path.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif tensor.is_floating_point() and tensor.numel():
                inputs = tensor[0].numel() if tensor.ndim in (2, 4) and path.endswith("weight") else 25
                tensor.normal_(1.0 if tensor.ndim == 1 and path.endswith("weight") else 0.0, inputs**-0.5)
    return net


def configuration(net):
    """The content of the net's config.json."""
    return {**net.config.to_dict(), "architectures": [type(net).__name__]}


def ours(net, **overrides):
    """Our counterpart of a net, without weights."""
    plan = of_transformers(configuration(net))
    top = {"num_classes": plan.head, "classifier_activation": None} if plan.head else {"include_top": False}
    return getattr(vitgraph, plan.builder)(**{**plan.arguments, **top, **overrides})


def differences(net, model):
    """{what: largest difference} of a net of the library and ours with its weights, on random images."""
    images = torch.randn(2, model.input.shape[3], *model.input.shape[1:3])
    kind = net.config.model_type
    options = {}
    if kind == "vit_mae":
        options["noise"] = torch.arange(float(model.stages[-1].output.shape[1] - 1))[None].expand(2, -1)
    with torch.no_grad():
        theirs = net(images, output_hidden_states=True, **options)
    images = images.numpy().transpose(0, 2, 3, 1)
    pairs = [(theirs.hidden_states[i], model.stages[j].output) for i, j in HIDDEN.get(kind, BLOCKS)]
    nodes = [*(node for _, node in pairs), model.output, model.output]  # two, so that the answer is always a list
    *states, output, _ = keras.Model(model.input, nodes)(images)
    hidden = zip((state for state, _ in pairs), states, strict=True)
    found = {f"hidden {i}": distance(*both) for i, both in enumerate(hidden)}
    if kind in POOLING and "pooler_output" in theirs:
        pooled = ours(net, pooling=POOLING[kind] if net.config.to_dict().get("use_mean_pooling", True) else "token")
        load_weights(pooled, arrays(net))
        found["pooled"] = distance(theirs.pooler_output, pooled(images))
    normed = [] if kind == "clip_vision_model" else ["last_hidden_state"]
    for key in ("logits", "image_embeds", *normed):
        value = theirs.get(key)
        same_place = value is not None and (value.ndim == 2) == (len(output.shape) == 2)
        if same_place and output.shape[-1] in (value.shape[-1], value.shape[1]):
            found[key] = distance(value, output)
    return found


def arrays(net):
    return {name: tensor.numpy() for name, tensor in net.state_dict().items()}


def distance(theirs, our):
    """The largest difference of scores, or of the last tokens, in any of both layouts."""
    theirs, our = theirs.numpy(), keras.ops.convert_to_numpy(our)
    if theirs.ndim == 4:
        theirs = theirs.transpose(0, 2, 3, 1)
    if theirs.ndim > 2:
        theirs, our = (x.reshape(len(x), -1, x.shape[-1]) for x in (theirs, our))
        theirs = theirs[:, -our.shape[1] :]
    assert theirs.shape == our.shape, (theirs.shape, our.shape)
    return float(np.max(np.abs(theirs - our)))


def compare(name, arguments):
    """(the checkpoint's kind, the differences)."""
    net = reference(name, arguments)
    model = ours(net)
    return load_weights(model, arrays(net)), differences(net, model)


def saved(net, folder):
    """The folder with the net as the library saves it."""
    net.save_pretrained(folder)
    return folder


if __name__ == "__main__":  # all of them, which takes minutes
    for cases in NETS.values():
        for case in cases:
            print(case[0], *compare(*case))
