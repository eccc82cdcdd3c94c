"""The official code's ViT with adaptive token sampling -> ours."""

from tests.parity import Port, initial, same
from tests.parity.official import no_more
from vitgraph import build_ats_vit

NAMES = {
    "PATCH_SIZE": "patch_size", "EMBED_DIM": "dim", "DEPTH": "depth", "NUM_HEADS": "num_heads",
    "MLP_RATIO": "mlp_ratio", "QKV_BIAS": "qkv_bias", "ATS_BLOCKS": "ats_blocks", "DROP_TOKENS": "drop_tokens",
    "norm_eps": "norm_eps",
}  # fmt: skip
WITHOUT_EFFECT = (
    "IMG_SIZE", "IN_CHANNELS", "DROP_RATE", "ATTN_DROP_RATE", "DROP_PATH_RATE",
    "NUM_TOKENS",  # the official code runs only where this is no limit
    "HYBRID_BACKBONE", "NORM_LAYER",
)  # fmt: skip


def official_ats(config, image_shape, weights):
    optional = ("NUM_CLASSES", "QK_SCALE", "REPRESENTATION_SIZE")
    no_more(config, (*NAMES, *WITHOUT_EFFECT, *optional, "class_"))
    for name in ("HYBRID_BACKBONE", "NORM_LAYER"):
        if config.get(name) is not None:
            raise NotImplementedError(f"ATS with another {name}")
    ours = {NAMES[k]: v for k, v in config.items() if k in NAMES}
    ours["qk_scale"] = config.get("QK_SCALE") or None
    classes, width = config.get("NUM_CLASSES", 1000), config.get("REPRESENTATION_SIZE") or None
    if not classes and width:
        raise NotImplementedError("ATS with a representation layer and no head")
    if classes:
        top = {"num_classes": classes, "representation_size": width, "classifier_activation": None}
    else:
        top = {"include_top": False, "pooling": "token"}
    model = build_ats_vit(image_shape, **top, **ours)

    outputs = {"logits": ("predictions" if classes else "pool", same)}
    sampling, depth = ours.get("ats_blocks", range(3, 12)), ours.get("depth", 12)
    shorten = longest if ours.get("drop_tokens") else same
    for i in range(depth):
        outputs[f"features/{i}/x"] = (f"block_{i}", same if i < min(sampling) else shorten)
        if i in sampling:
            outputs[f"features/{i}/policy"] = (f"block_{i}", lambda x: policy(shorten(x)))
    return Port(model, "ats_vit/official", outputs)


def longest(x):
    """Without the padding that all samples have at their end, which is zeros: (B, N, C) -> (B, M, C)."""
    return x[:, : x.any(axis=(0, 2)).sum()]


def policy(x):
    """1 for a token, 0 for padding: (B, M, C) -> (B, M, 1)."""
    return x.any(axis=2, keepdims=True).astype("float32")


INITIAL = {"ats_deit_small_patch16_224": initial.VIT}

PARAMETERS = {
    "ats_deit_small_patch16_224": 22_050_664,
}

TRANSLATIONS = {"official_ats": official_ats}
