"""Official releases of nets whose golden files have timm's names: the same weights, called and cut otherwise."""

import re

import numpy as np
import pytest

from tests.checkpoints.test_weights import golden
from tests.variants import value
from vitgraph.checkpoints import load_weights


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
