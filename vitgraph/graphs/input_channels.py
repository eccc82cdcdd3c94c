"""Graph -> graph: the same net for images of another number of channels."""

import keras
import numpy as np

from vitgraph import contract as c
from vitgraph.blocks.base import is_static
from vitgraph.graphs.copies import copied, like
from vitgraph.graphs.levels import input_of

_SIDE = 256  # pixels of the image that tells which channel a layer's inputs come from, where no size is known


@c.public
def change_channels(model: c.Graph, channels: c.Side) -> keras.Model:
    """A copy of the net for images of another number of channels, with its weights.

    The kernels that read the image are summed over its channels for images of one, so that the net answers as it did to
    grey images. (It doesn't where a norm of the patches' pixels comes first, as in T2T-ViT, SPT and PatchMerger.) For
    more, they are repeated and scaled, so that the first layer's outputs stay as large.

    Args:
        model: a graph of this package, with or without its top, just built or read back from a file; it is left as it
            is.
        channels: number of channels of the new images.

    Returns:
        A `keras.Model` of the same layers under the same names.

    Example:
        >>> vit = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2)
        >>> vitgraph.change_channels(vit, 1).input_shape
        (None, 32, 32, 1)
    """
    images = len(model.inputs) == 1 and len(model.inputs[0].shape) == 4
    c.require(images, "model", "a graph of one input, images (B, H, W, C)")
    before = model.inputs[0]
    image = keras.Input((*before.shape[1:3], channels), before.shape[0], before.dtype, name=before.name)

    with c.calling("model", "a graph whose first layers take any number of channels"):
        copy = copied(model, lambda layer, _: like(layer), _where_it_fits, image)
        for layer in copy.layers:
            for old, new in zip(model.get_layer(layer.name).weights, layer.weights, strict=True):
                if old.shape != new.shape:
                    axis = next(i for i, (n, m) in enumerate(zip(old.shape, new.shape, strict=True)) if n != m)
                    sources = _channel_of(model, layer.name), _channel_of(copy, layer.name)
                    new.assign(_adapted(keras.ops.convert_to_numpy(old), axis, *sources))
    return copy


def _where_it_fits(layer, new, value, shape):
    return value if value.shape == shape else None


def _channel_of(model, name):
    """(n,): the image's channel that each of a layer's inputs comes from, where only norms and moves came before."""
    tensor = model.get_layer(name).input
    while tensor._keras_history.operation.weights:  # a norm, after which each channel is in all of them
        tensor = tensor._keras_history.operation.input
    height, width, channels = model.inputs[0].shape[1:]
    size = (height, width) if is_static(height, width) else (_SIDE, _SIDE)
    inputs, strengths = input_of(model), []
    before = keras.Model(inputs, tensor)
    for i in range(channels):
        image = np.zeros((1, *size, channels), "float32")
        image[..., i] = 1
        y = np.abs(keras.ops.convert_to_numpy(before(keras.tree.pack_sequence_as(inputs, [image]))))
        strengths.append(y.max(axis=tuple(range(y.ndim - 1))))
    return np.argmax(strengths, axis=0)


def _adapted(value, axis, channel, new_channel):
    """A kernel or a norm's weights for inputs of other channels along an axis.

    Args:
        channel, new_channel: (n,) of each input along the axis before, and now.
    """
    value, count, new_count = np.moveaxis(value, axis, 0), channel.max() + 1, new_channel.max() + 1
    parts = [value[channel == i] for i in range(count)]  # inputs of one channel are in the same order, by place
    is_kernel = value.ndim > 1
    if new_count == 1:
        parts = [np.sum(parts, axis=0) if is_kernel else np.mean(parts, axis=0)]
    elif is_kernel:
        parts = [part * (count / new_count) for part in parts]
    new = np.empty((len(new_channel), *value.shape[1:]), value.dtype)
    for i in range(new_count):
        new[new_channel == i] = parts[i % len(parts)]
    return np.moveaxis(new, 0, axis)
