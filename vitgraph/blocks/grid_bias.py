"""BEiT's attention: biases by relative position on a grid with tokens before it, and biases of queries and values."""

import keras
import numpy as np
from keras import ops

from vitgraph.blocks.base import Block, pair


class GridBias(Block):
    """(B, H, W, .) -> (1, heads, 1 + H W, 1 + H W): a bias for every offset of two patches, of which only H, W count.

    The table has a row for each offset (query less key), then three: from the class token to patches, from patches to
    it, from it to itself (BEiT, arXiv:2106.08254).

    Args:
        grid: (rows, columns) of patches.
        num_heads: heads of the attention.
    """

    def __init__(self, grid, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.grid = pair(grid)
        self.num_heads = num_heads

    def build(self, input_shape):
        rows, columns = self.grid
        self.table = self.add_weight(
            name="table",
            shape=((2 * rows - 1) * (2 * columns - 1) + 3, self.num_heads),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        )

    def call(self, x):
        index = self._index()
        bias = ops.take(ops.cast(self.table, self.compute_dtype), index.reshape(-1), axis=0)
        return ops.transpose(ops.reshape(bias, (1, *index.shape, self.num_heads)), (0, 3, 1, 2))

    def _index(self):
        """(1 + N, 1 + N): the table's row for each (query, key)."""
        rows, columns = self.grid
        y, x = (grid.reshape(-1) for grid in np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"))
        down, across = y[:, None] - y[None, :] + rows - 1, x[:, None] - x[None, :] + columns - 1
        offsets = (2 * rows - 1) * (2 * columns - 1)
        index = np.full((1 + rows * columns,) * 2, offsets)  # the class token's to patches
        index[1:, 0], index[0, 0] = offsets + 1, offsets + 2
        index[1:, 1:] = down * (2 * columns - 1) + across
        return index

    def compute_output_shape(self, input_shape):
        tokens = 1 + self.grid[0] * self.grid[1]
        return (1, self.num_heads, tokens, tokens)


class QVBias(Block):
    """(B, N, 3 C) -> (B, N, 3 C): biases of queries and values, and none of keys."""

    def build(self, input_shape):
        width = (input_shape[-1] // 3,)
        self.q_bias = self.add_weight(name="q_bias", shape=width, initializer="zeros")
        self.v_bias = self.add_weight(name="v_bias", shape=width, initializer="zeros")

    def call(self, qkv):
        q_bias, v_bias = (ops.cast(bias, qkv.dtype) for bias in (self.q_bias, self.v_bias))
        return qkv + ops.concatenate([q_bias, ops.zeros_like(q_bias), v_bias])
