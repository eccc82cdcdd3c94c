"""Graph -> graph: channels first at both ends."""

import keras
from keras import layers

from vitgraph import contract as c
from vitgraph.blocks import AttentionMap


@c.public
def channels_first(model: c.ImageModel) -> keras.Model:
    """The same function of images (B, C, H, W), giving maps (B, C, H, W): one transposition at each end.

    Inside, the graph stays channels last, and is one node: take its pyramid or its attention first, this last.

    Args:
        model: a graph of this package, or what `pyramid` or `attention` made of it.

    Returns:
        A `keras.Model` with the model's weights, for images that come channels first, and for export.

    Example:
        >>> backbone = vitgraph.build_pvt_v2((64, 96, 3), include_top=False)
        >>> vitgraph.channels_first(backbone).output_shape
        (None, 256, 2, 3)
    """
    (tensor,) = model.inputs
    height, width, channels = tensor.shape[1:]
    image = keras.Input((channels, height, width), tensor.shape[0], tensor.dtype, name="image_channels_first")
    outputs = model(layers.Permute((2, 3, 1), name="channels_last")(image))
    names = keras.tree.pack_sequence_as(model.output, [f"output_{i}" for i in range(len(model.outputs))])

    def turn(tensor, original, name):
        is_map = len(tensor.shape) == 4 and not isinstance(original._keras_history.operation, AttentionMap)
        return layers.Permute((3, 1, 2), name=f"{name}_channels_first")(tensor) if is_map else tensor

    return keras.Model(image, keras.tree.map_structure(turn, outputs, model.output, names), name=model.name)
