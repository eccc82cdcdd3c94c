"""Attention of linear cost, without a map of all pairs: by random features (Performer), or by ReLU (EfficientViT)."""

import keras
from keras import ops

from vitgraph.blocks.attention.core import AttentionCore
from vitgraph.blocks.base import Layer


class RandomFeatureAttention(Layer):
    """(B, ..., 3 C) -> (B, ..., C): keys, queries and values side by side, each (heads, d), without an N x N map.

    exp(q k') is the expectation, over random vectors w, of f(q) f(k) with f(x) = exp(w x - |x|^2 / 2) (Choromanski et
    al., arXiv:2009.14794). It is computed in float32 under any policy.

    Args:
        features: number of random vectors: orthogonal, drawn once, never trained, the same for all heads.
        epsilon: added to the sum of a query's weights.
        num_heads: number of heads.
        scale: factor of q k'.
    """

    def __init__(self, features, epsilon=1e-8, num_heads=1, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        self.features = features
        self.epsilon = epsilon
        self.num_heads = num_heads
        self.scale = scale

    def build(self, input_shape):
        self.vectors = self.add_weight(
            name="vectors",
            shape=(self.features, input_shape[-1] // (3 * self.num_heads)),
            initializer=keras.initializers.Orthogonal(gain=self.features**0.5),
            trainable=False,
            autocast=False,
        )

    def call(self, kqv):
        k, q, v = (self._heads(x) for x in ops.split(ops.cast(kqv, "float32"), 3, axis=-1))
        k, q = self._map(k), self._map(q)
        weights = ops.matmul(q, ops.expand_dims(ops.sum(k, axis=2), 3))  # (B, heads, N, 1)
        y = ops.matmul(q, ops.matmul(ops.transpose(k, (0, 1, 3, 2)), v)) / (weights + self.epsilon)
        y = ops.transpose(y, (0, 2, 1, 3))
        return ops.cast(ops.reshape(y, (-1, *ops.shape(kqv)[1:-1], kqv.shape[-1] // 3)), kqv.dtype)

    def _heads(self, x):
        """(B, ..., C) -> (B, heads, N, d)."""
        x = ops.reshape(x, (ops.shape(x)[0], -1, self.num_heads, x.shape[-1] // self.num_heads))
        return ops.transpose(x, (0, 2, 1, 3))

    def _map(self, x):
        """(B, heads, N, d) -> (B, heads, N, features), all positive."""
        x, vectors = x * self.scale**0.5, ops.cast(self.vectors, "float32")
        norms = ops.sum(ops.square(x), axis=-1, keepdims=True) / 2
        return ops.exp(ops.matmul(x, ops.transpose(vectors)) - norms) / self.features**0.5

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 3)


class ReLULinearAttention(AttentionCore):
    """(B, ..., heads 3 d) -> (B, ..., heads d): queries, keys and values head by head, without an N x N map.

    relu(q) (relu(k)' v) / (relu(q) (relu(k)' 1) + epsilon), in float32 under any policy (Cai et al., arXiv:2205.14756).

    Args:
        num_heads: number of heads, of all scales together.
        epsilon: added to the sum of a query's weights.
    """

    def __init__(self, num_heads, epsilon=1e-5, **kwargs):
        super().__init__(num_heads, **kwargs)
        self.epsilon = epsilon

    def call(self, qkv, training=False):
        return self.attend(qkv, training=training)

    def heads(self, qkv):
        (x,) = self._split(qkv, 1)
        q, k, v = ops.split(x, 3, axis=-1)
        return ops.relu(q), ops.relu(k), v, None

    def attend(self, qkv, training):
        q, k, v = self._in_float32(qkv)
        sums = ops.matmul(q, ops.expand_dims(ops.sum(k, axis=2), 3))  # (B, heads, N, 1)
        y = ops.matmul(q, ops.matmul(ops.transpose(k, (0, 1, 3, 2)), v)) / (sums + self.epsilon)
        return self._merge(ops.cast(ops.transpose(y, (0, 2, 1, 3)), qkv.dtype), qkv)

    def probabilities(self, qkv):
        """Their rows sum to a little less than 1, for `epsilon`."""
        q, k, _ = self._in_float32(qkv)
        weights = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2)))
        return weights / (ops.sum(weights, axis=-1, keepdims=True) + self.epsilon)

    def _in_float32(self, qkv):
        """Queries, keys and values (B, heads, N, d)."""
        return [ops.transpose(ops.cast(x, "float32"), (0, 2, 1, 3)) for x in self.heads(qkv)[:3]]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 3)
