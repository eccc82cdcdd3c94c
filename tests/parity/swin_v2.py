"""timm's Swin V2 -> ours."""

from tests.parity import Port, same
from tests.parity.timm import activation_of, begin, finish, hierarchical, norm_of, top_of
from vitgraph import build_swin_v2
from vitgraph.blocks.base import pair

SWIN_V2 = {
    "embed_dim": "dim",
    "depths": "depths",
    "num_heads": "num_heads",
    "qkv_bias": "qkv_bias",
    "patch_size": "patch_size",
}


def swin_v2(config, image_shape, weights):
    kwargs, ours = begin(config, SWIN_V2)
    img_size = pair(kwargs.pop("img_size", 224))
    fixed = kwargs.pop("strict_img_size", True) and not kwargs.pop("dynamic_img_size", False)
    ours["clip_windows"] = not kwargs.pop("always_partition", False)
    stages = len(ours.get("depths", (2, 2, 6, 2)))
    ours["mlp_ratios"] = (kwargs.pop("mlp_ratio", 4.0),) * stages
    ours["window_sizes"] = (kwargs.pop("window_size", 7),) * stages
    ours["pretrained_window_sizes"] = kwargs.pop("pretrained_window_sizes", (0,) * stages)[:stages]
    ours["act"] = activation_of(kwargs.pop("act_layer", None))
    ours.update(norm_of(kwargs.pop("norm_layer", None), 1e-5))
    assert kwargs.pop("global_pool", "avg") == "avg"
    finish(kwargs)
    shape = image_shape if fixed else (None, None, image_shape[-1])
    model = build_swin_v2(shape, img_size=None if fixed else img_size, **top_of(ours, pooling="avg"), **ours)
    return Port(model, "swin_v2/timm", hierarchical(model, "norm", same))


PARAMETERS = {
    "swinv2_base_window12_192": 87_918_816,
    "swinv2_base_window12to16_192to256": 87_918_816,
    "swinv2_base_window12to24_192to384": 87_918_816,
    "swinv2_base_window16_256": 87_918_816,
    "swinv2_base_window8_256": 87_918_816,
    "swinv2_large_window12_192": 196_739_932,
    "swinv2_large_window12to16_192to256": 196_739_932,
    "swinv2_large_window12to24_192to384": 196_739_932,
    "swinv2_small_window16_256": 49_728_418,
    "swinv2_small_window8_256": 49_728_418,
    "swinv2_tiny_window16_256": 28_347_154,
    "swinv2_tiny_window8_256": 28_347_154,
}

TRANSLATIONS = {"timm.models.swin_transformer_v2.SwinTransformerV2": swin_v2}
