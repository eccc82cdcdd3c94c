"""vit-pytorch's SimpleViT -> ours."""

from tests.parity import Port, initial
from tests.parity.vit import lucid_arguments, lucid_outputs
from vitgraph import build_simple_vit


def lucid_simple_vit(config, image_shape, weights):
    ours = {"dual_patch_norm": True, "proj_bias": False, "act": "gelu"}
    model = build_simple_vit(image_shape, **lucid_arguments(config), **ours)
    return Port(model, "simple_vit/lucidrains", lucid_outputs("norm"))


INITIAL = {"simple_vit_s16": initial.RANDN}

PARAMETERS = {
    "simple_vit_b16": 86_415_592,
    "simple_vit_s16": 21_974_632,
}
"""Those of timm's `vit_small_patch16_224` and `vit_base_patch16_gap_224` without position table and class token."""

TRANSLATIONS = {"lucid_simple_vit": lucid_simple_vit}
