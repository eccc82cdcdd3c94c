"""timm's `config.json` -> a published variant's builder and arguments."""

import inspect

from vitgraph.checkpoints.configurations.reading import Plan, activation, refuse
from vitgraph.registry import list_models, variant

_NAMES = {  # timm's names of arguments -> ours, the first of which the builder has
    "embed_dim": ("dim", "dims"),
    "embed_dims": ("dims",),
    "window_size": ("window_sizes",),
    "mlp_ratio": ("mlp_ratio", "mlp_ratios"),
    "reg_tokens": ("num_reg_tokens",),
    "act_layer": ("act",),
    "layer_norm_eps": ("norm_eps",),
}
_ELSEWHERE = ("num_classes", "in_chans", "img_size")
_WITHOUT_EFFECT = (  # on what the net computes; or of what graphs do anyway
    "pretrained", "dynamic_img_size", "dynamic_img_pad", "strict_img_size", "weight_init", "fix_init", "scriptable",
    "always_partition", "patch_drop_rate", "cache_dir", "features_only",
)  # fmt: skip


def of_timm(content, name=None):
    """The `Plan` of timm's configuration; `name` is the variant if it isn't the one that is stated.

    Raises:
        NoCounterpart: it asks for something that no builder here has.
    """
    architecture = name or str(content["architecture"]).partition(".")[0]
    if architecture not in list_models():
        refuse("architecture", architecture, "vitgraph.list_models()")
    build, row = variant(architecture)
    stated = content.get("pretrained_cfg") or content
    given = content.get("model_args") or {}
    channels, *size = stated.get("input_size", (3, 224, 224))
    channels, size = given.get("in_chans", channels), given.get("img_size", size)
    shape = (*((size, size) if isinstance(size, int) else size), channels)
    signature = inspect.signature(build).parameters
    arguments = {"name": architecture, **row, "input_shape": tuple(shape)}
    for key, value in given.items():
        if key not in (*_ELSEWHERE, *_WITHOUT_EFFECT):
            arguments |= _argument(key, value, signature, build.__name__)
    head = given.get("num_classes", content.get("num_classes", stated.get("num_classes", 1000)))
    return Plan(build.__name__, arguments, head)


def _argument(key, value, signature, builder):
    """{our name: our value} of an argument of timm's; nothing where it says what is so anyway."""
    name = next((ours for ours in _NAMES.get(key, (key,)) if ours in signature), None)
    if key == "act_layer" and name:
        value = activation(key, str(value).lower())
    if name is None and key == "global_pool" and value in ("avg", "", None):
        return {}
    if name is None:
        refuse(key, value, f"no such argument of {builder}")
    return {name: tuple(value) if isinstance(value, list) else value}
