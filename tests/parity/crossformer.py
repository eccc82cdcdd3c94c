"""CrossFormer of the official repository -> ours."""

import math

import numpy as np

from tests.parity import Port, as_tokens, initial, same
from tests.parity.official import no_more
from tests.parity.timm import top_of
from vitgraph import build_crossformer

CROSSFORMER = {  # official argument: ours, and the official default
    "patch_size": ("kernel_sizes", [4]),
    "merge_size": ("merge_sizes", [[2], [2], [2]]),
    "embed_dim": ("dims", 96),
    "depths": ("depths", [2, 2, 6, 2]),
    "num_heads": ("num_heads", [3, 6, 12, 24]),
    "mlp_ratio": ("mlp_ratios", 4.0),
    "group_size": ("group_sizes", [7, 7, 7, 7]),
    "crs_interval": ("intervals", [8, 4, 2, 1]),
    "group_type": ("group_type", "constant"),
    "adaptive_interval": ("adaptive_interval", False),
    "pad_type": ("centre_padding", 0),
    "no_mask": ("no_mask", False),
    "use_acl": ("cooling", False),
    "ape": ("pos_embed", False),
    "patch_norm": ("patch_norm", True),
    "qkv_bias": ("qkv_bias", True),
    "qk_scale": ("qk_scale", None),
    "norm_eps": ("norm_eps", 1e-5),
    "num_classes": ("num_classes", 1000),
    "use_cpe": ("use_cpe", False),
}
WITHOUT_EFFECT = ("img_size", "in_chans", "drop_rate", "attn_drop_rate", "drop_path_rate", "use_checkpoint")


def official_crossformer(config, image_shape, weights):
    no_more(config, (*CROSSFORMER, *WITHOUT_EFFECT))
    ours = {mine: config.get(theirs, default) for theirs, (mine, default) in CROSSFORMER.items()}
    if ours.pop("use_cpe"):
        raise NotImplementedError("use_cpe: a convolution over rows, as the official code has it")
    depths, stride, dim = ours["depths"], ours["kernel_sizes"][0], ours["dims"]
    stages = len(depths)
    ours["kernel_sizes"] = [ours["kernel_sizes"], *ours.pop("merge_sizes")[: stages - 1]]
    ours["strides"] = [stride, *[2] * (stages - 1)]
    ours["dims"] = [dim * 2**i for i in range(stages)]
    ours["group_sizes"] = group_sizes(ours.pop("group_type"), ours["group_sizes"], depths, image_shape[0] // stride)
    ours["num_heads"] = ours["num_heads"][:stages]
    ratios = ours["mlp_ratios"]
    ours["mlp_ratios"] = ratios[:stages] if isinstance(ratios, list) else [ratios] * stages
    ours["intervals"] = None if ours.pop("adaptive_interval") else ours["intervals"][:stages]
    ours["pos_embed"] = "learn" if ours["pos_embed"] else "none"
    ours["centre_padding"] = bool(ours["centre_padding"])
    ours["mask_padding"] = not ours.pop("no_mask")
    ours["qk_scale"] = ours["qk_scale"] or None
    model = build_crossformer(image_shape, **top_of(ours, pooling="avg"), **ours)
    outputs = {f"features/{i}": (stage.name, as_tokens) for i, stage in enumerate(model.stages)}
    scales = "stage_1_embed_scales" if len(ours["kernel_sizes"][0]) > 1 else "stage_1_embed_0"
    outputs["features/embed"] = ("stage_1_embed_norm" if ours["patch_norm"] else scales, as_tokens)
    return Port(model, "crossformer/official", {**outputs, "logits": (model.layers[-1].name, same)})


def group_sizes(kind, per_stage, depths, side):
    """`compute_group_size`: the side of each block's groups, which grows from block to block unless constant."""
    growing = np.arange(4 / side, 1.0, (1 - 4 / side) / sum(depths))
    if kind == "constant":
        return [[per_stage[i]] * depth for i, depth in enumerate(depths)]
    if kind == "7_14":
        halved = [per_stage[i] // (2 if i == 2 else 1) for i in range(len(depths))]
        return [[halved[i] if j < 4 else per_stage[i] for j in range(depth)] for i, depth in enumerate(depths)]
    if kind not in ("linear", "linear_div", "alter"):
        raise NotImplementedError(f"group_type={kind!r}")
    sizes, block = [], 0
    for i, depth in enumerate(depths):
        here = side // 2**i
        sizes.append([])
        for _ in range(depth):
            size = here * growing[block]
            if kind != "linear" and size > here // 2:
                whole = block % 2 != 0 if kind == "alter" else size > here * 3 / 4
                size = here if whole or i != 2 else here // 2
            sizes[i].append(max(4, math.ceil(size)))
            block += 1
    return sizes


INITIAL = {"crossformer_pp_base": initial.VIT}

PARAMETERS = {
    "crossformer_base": 51_971_554,
    "crossformer_large": 91_971_184,
    "crossformer_pp_base": 51_994_594,
    "crossformer_pp_huge": 95_962_944,
    "crossformer_pp_large": 92_001_904,
    "crossformer_pp_small": 23_325_340,
    "crossformer_small": 30_657_394,
    "crossformer_tiny": 27_776_794,
}

TRANSLATIONS = {"official_crossformer": official_crossformer}
