"""Position embeddings of a grid of patches."""

import math

import numpy as np
from keras import ops

from vitgraph.blocks.base import Layer, is_static, look_up, pair, sizes
from vitgraph.blocks.initializers import initial
from vitgraph.blocks.positions.resampling import interpolation_matrix, resample_map


class PositionTable(Layer):
    """Adds a learned table to tokens (B, prefix + H W, C) or, without prefix, to a map (B, H, W, C).

    The second input (B, H, W, .) gives the grid. If it isn't the table's own, the part for patches is resampled in the
    graph; the part for the prefix never is.

    Args:
        grid: (rows, columns) of the table.
        prefix: number of leading tokens (class, registers) with a row of their own.
        kernel, antialias, offset: of the resampling, see `interpolation_matrix`; the defaults are those of timm's
            `dynamic_img_size`.
    """

    def __init__(self, grid, prefix=0, kernel="bicubic", antialias=True, offset=0.0, **kwargs):
        super().__init__(**kwargs)
        self.grid = pair(grid)
        self.prefix = prefix
        self.kernel = kernel
        self.antialias = antialias
        self.offset = offset

    def build(self, x_shape, grid_shape):
        rows, columns = self.grid
        self.table = self.add_weight(
            name="table",
            shape=(1, self.prefix + rows * columns, x_shape[-1]),
            initializer=initial("table", f"{self.name}/table"),
        )

    def call(self, x, grid):
        new = sizes(grid)
        table = self.table
        if not is_static(*new) or tuple(new) != self.grid:
            table = ops.convert_to_tensor(table)
            patches = ops.reshape(table[:, self.prefix :], (1, *self.grid, table.shape[-1]))
            matrices = (self._matrix(old, n) for old, n in zip(self.grid, new, strict=True))
            patches = ops.reshape(resample_map(patches, *matrices), (1, -1, table.shape[-1]))
            table = ops.concatenate([table[:, : self.prefix], patches], axis=1)
        if len(x.shape) == 4:
            table = ops.reshape(table, (1, *new, table.shape[-1]))
        return x + ops.cast(table, x.dtype)

    def _matrix(self, old, new):
        options = {"kernel": self.kernel, "antialias": self.antialias, "offset": self.offset}
        return interpolation_matrix(old, new, **options)

    def compute_output_shape(self, x_shape, grid_shape):
        return x_shape


class WindowTable(Layer):
    """Adds a learned table of one window to every window of a map (B, H, W, C): arXiv:2311.05613.

    Args:
        window_size: (rows, columns) of the table.
    """

    def __init__(self, window_size, **kwargs):
        super().__init__(**kwargs)
        self.window_size = pair(window_size)

    def build(self, input_shape):
        shape = (1, math.prod(self.window_size), input_shape[-1])
        self.table = self.add_weight(name="table", shape=shape, initializer=initial("table", f"{self.name}/table"))

    def call(self, x):
        height, width = sizes(x)
        xp, (rows, columns) = np if is_static(height, width) else ops, self.window_size
        index = (xp.arange(height) % rows)[:, None] * columns + xp.arange(width) % columns
        table = look_up(self.table, xp.reshape(index, (-1,)), axis=1)
        return x + ops.cast(ops.reshape(table, (1, height, width, x.shape[-1])), x.dtype)


class SinCosTable(PositionTable):
    """A `PositionTable` that starts as MAE's fixed 2-D table (arXiv:2111.06377) and isn't trained.

    Channels are [sin x, cos x, sin y, cos y] with frequencies 10000^(-i / (C / 4)); rows of the prefix are zero.
    """

    def build(self, x_shape, grid_shape):
        table = sincos_table(self.grid, self.prefix, x_shape[-1])
        self.table = self.add_weight(
            name="table",
            shape=table.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(table, dtype),
            trainable=False,
        )


def sincos_table(grid, prefix, channels):
    """Returns MAE's 2-D table: (1, prefix + rows columns, channels), float32."""
    (rows, columns), quarter = grid, channels // 4
    frequency = 10000.0 ** (-np.arange(quarter, dtype="float64") / (channels / 4))
    down, across = (np.arange(n, dtype="float64")[:, None] * frequency for n in (rows, columns))
    parts = [np.sin(across)[None], np.cos(across)[None], np.sin(down)[:, None], np.cos(down)[:, None]]
    patches = np.concatenate([np.broadcast_to(part, (rows, columns, quarter)) for part in parts], axis=-1)
    table = np.zeros((1, prefix + rows * columns, channels), "float32")
    table[0, prefix:] = patches.reshape(rows * columns, channels)
    return table


class SinCosPosition(Layer):
    """Adds the fixed 2-D sine-cosine embedding of SimpleViT: (B, H W, C), (B, H, W, .) -> (B, H W, C).

    Channels are [sin x, cos x, sin y, cos y] with frequencies 10000^(-i / (C / 4 - 1)) (arXiv:2205.01580).
    """

    def __init__(self, temperature=10000.0, **kwargs):
        super().__init__(**kwargs)
        self.temperature = temperature

    def call(self, x, grid):
        height, width = sizes(grid)
        quarter = x.shape[-1] // 4
        frequency = self.temperature ** (-np.arange(quarter, dtype="float64") / max(quarter - 1, 1))
        frequency = frequency.astype("float32")
        xp = np if is_static(height, width) else ops
        rows, columns = (self._angles(xp, n, frequency) for n in (height, width))
        parts = [
            xp.broadcast_to(angle, (height, width, quarter))
            for angle in (xp.sin(columns), xp.cos(columns), xp.sin(rows[:, None]), xp.cos(rows[:, None]))
        ]
        table = xp.reshape(xp.concatenate(parts, axis=-1), (1, -1, 4 * quarter))
        return x + ops.cast(table, x.dtype)

    @staticmethod
    def _angles(xp, count, frequency):
        position = xp.arange(count)
        position = position.astype("float32") if xp is np else ops.cast(position, "float32")
        return position[:, None] * frequency

    def compute_output_shape(self, x_shape, grid_shape):
        return x_shape
