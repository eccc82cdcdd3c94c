"""DeiTs of timm and of the official repository -> ours."""

from tests.parity import Port, same
from tests.parity.official import no_more
from tests.parity.timm import begin, finish, top_of
from tests.parity.vit import VIT, image_of, last_of, maps_of, transformer_of
from vitgraph import build_deit

WITHOUT_TOKENS = ("class_token", "no_embed_class", "num_reg_tokens", "fc_norm", "pool_include_prefix", "global_pool")
DEIT = {theirs: ours for theirs, ours in VIT.items() if ours not in WITHOUT_TOKENS}

HEADS = {"logits_cls": ("head", same), "logits_dist": ("head_dist", same)}


def distilled(config, image_shape, weights):
    """timm's constructor takes all of ViT's arguments, and no other tokens or pooling than the two that it adds."""
    kwargs, ours = begin(config, DEIT)
    kwargs.pop("pos_embed", None)
    kwargs.pop("pool_include_prefix", None)
    fixed = {"global_pool": "token", "class_token": True}
    other = [name for name, value in fixed.items() if kwargs.pop(name, value) != value]
    other += [name for name in ("no_embed_class", "reg_tokens", "fc_norm") if kwargs.pop(name, None)]
    if other:
        raise NotImplementedError(f"a distilled ViT with other values of {other}")
    ours.update(transformer_of(kwargs))
    shape, ours["img_size"] = image_of(kwargs, image_shape)
    finish(kwargs)

    top = top_of(ours, pooling="token")
    model = build_deit(shape, distilled=True, **top, **ours)
    outputs = {
        "logits": ("predictions" if top["include_top"] else "pool_mean", same),
        "pre_logits": (last_of(model), lambda x: x[:, :2].mean(axis=1)),
        "forward_features": (last_of(model), same),
        **maps_of(model, image_shape, ours.get("patch_size", 16)),
    }
    return Port(model, "deit/timm", {**outputs, **(HEADS if top["include_top"] else {})})


def official_deit_distilled(config, image_shape, weights):
    defaults = {"qkv_bias": False, "norm_eps": 1e-5}
    names = {"embed_dim": "dim"}
    kept = ("patch_size", "num_classes", "depth", "num_heads", "mlp_ratio", "qkv_bias", "qk_scale", "norm_eps")
    ours = {names.get(k, k): v for k, v in {**defaults, **config}.items() if k in kept or k in names}
    rates = ("drop_rate", "attn_drop_rate", "drop_path_rate")
    of_the_losses = ("tau", "alpha")
    no_more(config, (*kept, *names, "img_size", "in_chans", *rates, *of_the_losses))
    model = build_deit(image_shape, classifier_activation=None, distilled=True, **ours)
    outputs = {f"features/{i}": (stage.name, same) for i, stage in enumerate(model.stages)}
    return Port(model, "deit/timm", {**outputs, **HEADS, "logits": ("predictions", same)})


PARAMETERS = {
    "deit_base_distilled_patch16_224": 87_338_192,
    "deit_base_distilled_patch16_384": 87_630_032,
    "deit_base_patch16_224": 86_567_656,
    "deit_base_patch16_384": 86_859_496,
    "deit_small_distilled_patch16_224": 22_436_432,
    "deit_small_patch16_224": 22_050_664,
    "deit_tiny_distilled_patch16_224": 5_910_800,
    "deit_tiny_patch16_224": 5_717_416,
}

TRANSLATIONS = {
    "timm.models.deit.VisionTransformerDistilled": distilled,
    "official_deit_distilled": official_deit_distilled,
}
