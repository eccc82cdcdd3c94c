"""Attention of linear cost: softmax attention approximated from a few landmarks (Nystroem's method)."""

from keras import ops

from vitgraph.blocks.attention.core import AttentionCore, over_keys
from vitgraph.blocks.base import is_static


class NystromAttention(AttentionCore):
    """(B, N, 3 C) -> (B, N, C): queries, keys and values side by side, each (heads, d), without an N x N map.

    softmax(q k') v is approximated by softmax(q k_') Z softmax(q_ k') v (Xiong et al., arXiv:2102.03902). The landmarks
    q_ and k_ are the means of `num_landmarks` equal pieces of the sequence, which is padded with zeros in front; Z is
    the pseudo-inverse of A = softmax(q_ k_'), by Newton's iteration. Only `probabilities` computes the matrix that the
    values are multiplied with: its entries may be negative, and its rows needn't sum to 1.

    Softmax and pseudo-inverse, whose entries become large, are computed in float32 under any policy.

    Args:
        num_heads: number of heads.
        num_landmarks: number of pieces.
        pinv_iterations: steps of Newton's iteration.
        pinv_shared: the iteration starts from A' divided by the largest column sum over all heads and samples of the
            batch, not over its own matrix: it converges more slowly, and an answer depends on the rest of the batch.
        scale: factor of q k'; None: d ** -0.5, where d is the width of one head.
    """

    def __init__(self, num_heads, num_landmarks=64, pinv_iterations=6, pinv_shared=False, scale=None, **kwargs):
        super().__init__(num_heads, scale, **kwargs)
        self.num_landmarks = num_landmarks
        self.pinv_iterations = pinv_iterations
        self.pinv_shared = pinv_shared

    def call(self, qkv):
        q, k, v, _ = self.heads(qkv)
        left, right = self._factors(q, k)
        y = ops.matmul(left, ops.matmul(right, _heads_first(v)))  # (B, heads, N, d)
        return self._merge(ops.cast(ops.transpose(y, (0, 2, 1, 3)), qkv.dtype), qkv)

    def heads(self, qkv):
        return *self._split(qkv, 3), None

    def probabilities(self, qkv):
        q, k, _, _ = self.heads(qkv)
        return ops.matmul(*self._factors(q, k))

    def _factors(self, q, k):
        """Returns the two factors of `probabilities`: (B, heads, N, m), (B, heads, m, N)."""
        q_marks, k_marks = _heads_first(self._landmarks(q)), _heads_first(self._landmarks(k))
        q, k = _heads_first(q), _heads_first(k)
        scale = self._scale(q)
        inverse = self._pseudo_inverse(over_keys(_products(q_marks, k_marks) * scale))
        left = ops.matmul(over_keys(_products(q, k_marks) * scale), inverse)
        return left, self._over_padded_keys(_products(q_marks, k) * scale)

    def _padding(self, count):
        """Number of zeros in front of `count` tokens."""
        return (count + self.num_landmarks - 1) // self.num_landmarks * self.num_landmarks - count

    def _landmarks(self, x):
        """(B, N, heads, d) -> (B, m, heads, d)."""
        count, heads, width = ops.shape(x)[1], x.shape[2], x.shape[3]
        padding = self._padding(count)
        x = ops.pad(ops.cast(x, "float32"), ((0, 0), (padding, 0), (0, 0), (0, 0)))
        pieces = ops.reshape(x, (-1, self.num_landmarks, (padding + count) // self.num_landmarks, heads * width))
        return ops.reshape(ops.mean(pieces, axis=2), (-1, self.num_landmarks, heads, width))

    def _over_padded_keys(self, scores):
        """Softmax over the keys and the padding, whose scores are 0: (B, heads, m, N)."""
        count = ops.shape(scores)[-1]
        padding = self._padding(count)
        if is_static(padding) and not padding:
            return over_keys(scores)
        peak = ops.stop_gradient(ops.maximum(ops.max(scores, axis=-1, keepdims=True), 0.0))
        weights = ops.exp(scores - peak)
        return weights / (ops.sum(weights, axis=-1, keepdims=True) + ops.cast(padding, "float32") * ops.exp(-peak))

    def _pseudo_inverse(self, a):
        """(B, heads, m, m) -> (B, heads, m, m)."""
        columns = ops.sum(a, axis=2, keepdims=True)  # the rows sum to 1
        largest = ops.max(columns) if self.pinv_shared else ops.max(columns, axis=3, keepdims=True)
        z, one = ops.transpose(a, (0, 1, 3, 2)) / largest, ops.eye(self.num_landmarks, dtype="float32")
        for _ in range(self.pinv_iterations):
            az = ops.matmul(a, z)
            y = 7.0 * one - az
            y = 15.0 * one - ops.matmul(az, y)
            y = 13.0 * one - ops.matmul(az, y)
            z = 0.25 * ops.matmul(z, y)
        return z

    def compute_output_shape(self, qkv_shape):
        return (*qkv_shape[:-1], qkv_shape[-1] // 3)


def _heads_first(x):
    """(B, N, heads, d) -> (B, heads, N, d), float32."""
    return ops.transpose(ops.cast(x, "float32"), (0, 2, 1, 3))


def _products(q, k):
    return ops.matmul(q, ops.transpose(k, (0, 1, 3, 2)))
