"""From a graph's names and axes to a source's: the tables of `names/`, read the other way."""

from typing import Any, Literal

import keras
import numpy as np

from vitgraph import contract as c
from vitgraph.blocks import DepthwiseConv2D
from vitgraph.blocks.graph import layers_within
from vitgraph.checkpoints.names import SOURCES
from vitgraph.checkpoints.source import BY_NET, INVERSES

_LIKE = {"simple_vit": ("vit",), "parallel_vit": ("vit",), "vit_lite": ("cct",)}
"""{family: those whose tables its checkpoints are read by, too}."""

_NOT_OFFICIAL = ("timm", "transformers", "hub", "lucidrains", "simmim")
"""Beginnings of the kinds that aren't a network's own authors'."""


@c.public
def to_timm(model: c.Graph, *, framework: Literal["numpy", "torch"] = "numpy") -> dict[str, Any]:
    """The weights of a graph under timm's names, for `load_state_dict(strict=True)` of timm's own class.

    Args:
        model: a graph that a builder, `create` or `load` made, of a family that timm has.
        framework: the kind of tensors; "torch" needs PyTorch.

    Returns:
        {timm's name: array or tensor}.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; a family without timm's names.

    Example:
        >>> net = vitgraph.build_vit((32, 32, 3), patch_size=8, dim=16, depth=1, num_heads=2)
        >>> vitgraph.to_timm(net)["blocks.0.attn.qkv.weight"].shape
        (48, 16)
    """
    tensors = renamed(model, "timm", "model")
    if framework == "numpy":
        return tensors
    c.installed("to_timm", "torch")
    import torch

    return {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}


@c.public
def to_source(model: c.Graph, names: str) -> dict[str, np.ndarray]:
    """The weights of a graph under the names, and with the axes, of another implementation.

    Args:
        model: a graph that a builder, `create` or `load` made.
        names: whose names: "timm", "official" (the authors'), "transformers", or a kind of checkpoint such as
            "swin/microsoft".

    Returns:
        {their name: array}.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; a family without such names.

    Example:
        >>> net = vitgraph.build_pvt_v2((64, 64, 3))
        >>> vitgraph.checkpoints.to_source(net, "official")["block1.0.attn.q.weight"].shape
        (32, 32)
    """
    return renamed(model, names, "names")


def renamed(model, names, argument):
    """As `to_source`; `argument` is the one that is refused if there are no such names."""
    table = SOURCES[_kind(model, names, argument)]
    layers = {layer.name: layer for layer in layers_within(model)}
    tensors: dict = {}
    for variable in model.weights:
        theirs, function = table.names(variable.path)
        layer = layers[variable.path.split("/")[0]]
        value = keras.ops.convert_to_numpy(variable)
        if function is None:
            arrays = [value if table.layout == "jax" else _in_torch_order(value, layer, variable)]
        else:
            known = function in INVERSES
            c.require(known, argument, f"names that there is a way back to: none to {', '.join(theirs)}")
            net = (layers,) if function in BY_NET else ()
            arrays = INVERSES[function](value, len(theirs), layer, *net)
        for name, array in zip(theirs, arrays, strict=True):
            tensors[name] = np.ascontiguousarray(array.reshape(table.shape(name, array.shape)))
            if name.endswith(".running_var"):
                tensors[name.replace("running_var", "num_batches_tracked")] = np.array(0, "int64")
    return tensors


def _kind(model, names, argument):
    """The kind of checkpoints that `names` asks for and that has a name for each of the graph's variables."""
    family = getattr(model, "about", {}).get("builder", "").removeprefix("build_")
    own = [kind for kind in SOURCES if kind.split("/")[0] in (family, *_LIKE.get(family, ()))]
    offered = [kind for kind in own if all(SOURCES[kind].names(variable.path)[0] for variable in model.weights)]
    has = f"{model.name!r} has {', '.join(offered) or 'none: a builder must have made it, and layers be as they were'}"
    wanted = [kind for kind in offered if names in (kind, *_groups(kind.split("/")[1]))]
    if names in SOURCES and not own:
        wanted = [names] if all(SOURCES[names].names(v.path)[0] for v in model.weights) else []
    c.require(wanted, argument, f"names that the graph can have, here not those of {names}; {has}")
    variant = getattr(model, "about", {}).get("variant", "")

    def distance(kind):
        """First that of "levit_conv_*" or "aimv2_*", "levit/timm_conv" or "vit/timm_aimv2"; then the shortest one."""
        own = kind.replace("/timm_", "_"), kind.partition("/timm_")[2] or kind
        return not variant.startswith(own), len(SOURCES[kind].renames)

    return min(wanted, key=distance)


def _groups(kind):
    """What a kind answers to: "facebook_128s" is "official"."""
    group = next((other for other in _NOT_OFFICIAL if kind.startswith(other)), "official")
    return kind, group


def _in_torch_order(value, layer, variable):
    """Keras' axis order -> PyTorch's; see `convert._reorder`."""
    if not variable.path.endswith("/kernel"):
        return value
    if isinstance(layer, DepthwiseConv2D):
        return value.transpose(2, 3, 0, 1).reshape(-1, 1, *value.shape[:2])
    return value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
