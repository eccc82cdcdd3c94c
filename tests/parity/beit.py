"""SimMIM's ViT -> ours."""

from tests.parity import Port, same
from tests.parity.official import no_more
from vitgraph import build_beit

NAMES = {
    "patch_size": "patch_size",
    "embed_dim": "dim",
    "depth": "depth",
    "num_heads": "num_heads",
    "mlp_ratio": "mlp_ratio",
    "qkv_bias": "qkv_bias",
    "init_values": "init_values",
    "use_abs_pos_emb": "pos_embed",
}
DEFAULTS = {  # of the official class
    "qkv_bias": True,
    "init_values": None,
    "use_abs_pos_emb": True,
    "use_rel_pos_bias": False,
    "use_shared_rel_pos_bias": False,
    "use_mean_pooling": True,
}
RATES = ("drop_rate", "attn_drop_rate", "drop_path_rate")


def beit(config, image_shape, norm_eps, **options):
    """Ours with the official class' arguments."""
    kwargs = {**DEFAULTS, **config}
    biases = ("use_rel_pos_bias", "use_shared_rel_pos_bias")
    no_more(kwargs, (*NAMES, *biases, "use_mean_pooling", "img_size", "in_chans", "num_classes", "init_std", *RATES))
    own, shared = (kwargs[name] for name in biases)
    if own and shared:
        raise NotImplementedError("biases of each block and shared ones")
    ours = {mine: kwargs[theirs] for theirs, mine in NAMES.items() if theirs in kwargs}
    ours["rel_pos_bias"] = "block" if own else "shared" if shared else None
    ours["global_pool"] = "avg" if kwargs["use_mean_pooling"] else "token"
    return build_beit(image_shape, classifier_activation=None, norm_eps=norm_eps, **ours, **options)


def simmim_vit(config, image_shape, weights):
    config = dict(config)
    eps, classes = config.pop("norm_eps", 1e-6), config.pop("num_classes", 1000)
    model = beit(config, image_shape, eps, num_classes=classes)
    outputs = {f"features/{i}": (stage.name, same) for i, stage in enumerate(model.stages)}
    return Port(model, "beit/simmim", {**outputs, "logits": ("predictions", same)})


TRANSLATIONS = {"official_simmim_vit": simmim_vit}
