"""Attention of linear cost: the kernel of the softmax, approximated by random features (Performer)."""

import keras
from keras import ops

from vitgraph.blocks.base import Block


class RandomFeatureAttention(Block):
    """(B, ..., 3 C) -> (B, ..., C): keys, queries and values side by side, one head; no map of N x N is made.

    exp(q k') is the expectation, over random vectors w, of f(q) f(k) with f(x) = exp(w x - |x|^2 / 2) (Choromanski et
    al., arXiv:2009.14794). It is computed in float32 under any policy.

    Args:
        features: number of random vectors: orthogonal, drawn once, never trained.
        epsilon: what is added to the sum of a query's weights.
    """

    def __init__(self, features, epsilon=1e-8, **kwargs):
        super().__init__(**kwargs)
        self.features = features
        self.epsilon = epsilon

    def build(self, input_shape):
        self.vectors = self.add_weight(
            name="vectors",
            shape=(self.features, input_shape[-1] // 3),
            initializer=keras.initializers.Orthogonal(gain=self.features**0.5),
            trainable=False,
            autocast=False,
        )

    def call(self, kqv):
        x = ops.cast(ops.reshape(kqv, (ops.shape(kqv)[0], -1, kqv.shape[-1])), "float32")
        k, q, v = ops.split(x, 3, axis=-1)
        k, q = self._map(k), self._map(q)
        weights = ops.matmul(q, ops.expand_dims(ops.sum(k, axis=1), 2))  # (B, N, 1)
        y = ops.matmul(q, ops.matmul(ops.transpose(k, (0, 2, 1)), v)) / (weights + self.epsilon)
        return ops.cast(ops.reshape(y, (-1, *ops.shape(kqv)[1:-1], y.shape[-1])), kqv.dtype)

    def _map(self, x):
        """(B, N, C) -> (B, N, features), all positive."""
        vectors = ops.cast(self.vectors, "float32")
        norms = ops.sum(ops.square(x), axis=-1, keepdims=True) / 2
        return ops.exp(ops.matmul(x, ops.transpose(vectors)) - norms) / self.features**0.5

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 3)
