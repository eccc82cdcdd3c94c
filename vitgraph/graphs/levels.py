"""Parts of a graph that the functions of this folder share: its input, its `Stage` layers, the maps at these."""

import keras

from vitgraph import contract as c
from vitgraph.blocks import GraphModel, Stage, ToMap


def input_of(model):
    """The input tensor; a list of them where there are several."""
    return model.input if keras.backend.is_keras_tensor(model.input) else model.inputs


def with_ending(model, outputs, name=None, kind=GraphModel):
    """The model from the same input to other outputs."""
    try:
        return kind(input_of(model), outputs, name=name or model.name)
    except ValueError:  # a layer's output is that of its first call
        c.require(False, "model", "a graph whose layers were called in no other graph before")


def stages_of(model):
    """The `Stage` layers, in the order of the stream."""
    return [layer for layer in model.layers if isinstance(layer, Stage)]


def levels_of(model):
    """{"P2": the last `Stage` of this stride, ...}, in the order of the stream."""
    return {stage.level: stage for stage in stages_of(model)}


def map_of(model, stage):
    """The stage's output as a map (B, H, W, C), without prefix tokens."""
    if stage.grid is None:
        return stage.output
    grids = [layer.output for layer in model.layers if layer.name == stage.grid]
    c.require(grids, "model", f"a graph that has the layer {stage.grid!r}, whose map tells where the tokens are")
    return ToMap(stage.prefix, name=f"{stage.name}_map")(stage.output, grids[0])
