"""ViTs of timm, MAE and vit-pytorch -> ours."""

from tests.parity import Port, same, tokens_as_map
from tests.parity.official import no_more
from tests.parity.timm import activation_of, bare_name, begin, finish, norm_of, top_of, with_options
from vitgraph import build_vit
from vitgraph.blocks.base import pair
from vitgraph.builders import vit

VIT = {
    "embed_dim": "dim",
    "depth": "depth",
    "num_heads": "num_heads",
    "mlp_ratio": "mlp_ratio",
    "patch_size": "patch_size",
    "qkv_bias": "qkv_bias",
    "qk_norm": "qk_norm",
    "scale_attn_norm": "attn_norm",
    "scale_mlp_norm": "mlp_norm",
    "init_values": "init_values",
    "class_token": "class_token",
    "no_embed_class": "no_embed_class",
    "reg_tokens": "num_reg_tokens",
    "pre_norm": "pre_norm",
    "final_norm": "final_norm",
    "fc_norm": "fc_norm",
    "pool_include_prefix": "pool_include_prefix",
    "global_pool": "global_pool",
}
BLOCKS = {
    "Block": vit.pre_norm_block,
    "ResPostBlock": vit.res_post_norm_block,
    "ParallelThingsBlock": vit.parallel_things_block,
    "ParallelScalingBlock": vit.parallel_scaling_block,
}


def vision_transformer(config, image_shape, weights):
    kwargs, ours = begin(config, VIT)
    ours["pos_embed"] = "none" if kwargs.pop("pos_embed", "learn") in ("", "none") else "learn"
    ours.update(transformer_of(kwargs))
    shape, ours["img_size"] = image_of(kwargs, image_shape)
    finish(kwargs)

    top = top_of(ours, pooling=ours.get("global_pool", "token"))
    model = build_vit(shape, **top, **ours)
    names = [layer.name for layer in model.layers]
    before_head = next(n for n in ("head_drop", "fc_norm", "pool") if n in names)
    return Port(
        model,
        "vit/timm",
        {
            "logits": ("predictions" if top["include_top"] else before_head, same),
            "pre_logits": (before_head, same),
            "forward_features": (last_of(model), same),
            **maps_of(model, image_shape, ours.get("patch_size", 16)),
        },
    )


def transformer_of(kwargs):
    """Takes out what timm's ViTs say about their blocks."""
    ours = {"act": activation_of(kwargs.pop("act_layer", None)), **norm_of(kwargs.pop("norm_layer", None), 1e-6)}
    ours["proj_bias"] = ours["mlp_bias"] = kwargs.pop("proj_bias", True)
    block, options = bare_name(kwargs.pop("block_fn", "Block"))
    ours["block"] = with_options(BLOCKS[block], options)
    mlp_layer, options = bare_name(kwargs.pop("mlp_layer", "Mlp"))
    gate_first = mlp_layer == "SwiGLUPacked" or options.get("gate_last") is False
    ours["gated_mlp"] = {"Mlp": False, "SwiGLUPacked": True, "GluMlp": gate_first}[mlp_layer]
    if mlp_layer == "GluMlp" and not gate_first:
        raise NotImplementedError("GluMlp with gate_last=True")
    return ours


def image_of(kwargs, image_shape):
    """Takes out what timm's ViTs say about image sizes: our input_shape and img_size."""
    open_size = kwargs.pop("dynamic_img_size", False) | kwargs.pop("dynamic_img_pad", False)
    return (None, None, image_shape[-1]) if open_size else image_shape, pair(kwargs.pop("img_size", 224))


def last_of(model):
    """The node whose output timm calls the features."""
    return "norm" if "norm" in [layer.name for layer in model.layers] else model.stages[-1].name


def maps_of(model, image_shape, patch_size):
    """timm's intermediate features: the patch tokens of each block as a map."""
    round_up = model.input_shape[1] is None
    grid = [-(-n // p) if round_up else n // p for n, p in zip(image_shape, pair(patch_size), strict=False)]
    return {f"features/{i}": (s.name, tokens_as_map(s.prefix, *grid)) for i, s in enumerate(model.stages)}


def mae_vit(config, image_shape, weights):
    config = dict(config)
    ours = {"dim": config["embed_dim"], "global_pool": "avg" if config.get("global_pool") else "token"}
    kept = ("patch_size", "num_classes", "depth", "num_heads", "mlp_ratio", "qkv_bias", "norm_eps")
    ours.update({k: config[k] for k in kept if k in config})
    no_more(config, (*kept, "embed_dim", "global_pool", "img_size"))
    model = build_vit(image_shape, classifier_activation=None, **ours)
    outputs = {f"features/{i}": (stage.name, same) for i, stage in enumerate(model.stages)}
    return Port(model, "vit/timm", {**outputs, "logits": ("predictions", same)})


def lucid_vit(config, image_shape, weights):
    """vit-pytorch 1.26: norms around the patch embedding; with mean pooling no class token."""
    mean = config.get("pool", "cls") == "mean"
    ours = {"class_token": not mean, "global_pool": "avg" if mean else "token", "fc_norm": False}
    model = _lucid(config, image_shape, dual_patch_norm=True, **ours)
    return Port(model, "vit/lucidrains", lucid_outputs("norm"))


def lucid22_vit(config, image_shape, weights):
    """vit-pytorch of 2022: no patch norm, no final norm but one in the head, the mean includes the class token."""
    mean = config.get("pool", "cls") == "mean"
    ours = {"global_pool": "avg" if mean else "token", "pool_include_prefix": mean, "fc_norm": True}
    model = _lucid(config, image_shape, **ours)
    return Port(model, "vit/lucidrains_2022", lucid_outputs(f"block_{config['depth'] - 1}"))


def _lucid(config, image_shape, **ours):
    return build_vit(image_shape, **{**lucid_arguments(config), "attn_proj": lucid_attn_proj(config), **ours})


def lucid_attn_proj(config):
    """One head as wide as the stream has no projection."""
    return not (config["heads"] == 1 and config.get("dim_head", 64) == config["dim"])


def lucid_arguments(config, further=()):
    """Arguments of ours that follow from those of any of vit-pytorch's ViTs; `further` is translated elsewhere."""
    known = "image_size patch_size num_classes dim depth heads mlp_dim dim_head pool channels dropout emb_dropout"
    no_more(config, (*known.split(), *further))
    return {
        "classifier_activation": None,
        "num_classes": config["num_classes"],
        "patch_size": pair(config["patch_size"]),
        "dim": config["dim"],
        "depth": config["depth"],
        "num_heads": config["heads"],
        "head_dim": config.get("dim_head", 64),
        "mlp_ratio": config["mlp_dim"] / config["dim"],
        "qkv_bias": False,
        "norm_eps": 1e-5,
    }


def lucid_outputs(last):
    return {
        "features/tokens": ("tokens", same),
        "features/transformer": (last, same),
        "logits": ("predictions", same),
    }


TRANSLATIONS = {
    "timm.models.vision_transformer.VisionTransformer": vision_transformer,
    "official_mae_vit": mae_vit,
    "lucid_vit": lucid_vit,
    "lucid22_vit": lucid22_vit,
}
