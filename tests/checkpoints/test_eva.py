"""Are EVA's and DINOv3's official checkpoints read as timm's are? Their names differ, and some of their tensors."""

import numpy as np

from tests.checkpoints.test_weights import assert_loads, golden


def renamed(weights, *pairs):
    out = {}
    for name, value in weights.items():
        for theirs, official in pairs:
            name = name.replace(theirs, official)
        out[name] = value
    return out


def test_dinov3_with_a_mask_token_and_periods():
    model, weights, image, logits = golden("dinov3")
    official = renamed(weights, ("reg_token", "storage_tokens"), ("gamma_1", "ls1.gamma"), ("gamma_2", "ls2.gamma"))
    official |= {"mask_token": np.zeros((1, 24), "float32"), "rope_embed.periods": np.ones(2, "float32")}
    official |= {f"blocks.{i}.attn.qkv.bias": np.zeros(72, "float32") for i in range(2)}
    assert_loads(model, official, image, logits, "eva/dinov3")


def test_eva02_with_its_norms_and_gates_named_by_baai():
    model, weights, image, logits = golden("eva02_base")
    pairs = ("attn.norm", "attn.inner_attn_ln"), ("mlp.norm", "mlp.ffn_ln"), ("fc1_g", "w1"), ("fc1_x", "w2")
    biases = ("q_proj.bias", "q_bias"), ("v_proj.bias", "v_bias")
    official = renamed(weights, *pairs, *biases, ("mlp.fc2", "mlp.w3"))
    official |= {"rope.freqs_cos": np.ones((16, 8), "float32")}
    assert_loads(model, official, image, logits, "eva/baai_parts")
