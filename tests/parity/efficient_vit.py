"""vit-pytorch's efficient ViT with a Nystroemformer -> ours."""

import functools

from tests.parity import Port, same
from tests.parity.official import no_more
from vitgraph import build_efficient_vit
from vitgraph.blocks.base import pair
from vitgraph.builders.efficient_vit import nystrom_attention


def lucid(config, image_shape, weights):
    """vit-pytorch 1.26: norms around the patch embedding."""
    return _port(config, image_shape, "efficient_vit/lucidrains", dual_patch_norm=True)


def lucid22(config, image_shape, weights):
    return _port(config, image_shape, "efficient_vit/lucidrains_2022")


def _port(config, image_shape, source, **ours):
    no_more(config, ["image_size", "patch_size", "num_classes", "dim", "nystromformer", "pool", "channels"])
    mean = config.get("pool", "cls") == "mean"
    model = build_efficient_vit(
        image_shape,
        num_classes=config["num_classes"],
        classifier_activation=None,
        patch_size=pair(config["patch_size"]),
        dim=config["dim"],
        global_pool="avg" if mean else "token",
        pool_include_prefix=mean,
        **_nystromformer(config["nystromformer"]),
        **ours,
    )
    depth = config["nystromformer"]["depth"]
    attentions = {f"features/{i}": (f"block_{i}_attn_proj", same) for i in range(depth)}
    outputs = {
        "features/tokens": ("tokens", same),
        "features/transformer": (f"block_{depth - 1}", same),
        "logits": ("predictions", same),
    }
    return Port(model, source, {**attentions, **outputs})


def _nystromformer(config):
    """The blocks' arguments, from those of nystrom-attention's encoder."""
    known = "dim depth heads dim_head num_landmarks pinv_iterations attn_values_residual "
    no_more(config, (known + "attn_values_residual_conv_kernel attn_dropout ff_dropout").split())
    attention = functools.partial(
        nystrom_attention,
        head_dim=config.get("dim_head", 64),
        num_landmarks=config.get("num_landmarks", 256),
        pinv_iterations=config.get("pinv_iterations", 6),
        pinv_shared=True,
        kernel_size=config.get("attn_values_residual_conv_kernel", 33)
        if config.get("attn_values_residual", True)
        else None,
    )
    return {"depth": config["depth"], "num_heads": config.get("heads", 8), "attention": attention}


TRANSLATIONS = {"lucid_efficient": lucid, "lucid22_efficient": lucid22}
