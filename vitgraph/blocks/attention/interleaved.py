"""Attention of LeViT (arXiv:2104.01136): a bias by absolute offset, and projections ordered head by head."""

import numpy as np
from keras import ops

from vitgraph.blocks.attention.core import AttentionCore
from vitgraph.blocks.base import Layer, look_up, pair


class _OffsetTable(Layer):
    """A table (heads, rows columns) of the absolute offsets on a grid, from which a bias of attention is read."""

    def build(self, input_shape):
        rows, columns = self._sides()
        self.table = self.add_weight(name="table", shape=(self.num_heads, rows * columns), initializer="zeros")

    def call(self, x):
        index = self._index()
        bias = look_up(ops.cast(self.table, self.compute_dtype), index.reshape(-1), axis=1)
        return ops.reshape(bias, (1, self.num_heads, *index.shape))

    def _index(self, stride=1):
        """(N, H W): the column of the table for each (query, key), queries at every `stride`-th position."""
        sides = self._sides()
        down, across = (np.abs(np.arange(0, n, stride)[:, None] - np.arange(n)[None, :]) for n in sides)
        index = down[:, None, :, None] * sides[1] + across[None, :, None, :]
        return index.reshape(len(down) * len(across), -1)

    def compute_output_shape(self, input_shape):
        return (1, self.num_heads, *self._index().shape)


class OffsetBias(_OffsetTable):
    """(B, H, W, .) -> (1, heads, N, H W): a learned number per head and offset (|rows|, |columns|) on the grid.

    There is a query at every position, or at every `stride`-th in both directions.

    Args:
        grid: (rows, columns) of the keys.
        num_heads: number of heads.
        stride: distance between queries.
    """

    def __init__(self, grid, num_heads, stride=1, **kwargs):
        super().__init__(**kwargs)
        self.grid = pair(grid)
        self.num_heads = num_heads
        self.stride = stride

    def _sides(self):
        return self.grid

    def _index(self):
        return super()._index(self.stride)


class WindowOffsetBias(_OffsetTable):
    """(B, H, W, .) -> (1, heads, w, w): the same within windows of w positions, whatever the size of the map.

    Args:
        window_size: (rows, columns) of a window.
        num_heads: number of heads.
    """

    def __init__(self, window_size, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.window_size = pair(window_size)
        self.num_heads = num_heads

    def _sides(self):
        return self.window_size


class InterleavedSelfAttention(AttentionCore):
    """(B, ..., heads (2 d + e))[, bias (1, heads, N, N)] -> (B, ..., heads e): query, key and value, head by head.

    Args:
        num_heads: number of heads.
        key_dim: width d of a query and of a key.
    """

    def __init__(self, num_heads, key_dim, **kwargs):
        super().__init__(num_heads, **kwargs)
        self.key_dim = key_dim

    def call(self, qkv, bias=None, training=False):
        return self.attend(qkv, bias, training=training)

    def heads(self, qkv, bias=None):
        (x,), d = self._split(qkv, 1), self.key_dim
        return x[..., :d], x[..., d : 2 * d], x[..., 2 * d :], bias

    def token_counts(self, qkv_shape, bias_shape=None):
        return super().token_counts(qkv_shape)

    def compute_output_shape(self, qkv_shape, bias_shape=None):
        return (*qkv_shape[:-1], qkv_shape[-1] - 2 * self.num_heads * self.key_dim)


class InterleavedCrossAttention(AttentionCore):
    """(B, ..., heads d), (B, M..., heads (d + e))[, bias (1, heads, N, M)] -> (B, ..., heads e).

    Queries come from one input, keys and values from another, in which they are ordered head by head.
    """

    def call(self, q, kv, bias=None, training=False):
        return self.attend(q, kv, bias, training=training)

    def heads(self, q, kv, bias=None):
        (q,), (x,) = self._split(q, 1), self._split(kv, 1)
        d = q.shape[-1]
        return q, x[..., :d], x[..., d:], bias

    def token_counts(self, q_shape, kv_shape, bias_shape=None):
        return super().token_counts(q_shape, kv_shape)

    def compute_output_shape(self, q_shape, kv_shape, bias_shape=None):
        return (*q_shape[:-1], kv_shape[-1] - q_shape[-1])
