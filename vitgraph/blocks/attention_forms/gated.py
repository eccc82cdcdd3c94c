"""Gated positional attention of ConViT (arXiv:2103.10697): a share of the probabilities comes from positions alone."""

import numpy as np
from keras import ops

from vitgraph.blocks.attention.core import AttentionCore, over_keys
from vitgraph.blocks.base import Layer, is_static, sizes
from vitgraph.blocks.initializers import initial


class GridAttention(Layer):
    """(B, H, W, .) -> (1, heads, N, N), (1, heads, 1, 1): attention by position times its share, and the other share.

    The scores of a query and a key are a linear layer of columns, rows and squared distance from one to the other; the
    share is the sigmoid of a learned gate, which starts at 1. Each head begins at another neighbour, so that together
    they are a convolution; heads beyond the largest square begin anywhere. Only the input's size matters.

    Args:
        num_heads: number of heads.
        strength: factor of the initial scores: the larger, the closer to a convolution.
    """

    def __init__(self, num_heads, strength=1.0, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.strength = strength

    def build(self, input_shape):
        heads = (self.num_heads,)
        self.kernel = self.add_weight(name="kernel", shape=(3, *heads), initializer=self._neighbours)
        self.bias = self.add_weight(name="bias", shape=heads, initializer="zeros")
        self.gate = self.add_weight(name="gate", shape=heads, initializer="ones")

    def _neighbours(self, shape, dtype):
        side = int(self.num_heads**0.5)
        across, down = (n - (side - 1) / 2 for n in np.divmod(np.arange(side**2), side))
        # The largest score is at the neighbour n: 2 d n - |d|^2 = |n|^2 - |d - n|^2.
        kernel = ops.cast(np.stack([2 * across, 2 * down, -np.ones(side**2)]), dtype)
        if side**2 < self.num_heads:
            others = initial("dense", f"{self.name}/kernel", 3, self.num_heads)
            kernel = ops.concatenate([kernel, others((3, self.num_heads - side**2), dtype)], axis=1)
        return kernel * self.strength

    def call(self, x):
        height, width = sizes(x)
        xp = np if is_static(height, width) else ops
        position = xp.arange(height * width)
        across, down = (p[None, :] - p[:, None] for p in (position % width, position // width))
        offsets = xp.reshape(xp.stack([across, down, across**2 + down**2], axis=-1), (-1, 3))
        scores = ops.matmul(ops.cast(offsets, self.compute_dtype), self.kernel) + self.bias
        tokens = position.shape[0] if xp is np else ops.shape(position)[0]
        scores = ops.transpose(ops.reshape(scores, (1, tokens, tokens, self.num_heads)), (0, 3, 1, 2))
        share = ops.reshape(ops.sigmoid(ops.cast(self.gate, self.compute_dtype)), (1, -1, 1, 1))
        return share * ops.cast(over_keys(ops.cast(scores, "float32")), share.dtype), 1 - share

    def compute_output_shape(self, input_shape):
        _, height, width, _ = input_shape
        tokens = height * width if is_static(height, width) else None
        return (1, self.num_heads, tokens, tokens), (1, self.num_heads, 1, 1)


class GatedPositionalAttention(AttentionCore):
    """(B, N, 2 C), (B, N, C), (1, heads, N, N), (1, heads, 1, 1) -> (B, N, C), two of them of a `GridAttention`.

    The probabilities are those of the queries and keys, side by side, times the fourth input, plus the third.
    """

    def call(self, qk, v, by_position, share, training=False):
        return self.attend(qk, v, by_position, share, training=training)

    def heads(self, qk, v, by_position, share):
        return *self._split(qk, 2), *self._split(v, 1), (by_position, share)

    def token_counts(self, qk_shape, v_shape, by_position_shape, share_shape):
        return super().token_counts(qk_shape)

    def _softmax(self, q, k, positions):
        by_position, share = (ops.cast(x, "float32") for x in positions)
        return over_keys(self._scores(q, k)) * share + by_position

    def compute_output_shape(self, qk_shape, v_shape, by_position_shape, share_shape):
        return v_shape
