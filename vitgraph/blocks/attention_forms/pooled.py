"""Attention of MViT v2 (arXiv:2112.01526): heads that are pooled alike, and a bias by row and by column."""

import numpy as np
from keras import ops

from vitgraph.blocks.attention.core import HeadsAttention
from vitgraph.blocks.base import Layer, is_static, look_up, pair, sizes
from vitgraph.blocks.convolution.convolution import DepthwiseConv2D
from vitgraph.blocks.initializers import initial, initial_linear
from vitgraph.blocks.positions.resampling import interpolation_matrix


class HeadwiseConv2D(DepthwiseConv2D):
    """(B, H, W, heads d) -> (B, H', W', heads d): a `DepthwiseConv2D` whose kernel (k, k, d, 1) all heads share.

    Args:
        num_heads: number of heads.
        kernel_size, strides: as of a `DepthwiseConv2D`; there is no bias.
    """

    def __init__(self, num_heads, kernel_size, strides=1, **kwargs):
        super().__init__(kernel_size, strides, use_bias=False, **kwargs)
        self.num_heads = num_heads

    def build(self, input_shape):
        rows, columns = self.kernel_size
        shape = (rows, columns, input_shape[-1] // self.num_heads, 1)
        kernel, _ = initial_linear("conv", self.name, rows * columns, rows * columns)
        self._of_head = self.add_weight(name="kernel", shape=shape, initializer=kernel)

    @property
    def kernel(self):
        """(k, k, heads d, 1)."""
        return ops.tile(ops.convert_to_tensor(self._of_head), (1, 1, self.num_heads, 1))


class AxisOffsets(Layer):
    """Queries (B, prefix + N, heads, d) -> (B, N, heads, M): their products with a learned vector per offset.

    The offset is that of rows or of columns, so that M is the number of rows or columns of the keys. The second input
    (B, H, W, .) has the positions of the queries, the third that of the keys. If a side isn't the one that the table is
    for, the table is resampled in the graph, linearly as in the official code. Where queries and keys are on different
    grids, offsets are measured in steps of the finer one.

    Args:
        axis: 0 for rows, 1 for columns.
        grid: (rows, 1) or (1, columns), of the finer one of both grids.
        prefix: number of leading queries without a position.
    """

    def __init__(self, axis, grid, prefix=0, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis
        self.grid = pair(grid)
        self.prefix = prefix

    def along(self, side):
        """The grid of so many rows or columns."""
        return (side, 1) if self.axis == 0 else (1, side)

    def build(self, q_shape, q_grid_shape, k_grid_shape):
        shape = (2 * self.grid[self.axis] - 1, q_shape[-1])
        self.table = self.add_weight(name="table", shape=shape, initializer=initial("table", f"{self.name}/table"))

    def call(self, q, q_grid, k_grid):
        (height, width), (_, _, heads, depth) = sizes(q_grid), q.shape
        queries, keys = sizes(q_grid)[self.axis], sizes(k_grid)[self.axis]
        others = width if self.axis == 0 else height
        x = ops.reshape(q[:, self.prefix :], (-1, height, width, heads * depth))
        x = x if self.axis == 0 else ops.transpose(x, (0, 2, 1, 3))
        x = ops.reshape(x, (-1, queries, others * heads, depth))
        x = ops.matmul(x, ops.transpose(self._vectors(queries, keys), (0, 2, 1)))
        x = ops.reshape(x, (-1, queries, others, heads * keys))
        x = x if self.axis == 0 else ops.transpose(x, (0, 2, 1, 3))
        return ops.reshape(x, (-1, height * width, heads, keys))

    def _vectors(self, queries, keys):
        """(queries, keys, d): the table's row for each pair."""
        static = is_static(queries, keys)
        xp, larger = (np, max(queries, keys)) if static else (ops, ops.maximum(queries, keys))
        table = ops.convert_to_tensor(self.table)
        if not static or larger != self.grid[self.axis]:
            matrix = interpolation_matrix(table.shape[0], 2 * larger - 1, kernel="bilinear", antialias=False)
            table = ops.matmul(ops.cast(matrix, table.dtype), table)
        # One of the quotients is exact; nothing negative is divided.
        down, across = xp.arange(queries) * larger // queries, (keys - 1 - xp.arange(keys)) * larger // keys
        index = xp.expand_dims(down, 1) + xp.expand_dims(across, 0)
        rows = look_up(ops.cast(table, self.compute_dtype), xp.reshape(index, (-1,)))
        return ops.reshape(rows, (queries, keys, rows.shape[-1]))

    def compute_output_shape(self, q_shape, q_grid_shape, k_grid_shape):
        batch, tokens, heads, _ = q_shape
        return (batch, None if tokens is None else tokens - self.prefix, heads, k_grid_shape[1 + self.axis])


class PooledAttention(HeadsAttention):
    """Three (B, ., heads, d)[, two (B, N, heads, .), map] -> (B, prefix + N, heads d): softmax(q k' + bias) v.

    Queries, keys and values are split into heads. Two `AxisOffsets` and the map (B, H, W, .) of the keys may follow:
    the bias is then a number for the key's row plus one for its column. The sum is a product with ones and zeros, so
    that it is part of q k'.

    Args:
        num_heads: number of heads.
        prefix: number of leading tokens without a position.
    """

    def __init__(self, num_heads, prefix=0, **kwargs):
        super().__init__(num_heads, **kwargs)
        self.prefix = prefix

    def call(self, q, k, v, rows=None, columns=None, grid=None, training=False):
        return self.attend(q, k, v, rows, columns, grid, training=training)

    def heads(self, q, k, v, rows=None, columns=None, grid=None):
        q = q * q.shape[-1] ** -0.5
        if grid is None:
            return q, k, v, None
        place = ops.cast(_places(*sizes(grid)), k.dtype)
        count, width = ops.shape(place)
        place = ops.reshape(place, (1, count, 1, width))
        place = ops.broadcast_to(place, (ops.shape(k)[0], count, self.num_heads, width))
        bias = ops.concatenate([rows, columns], axis=-1)
        if self.prefix:
            before = ((0, 0), (self.prefix, 0), (0, 0), (0, 0))
            bias, place = ops.pad(bias, before), ops.pad(place, before)
        return ops.concatenate([q, bias], axis=-1), ops.concatenate([k, place], axis=-1), v, None

    def token_counts(self, q_shape, k_shape, *others):
        return q_shape[1], k_shape[1]

    def _scale(self, q):
        return 1.0

    def compute_output_shape(self, q_shape, k_shape, v_shape, rows_shape=None, columns_shape=None, grid_shape=None):
        return super().compute_output_shape(q_shape, k_shape, v_shape)


def _places(height, width):
    """(H W, H + W): for each position, which row it is in and which column."""
    xp = np if is_static(height, width) else ops
    position, rows, columns = (xp.arange(count) for count in (height * width, height, width))
    place = (xp.expand_dims(position // width, 1), rows), (xp.expand_dims(position % width, 1), columns)
    return xp.concatenate([xp.equal(here, xp.expand_dims(there, 0)) for here, there in place], 1)
