"""The maps that a graph's `Stage` layers mark."""

import keras

from vitgraph.blocks import Stage, ToMap


def _stages(model):
    stages = [layer for layer in model.layers if isinstance(layer, Stage)]
    if not stages:
        raise ValueError(f"model {model.name!r} has no Stage layers: it was not built by this package")
    return stages


def _map(model, stage):
    """The stage's output as a map (B, H, W, C)."""
    if stage.grid is None:
        return stage.output
    return ToMap(stage.prefix, name=f"{stage.name}_map")(stage.output, model.get_layer(stage.grid).output)


def _input(model):
    return model.input if keras.backend.is_keras_tensor(model.input) else model.inputs
