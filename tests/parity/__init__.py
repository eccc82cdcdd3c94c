"""Golden parity: a reference's file -> our graph with its weights -> the largest difference of logits and features."""

import dataclasses
import importlib
import json
import pathlib
import pkgutil
import re

import keras
import numpy as np
from safetensors import safe_open

from vitgraph.checkpoints import load_weights, to_source
from vitgraph.checkpoints.names import SOURCES

TOLERANCE = 1e-4


@dataclasses.dataclass
class Port:
    """Our counterpart of a reference model.

    Args:
        model: the graph, built from the reference's own constructor arguments.
        source: the name of the table that reads its checkpoint.
        outputs: {golden tensor: (layer name, function from our output to the reference's layout)}.
        input: the golden tensor that the graph takes; the image, or what stands for a layer's own input.
    """

    model: keras.Model
    source: str
    outputs: dict
    input: str = "input"


def compare(path, *, back=False):
    """{golden tensor: largest absolute difference} for one golden file.

    Args:
        back: whether our weights, under the reference's names again, are to equal its own to the bit.
    """
    with safe_open(path, framework="numpy") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    config = json.loads(header["config"])
    weights = {name.removeprefix("weights/"): v for name, v in tensors.items() if name.startswith("weights/")}
    if pathlib.Path(path).stem == "resampling":
        from tests.parity.resampling import resampling

        return resampling(config, tensors)
    reference = header.get("constructor") or header.get("builder")
    objective = translation(reference, "OBJECTIVES")
    if objective:
        ours = objective(config, tensors, weights)
        stated = {*json.loads(header["outputs"]), *(name for name in tensors if name.startswith("features/"))}
        assert set(ours) == stated, f"golden outputs without a counterpart, or too many: {set(ours) ^ stated}"
        return {name: _difference(value, tensors[name]) for name, value in ours.items()}
    image = tensors["input"].transpose(0, 2, 3, 1)
    translate = translation(reference)
    if not translate:
        raise NotImplementedError(f"no translation of {reference}")
    port = translate(config, image.shape[1:], weights)
    load_weights(port.model, weights, source=port.source)
    if back:
        assert_comes_back(port, weights)
    names = [name for name in port.outputs if name in tensors]
    nodes = [port.model.get_layer(port.outputs[name][0]).output for name in names]
    ours = keras.Model(port.model.input, nodes)(image if port.input == "input" else tensors[port.input])
    ours = dict(zip(names, ours if isinstance(ours, list) else [ours], strict=True))
    assert "logits" in ours, "no logits compared"
    uncompared = {n for n in tensors if n == "logits" or n.startswith(("features/", "forward_", "pre_"))} - set(ours)
    assert not uncompared, f"golden outputs without a counterpart: {uncompared}"
    return {
        name: _difference(port.outputs[name][1](keras.ops.convert_to_numpy(ours[name])), tensors[name])
        for name in names
    }


def assert_comes_back(port, weights):
    """All but what has no counterpart here: buffers, and counts of batches."""
    left_out = re.compile(rf"{SOURCES[port.source].ignored}|.*num_batches_tracked")
    ours = {name: value for name, value in to_source(port.model, port.source).items() if not left_out.fullmatch(name)}
    assert set(ours) == {name for name in weights if not left_out.fullmatch(name)}
    for name, value in ours.items():
        assert value.dtype == weights[name].dtype and np.array_equal(value, weights[name]), name


def translation(reference, table="TRANSLATIONS"):
    """What this package's modules say of a reference, None if nothing.

    TRANSLATIONS: a function (config, image shape, weights) -> Port. OBJECTIVES: a function (config, tensors, weights)
    -> {golden tensor: ours, in the reference's layout}.
    """
    return _union(table).get(reference)


def parameters():
    """{variant: number of parameters with 1000 classes}: PARAMETERS of all modules here.

    They are those of timm 1.0.31 or, if it doesn't have the net, of the official code.
    """
    return _union("PARAMETERS")


def initial_weights():
    """{variant: what the official code's weights begin with}: INITIAL of all modules here, see `initial`."""
    return _union("INITIAL")


def _union(table):
    modules = [importlib.import_module(module.name) for module in pkgutil.iter_modules(__path__, f"{__name__}.")]
    return {key: value for module in modules for key, value in getattr(module, table, {}).items()}


def _difference(ours, theirs):
    ours = np.asarray(ours)
    assert ours.shape == theirs.shape, f"shape {ours.shape}, reference {theirs.shape}"
    return float(np.max(np.abs(ours - theirs)))


def same(x):
    return x


def channels_first(x):
    """(B, H, W, C) -> (B, C, H, W)."""
    return x.transpose(0, 3, 1, 2)


def as_tokens(x):
    """(B, H, W, C) -> (B, H W, C)."""
    return x.reshape(x.shape[0], -1, x.shape[-1])


def tokens_as_map(prefix, height, width):
    """(B, prefix + H W, C) -> (B, C, H, W)."""
    return lambda x: channels_first(x[:, prefix:].reshape(x.shape[0], height, width, -1))
