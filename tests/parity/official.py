"""Constructor arguments of official repositories, and of vit-pytorch, -> ours."""

from tests.parity import Port, as_tokens, same
from vitgraph import build_pvt_v2, build_vit
from vitgraph.blocks.base import pair


def pvt_v2(config, image_shape, weights):
    config = dict(config)
    names = {"embed_dims": "dims"}
    kept = ("num_classes", "num_heads", "mlp_ratios", "qkv_bias", "norm_eps", "depths", "sr_ratios", "linear")
    ours = {names.get(k, k): v for k, v in config.items() if k in kept or k in names}
    _no_more(config, (*kept, *names, "img_size", "patch_size"))
    model = build_pvt_v2(image_shape, classifier_activation=None, **ours)
    outputs = {f"features/{i}": (stage.name, as_tokens) for i, stage in enumerate(model.stages)}
    return Port(model, "pvt_v2/official", {**outputs, "logits": ("predictions", same)})


def mae_vit(config, image_shape, weights):
    config = dict(config)
    ours = {"dim": config["embed_dim"], "global_pool": "avg" if config.get("global_pool") else "token"}
    kept = ("patch_size", "num_classes", "depth", "num_heads", "mlp_ratio", "qkv_bias", "norm_eps")
    ours.update({k: config[k] for k in kept if k in config})
    _no_more(config, (*kept, "embed_dim", "global_pool", "img_size"))
    model = build_vit(image_shape, classifier_activation=None, **ours)
    outputs = {f"features/{i}": (stage.name, same) for i, stage in enumerate(model.stages)}
    return Port(model, "vit/timm", {**outputs, "logits": ("predictions", same)})


def lucid_vit(config, image_shape, weights):
    """vit-pytorch 1.26: norms around the patch embedding; with mean pooling no class token."""
    mean = config.get("pool", "cls") == "mean"
    ours = {"class_token": not mean, "global_pool": "avg" if mean else "token", "fc_norm": False}
    model = _lucid(config, image_shape, dual_patch_norm=True, **ours)
    return Port(model, "vit/lucidrains", _lucid_outputs("norm"))


def lucid22_vit(config, image_shape, weights):
    """vit-pytorch of 2022: no patch norm, no final norm but one in the head, the mean includes the class token."""
    mean = config.get("pool", "cls") == "mean"
    ours = {"global_pool": "avg" if mean else "token", "pool_include_prefix": mean, "fc_norm": True}
    model = _lucid(config, image_shape, **ours)
    return Port(model, "vit/lucidrains_2022", _lucid_outputs(f"block_{config['depth'] - 1}"))


def lucid_simple_vit(config, image_shape, weights):
    ours = {"class_token": False, "global_pool": "avg", "fc_norm": False, "proj_bias": False, "attn_proj": True}
    model = _lucid(config, image_shape, dual_patch_norm=True, pos_embed="sincos", **ours)
    return Port(model, "vit/lucidrains_simple", _lucid_outputs("norm"))


TRANSLATIONS = {
    "official_pvt_v2": pvt_v2,
    "official_mae_vit": mae_vit,
    "lucid_vit": lucid_vit,
    "lucid22_vit": lucid22_vit,
    "lucid_simple_vit": lucid_simple_vit,
}


def _lucid(config, image_shape, **ours):
    known = "image_size patch_size num_classes dim depth heads mlp_dim dim_head pool channels dropout emb_dropout"
    _no_more(config, known.split())
    dim, heads, head_dim = config["dim"], config["heads"], config.get("dim_head", 64)
    return build_vit(
        image_shape,
        **{
            "classifier_activation": None,
            "num_classes": config["num_classes"],
            "patch_size": pair(config["patch_size"]),
            "dim": dim,
            "depth": config["depth"],
            "num_heads": heads,
            "head_dim": head_dim,
            "mlp_ratio": config["mlp_dim"] / dim,
            "qkv_bias": False,
            "attn_proj": not (heads == 1 and head_dim == dim),
            "norm_eps": 1e-5,
            **ours,
        },
    )


def _lucid_outputs(last):
    return {
        "features/tokens": ("tokens", same),
        "features/transformer": (last, same),
        "logits": ("predictions", same),
    }


def _no_more(config, known):
    unknown = set(config) - set(known)
    if unknown:
        raise NotImplementedError(f"arguments without a translation: {sorted(unknown)}")
