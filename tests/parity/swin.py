"""timm's Swin -> ours."""

from tests.parity import Port, same
from tests.parity.timm import begin, finish, hierarchical, norm_of, top_of
from vitgraph import build_swin
from vitgraph.blocks.base import pair

SWIN = {
    "embed_dim": "dim",
    "depths": "depths",
    "num_heads": "num_heads",
    "head_dim": "head_dim",
    "window_size": "window_size",
    "mlp_ratio": "mlp_ratio",
    "qkv_bias": "qkv_bias",
    "patch_size": "patch_size",
}


def swin(config, image_shape, weights):
    kwargs, ours = begin(config, SWIN)
    img_size = pair(kwargs.pop("img_size", 224))
    fixed = kwargs.pop("strict_img_size", True)
    ours["clip_windows"] = not kwargs.pop("always_partition", False)
    ours.update(norm_of(kwargs.pop("norm_layer", None), 1e-5))
    assert kwargs.pop("global_pool", "avg") == "avg"
    finish(kwargs)
    shape = image_shape if fixed else (None, None, image_shape[-1])
    model = build_swin(shape, img_size=None if fixed else img_size, **top_of(ours, pooling="avg"), **ours)
    return Port(model, "swin/timm", hierarchical(model, "norm", same))


TRANSLATIONS = {"timm.models.swin_transformer.SwinTransformer": swin}
