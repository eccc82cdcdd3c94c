"""Tables of positions: the grid that each is for, and a checkpoint's table for the grid of another input size."""

import functools
import itertools
import math
from collections.abc import Mapping

import numpy as np

from vitgraph.blocks import (
    AxisOffsets,
    BlockPositions,
    GridBias,
    OffsetBias,
    PositionTable,
    WindowBias,
    WindowOffsetBias,
)
from vitgraph.blocks.graph import layers_within
from vitgraph.blocks.positions.resampling import interpolation_matrix
from vitgraph.checkpoints import resample

_GRIDS = {
    AxisOffsets: "grid",
    PositionTable: "grid",
    OffsetBias: "grid",
    GridBias: "grid",
    BlockPositions: "block_size",
    WindowBias: "window_size",
    WindowOffsetBias: "window_size",
}

_OF_OFFSETS = (AxisOffsets, GridBias, WindowBias)
"""Those with an entry per offset between two positions."""


def grids_of(model):
    """{layer name: (rows, columns) of the positions, or of the window} of a graph's tables."""
    grids = {layer.name: _own_grid(layer) for layer in layers_within(model)}
    return {name: grid for name, grid in grids.items() if grid}


def resized(layer, value, stated, *, is_ours):
    """A checkpoint's table for the layer's grid; other weights, and tables of this grid, as they are.

    Args:
        stated: the checkpoint's grid: (rows, columns) of its patches, at any stride, or {layer name: (rows, columns)}.
        is_ours: whether a table that nothing is stated of is first taken as one of the layer's grid, then as square;
            else the other way round.

    Raises:
        ValueError: the table's own grid can't be told.
    """
    own = _own_grid(layer)
    if not own:
        return value
    if isinstance(layer, PositionTable) and value.ndim == 2:
        value = value[None]
    count = _count(layer, value)
    grids = _possible(layer, count, stated, own, is_ours)
    grid = next((tuple(grid) for grid in grids if _rows(layer, grid) == count), None)
    if not grid:
        raise ValueError(f"no grid has {count} entries")
    return value if grid == own else _resampled(layer, value, grid)


def _own_grid(layer):
    return next((tuple(getattr(layer, name)) for kind, name in _GRIDS.items() if isinstance(layer, kind)), None)


def _rows(layer, grid):
    """The number of a table's entries for a grid: one per position, or per offset between two."""
    return math.prod((2 * n - 1 for n in grid) if isinstance(layer, _OF_OFFSETS) else grid)


def _count(layer, value):
    """The number of a table's entries that belong to the grid."""
    if isinstance(layer, PositionTable):
        return value.shape[1] - layer.prefix
    if isinstance(layer, GridBias):
        return value.shape[0] - 3 * layer.prefix
    axis = {AxisOffsets: 0, OffsetBias: 1, WindowOffsetBias: 1, BlockPositions: 2, WindowBias: 0}[type(layer)]
    return value.shape[axis]


def _possible(layer, count, stated, own, is_ours):
    """The grids that a table of so many entries may be for, the likeliest first."""
    if isinstance(layer, AxisOffsets):
        return [layer.along((count + 1) // 2)]
    if isinstance(stated, Mapping) and layer.name in stated:
        return [stated[layer.name]]
    side = math.isqrt(count)
    square = ((side + 1) // 2 if isinstance(layer, _OF_OFFSETS) else side,) * 2
    usual = [own, square] if is_ours else [square, own]
    if not stated or isinstance(stated, Mapping):
        return usual
    if isinstance(layer, (WindowBias, WindowOffsetBias)):  # windows don't have the map's proportions
        return [stated, *usual]
    return [stated, *_at_other_strides(stated, count)]


def _at_other_strides(grid, count):
    """Grids of one image at other strides: of the same proportions or, at larger strides, rounded up or down."""
    rows, columns = (n // math.gcd(*grid) for n in grid)
    times = math.isqrt(count // (rows * columns))
    yield times * rows, times * columns
    for stride in range(2, max(grid) + 1):
        yield from itertools.product(*({n // stride, -(-n // stride)} for n in grid))


@functools.singledispatch
def _resampled(layer, value, old):
    raise NotImplementedError


@_resampled.register(PositionTable)
def _(layer, value, old):
    options = {"kernel": layer.kernel, "antialias": layer.antialias, "offset": layer.offset}
    return resample.position_table(value, layer.prefix, old, layer.grid, **options)


@_resampled.register(BlockPositions)
def _(layer, value, old):
    return resample.blockwise_table(value, layer.block_size, old)


@_resampled.register(OffsetBias)
@_resampled.register(WindowOffsetBias)
def _(layer, value, old):
    return resample.position_table(value.T[None], 0, old, _own_grid(layer))[0].T


@_resampled.register(AxisOffsets)
def _(layer, value, old):
    sides = (2 * math.prod(grid) - 1 for grid in (old, layer.grid))
    return (interpolation_matrix(*sides, kernel="bilinear", antialias=False) @ value).astype(value.dtype)


@_resampled.register(WindowBias)
def _(layer, value, old):
    return resample.relative_bias_table(value, old, layer.window_size)


@_resampled.register(GridBias)
def _(layer, value, old):
    count = _rows(layer, old)
    return np.concatenate([resample.relative_bias_table(value[:count], old, layer.grid), value[count:]])
