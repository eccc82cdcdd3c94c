"""A bias of attention by relative position, for a whole map, with a class token before it or without one."""

import numpy as np
from keras import ops

from vitgraph.blocks.base import Layer, is_static, look_up, pair, sizes
from vitgraph.blocks.initializers import initial
from vitgraph.blocks.positions.resampling import geometric_matrix, resample_map
from vitgraph.blocks.windows.windows import offset_index


class GridBias(Layer):
    """(B, H, W, .) -> (1, heads, 1 + H W, 1 + H W): BEiT's bias (arXiv:2106.08254), one for the whole map.

    The table has a row per offset between query and key on its grid, and then three rows: for the class token as query,
    as key, and as both. On another grid the rows of offsets are resampled in the graph. Only the input's size matters.

    Args:
        grid: (rows, columns) of the table's positions.
        num_heads: number of attention heads.
        prefix: 1, or 0 where there is no class token: (1, heads, H W, H W), and no further rows.
    """

    def __init__(self, grid, num_heads, prefix=1, **kwargs):
        super().__init__(**kwargs)
        self.grid = pair(grid)
        self.num_heads = num_heads
        self.prefix = prefix

    def build(self, input_shape):
        rows, columns = self.grid
        shape = ((2 * rows - 1) * (2 * columns - 1) + 3 * self.prefix, self.num_heads)
        initializer = "zeros" if self.prefix else initial("table", f"{self.name}/table")
        self.table = self.add_weight(name="table", shape=shape, initializer=initializer)

    def call(self, x):
        grid, table = sizes(x), self.table
        if not is_static(*grid) or tuple(grid) != self.grid:
            table = self._resampled(ops.convert_to_tensor(table), grid)
        xp = np if is_static(*grid) else ops
        index = self._index(xp, *grid) if self.prefix else offset_index(xp, grid, *grid)
        tokens = grid[0] * grid[1] + self.prefix
        bias = look_up(ops.cast(table, self.compute_dtype), xp.reshape(index, (-1,)))
        return ops.transpose(ops.reshape(bias, (1, tokens, tokens, self.num_heads)), (0, 3, 1, 2))

    @staticmethod
    def _index(xp, rows, columns):
        """(1 + N, 1 + N): the row of the table for each (query, key), the class token first."""
        offsets, count = offset_index(xp, (rows, columns), rows, columns), (2 * rows - 1) * (2 * columns - 1)
        token = xp.arange(rows * columns + 1) == 0
        index = xp.where(token[:, None], count, xp.pad(offsets, ((1, 0), (1, 0))))
        return xp.where(token[None, :], xp.where(token[:, None], count + 2, count + 1), index)

    def _resampled(self, table, grid):
        sides = [(2 * old - 1, 2 * new - 1) for old, new in zip(self.grid, grid, strict=True)]
        count = sides[0][0] * sides[1][0]
        offsets = ops.reshape(table[:count], (1, sides[0][0], sides[1][0], self.num_heads))
        offsets = resample_map(offsets, *(geometric_matrix(*side) for side in sides))
        offsets = ops.reshape(offsets, (-1, self.num_heads))
        return ops.concatenate([offsets, table[count:]], axis=0) if self.prefix else offsets

    def compute_output_shape(self, input_shape):
        _, height, width, _ = input_shape
        tokens = height * width + self.prefix if is_static(height, width) else None
        return (1, self.num_heads, tokens, tokens)
