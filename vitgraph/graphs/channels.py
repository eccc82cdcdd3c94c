"""Graph -> graph: channels first at both ends."""

import keras
from keras import layers

from vitgraph.blocks import AttentionMap
from vitgraph.graphs.levels import _input


def channels_first(model):
    """The same function of images (B, C, H, W), giving maps (B, C, H, W): one transposition at each end.

    Inside, the graph stays channels last, and is one node: take its pyramid or its attention first, this last.

    Args:
        model: a graph of this package, or what `pyramid` or `attention` made of it.

    Returns:
        A `keras.Model` with the model's weights, for whatever hands over such images, and for export.
    """
    height, width, channels = _input(model).shape[1:]
    image = keras.Input((channels, height, width), name="image_channels_first")
    outputs = model(layers.Permute((2, 3, 1), name="channels_last")(image))
    names = keras.tree.pack_sequence_as(model.output, [f"output_{i}" for i in range(len(model.outputs))])

    def turn(tensor, original, name):
        is_map = len(tensor.shape) == 4 and not isinstance(original._keras_history.operation, AttentionMap)
        return layers.Permute((3, 1, 2), name=f"{name}_channels_first")(tensor) if is_map else tensor

    outputs = keras.tree.map_structure(turn, outputs, model.output, names)
    return keras.Model(image, outputs, name=model.name)
