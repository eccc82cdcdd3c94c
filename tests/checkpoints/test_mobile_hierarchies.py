"""Official names of FastViT and TinyViT, which number layers otherwise than timm, and what they load into."""

import numpy as np
import pytest

import vitgraph
from tests.variants import value, with_random_weights
from vitgraph.checkpoints import load_weights, to_source

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
def test_names(case):
    build, arguments, table, expected = CASES[case]
    model = with_random_weights(build((64, 64, 3), num_classes=5, **arguments))
    tensors = to_source(model, table)
    assert expected == {name: tensors[name].shape for name in expected}
    other = build((64, 64, 3), num_classes=5, **arguments)
    assert load_weights(other, tensors) == table
    for one, two in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(value(one), value(two))
