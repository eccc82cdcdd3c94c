"""Graph -> graph: the same net for images of another size."""

import re
from fractions import Fraction
from typing import Any

import keras
from keras import layers

from vitgraph import contract as c
from vitgraph.blocks import AxisOffsets, BlockPositions, GridBias, OffsetBias, PositionTable, Unfold
from vitgraph.blocks.base import is_static
from vitgraph.blocks.windows.windows import Windowed
from vitgraph.checkpoints.tables import grids_of, resized
from vitgraph.graphs.copies import copied, like


@c.public
def change_input_shape(model: c.Graph, shape: c.Image) -> keras.Model:
    """A copy of the net for images of another size, with its weights; tables of positions are resampled once.

    Windows of attention keep their size. On a map that is smaller they are clipped to it, and where a map was too small
    to be shifted and no longer is, every other block shifts again.

    Args:
        model: a graph of this package, with or without its top, just built or read back from a file; it is left as it
            is.
        shape: (height, width, channels), as many channels as before. Height and width may be None if no table is tied
            to one size, as those of LeViT and NesT are; tables then stay as they are, and are resampled at each call.

    Returns:
        A `keras.Model` of the same layers under the same names.

    Raises:
        ValueError, TypeError: an argument that isn't allowed: also a size of no whole patches, if the graph was built
            for one that has them.

    Example:
        >>> vit = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2)
        >>> larger = vitgraph.change_input_shape(vit, (48, 64, 3))
        >>> larger.input_shape, larger.get_layer("pos_embed").grid
        ((None, 48, 64, 3), (3, 4))
    """
    images = len(model.inputs) == 1 and len(model.inputs[0].shape) == 4
    c.require(images, "model", "a graph of one input, images (B, H, W, C)")
    before, (*size, channels) = model.inputs[0], shape
    here = before.shape[-1]
    c.require(channels == here, "shape", f"images of {here} channels, as before; change_channels gives them others")
    tied = [layer.name for layer in model.layers if isinstance(layer, (OffsetBias, BlockPositions))]
    c.require(is_static(*size) or not tied, "shape", f"a known size: {tied[:1]} holds for one grid")
    image = keras.Input(tuple(shape), before.shape[0], before.dtype, name=before.name)
    grids = grids_of(model)
    in_parts = any(isinstance(layer, BlockPositions) for layer in model.layers)
    sides: Any = zip(size, before.shape[1:3], strict=True)
    ratios = [Fraction(new, old) for new, old in sides] if in_parts else None

    def layer_of(layer, tensors):
        _check_patches(layer, tensors)
        if in_parts:
            return like(layer, **_scaled(layer, ratios))
        return like(layer, **_window(layer, tensors), **_grid(layer, tensors))

    def value_of(layer, new, value, new_shape):
        return resized(new, value, {layer.name: grids.get(layer.name)}, is_ours=True)

    with c.calling("shape", "a size that all layers of the graph take"):
        return copied(model, layer_of, value_of, image)


def _check_patches(layer, tensors):
    """What was cut into whole patches still is: the image, and the maps that MobileViT attends to."""
    if isinstance(layer, Unfold):
        whole = all(n is None or n % side == 0 for n, side in zip(tensors[0].shape[1:3], layer.patch_size, strict=True))
        c.require(whole, "shape", f"sizes whose maps the patches of {layer.name!r}, {layer.patch_size}, divide")
    if isinstance(layer, layers.Conv2D) and layer.kernel_size == layer.strides and layer.padding == "valid":
        for old, new, side in zip(layer.input.shape[1:3], tensors[0].shape[1:3], layer.strides, strict=True):
            is_image = isinstance(tensors[0]._keras_history.operation, layers.InputLayer)
            cut = is_image and is_static(old, new) and old % side == 0 and new % side != 0
            c.require(not cut, "shape", f"sides that the patches' {layer.strides} divide")


def _grid(layer, tensors):
    """The grid of a table of positions, which is that of the map that the layer is given."""
    if isinstance(layer, AxisOffsets):
        sides = [x.shape[1 + layer.axis] for x in tensors[1:]]
        return {"grid": layer.along(max(sides))} if is_static(*sides) else {}
    if isinstance(layer, (PositionTable, GridBias, OffsetBias)):
        grid = tensors[-1].shape[1:3]
        return {"grid": tuple(grid)} if is_static(*grid) else {}
    return {}


def _scaled(layer, ratios):
    """The parts of the image that NesT's layers are for: as many of them, of another size."""
    names = [name for name in ("window_size", "block_size") if hasattr(layer, name)]
    sizes = {name: [n * ratio for n, ratio in zip(getattr(layer, name), ratios, strict=True)] for name in names}
    c.require(all(n.denominator == 1 for size in sizes.values() for n in size), "shape", "parts of whole patches")
    return {name: tuple(map(int, size)) for name, size in sizes.items()}


def _window(layer, tensors):
    """The shift of a window that covered its map, for which there was none, and no longer does."""
    if not isinstance(layer, Windowed) or not layer.clip or "shift" not in layer.get_config():
        return {}
    old, new = keras.tree.flatten(layer.input)[-1].shape[1:3], tensors[-1].shape[1:3]
    number = re.search(r"_block_(\d+)_", layer.name)
    if number is None or int(number[1]) % 2 == 0 or not is_static(*old, *new):
        return {}
    axes = zip(old, new, layer.window_size, layer.shift, strict=True)
    return {"shift": tuple(window // 2 if was <= window < n else shift for was, n, window, shift in axes)}
