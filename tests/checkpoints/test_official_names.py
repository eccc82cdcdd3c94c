"""Official releases of nets whose golden files have timm's names: the same weights, called and cut otherwise."""

import re

import numpy as np
import pytest

import vitgraph
from tests.checkpoints.test_weights import golden
from tests.variants import value, with_random_weights
from vitgraph.checkpoints import load_weights, to_source


def xcit(weights):
    """Queries, keys and values of the class stage come from one layer there."""
    theirs = {name.replace("pos_embed.", "pos_embeder."): array for name, array in weights.items()}
    for i in range(2):
        for leaf in ("weight", "bias"):
            parts = [theirs.pop(f"cls_attn_blocks.{i}.attn.{part}.{leaf}") for part in "qkv"]
            theirs[f"cls_attn_blocks.{i}.attn.qkv.{leaf}"] = np.concatenate(parts)
    return theirs


TNT = {
    "patch_pos": "outer_pos", "pixel_pos": "inner_pos", "pixel_embed": "patch_embed", "norm1_proj": "proj_norm1",
    "norm2_proj": "proj_norm2", "norm_in": "inner_norm1", "attn_in": "inner_attn", "norm_mlp_in": "inner_norm2",
    "mlp_in": "inner_mlp", "norm_out": "outer_norm1", "attn_out": "outer_attn", "norm_mlp": "outer_norm2",
    "mlp": "outer_mlp",
}  # fmt: skip


def tnt(weights):
    """Positions of pixels are tokens there, and there is a parameter that nothing uses."""
    names = {name: re.sub(r"[^.]+", lambda part: TNT.get(part[0], part[0]), name) for name in weights}
    theirs = {names[name]: array for name, array in weights.items()}
    pixels = theirs["inner_pos"]
    theirs["inner_pos"] = pixels.reshape(*pixels.shape[:2], -1).transpose(0, 2, 1)
    return {**theirs, "outer_tokens": np.zeros((1, 4, 24), "float32")}


@pytest.mark.parametrize(("case", "official"), [("xcit", xcit), ("tnt", tnt)])
def test_official_names(case, official):
    model, weights, _, _ = golden(case)
    load_weights(model, weights, source=f"{case}/timm")
    expected = [value(variable) for variable in model.weights]
    model.set_weights([0 * array for array in expected])
    assert load_weights(model, official(weights)) == f"{case}/official"
    for variable, array in zip(model.weights, expected, strict=True):
        np.testing.assert_array_equal(value(variable), array)


FASTVIT = {"dims": (4, 4, 4, 8), "depths": (1, 2, 1, 1), "mlp_ratios": (1, 1, 1, 1), "head_dim": 4}
ENCODED = {
    **FASTVIT,
    "token_mixers": ("repmixer", "repmixer", "repmixer", "attention"),
    "pos_kernel_sizes": (None, None, None, 3),
    "embed_se": (False, False, True, False),
}
TINY_VIT = {"dims": (4, 4, 4, 8), "depths": (1, 2, 1, 1), "num_heads": (1, 1, 2, 2), "window_sizes": (2, 2, 2, 2)}

CASES = {  # builder, arguments, table, names that there have to be
    "repmixers": (
        vitgraph.build_fastvit,
        FASTVIT,
        "fastvit/official",
        {
            "patch_embed.0.rbr_conv.0.conv.weight": (4, 3, 3, 3),
            "patch_embed.1.rbr_scale.bn.running_var": (4,),
            "patch_embed.2.rbr_skip.weight": (4,),
            "network.0.0.token_mixer.mixer.rbr_conv.0.conv.weight": (4, 1, 3, 3),
            "network.0.0.token_mixer.norm.rbr_skip.bias": (4,),
            "network.0.0.token_mixer.layer_scale": (4, 1, 1),
            "network.1.proj.0.lkb_origin.conv.weight": (4, 1, 7, 7),
            "network.1.proj.0.small_conv.bn.weight": (4,),
            "network.2.1.convffn.fc2.weight": (4, 4, 1, 1),
            "network.2.1.layer_scale": (4, 1, 1),
            "network.6.0.convffn.conv.conv.weight": (8, 1, 7, 7),
            "conv_exp.se.reduce.weight": (1, 16, 1, 1),
            "head.weight": (5, 16),
        },
    ),
    "encoded": (
        vitgraph.build_fastvit,
        ENCODED,
        "fastvit/official_encoded",
        {
            "network.3.proj.0.se.expand.bias": (4,),
            "network.5.proj.1.rbr_conv.0.conv.weight": (8, 8, 1, 1),
            "network.6.pe.weight": (8, 1, 3, 3),
            "network.7.0.norm.running_mean": (8,),
            "network.7.0.token_mixer.qkv.weight": (24, 8),
            "network.7.0.layer_scale_1": (8, 1, 1),
            "network.7.0.layer_scale_2": (8, 1, 1),
        },
    ),
    "tiny_vit": (
        vitgraph.build_tiny_vit,
        TINY_VIT,
        "tiny_vit/microsoft",
        {
            "patch_embed.seq.2.c.weight": (4, 2, 3, 3),
            "layers.0.blocks.0.conv3.bn.weight": (4,),
            "layers.0.downsample.conv2.c.weight": (4, 1, 3, 3),
            "layers.1.blocks.1.attn.attention_biases": (1, 4),
            "layers.2.downsample.conv1.bn.running_mean": (8,),
            "layers.3.blocks.0.local_conv.c.weight": (8, 1, 3, 3),
            "layers.3.blocks.0.mlp.norm.weight": (8,),
            "norm_head.weight": (8,),
            "head.bias": (5,),
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_official_names_both_ways(case):
    """Of a tiny net: some of the names that there are, with their shapes."""
    build, arguments, table, expected = CASES[case]
    model = with_random_weights(build((64, 64, 3), num_classes=5, **arguments))
    tensors = to_source(model, table)
    assert expected == {name: tensors[name].shape for name in expected}
    other = build((64, 64, 3), num_classes=5, **arguments)
    assert load_weights(other, tensors) == table
    for one, two in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(value(one), value(two))
