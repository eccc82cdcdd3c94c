"""Locality self-attention: no token sees itself, and each head learns its temperature (arXiv:2112.13492)."""

import keras
import numpy as np
from keras import ops

from vitgraph.blocks.attention.core import SelfAttention
from vitgraph.blocks.base import Layer, is_static


class QueryScale(Layer):
    """(B, N, 3 C) -> (B, N, 3 C): queries times a learned number per head, initially d ** -0.5.

    It comes before a core with scale=1, and is the inverse temperature of its softmax.

    Args:
        num_heads: number of heads.
    """

    def __init__(self, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def build(self, input_shape):
        width = input_shape[-1] // (3 * self.num_heads)
        initializer = keras.initializers.Constant(width**-0.5)
        self.scale = self.add_weight(name="scale", shape=(self.num_heads,), initializer=initializer)

    def call(self, qkv):
        channels = qkv.shape[-1] // 3
        scale = ops.repeat(ops.cast(self.scale, qkv.dtype), channels // self.num_heads)
        return qkv * ops.concatenate([scale, ops.ones((2 * channels,), scale.dtype)])


class LocalitySelfAttention(SelfAttention):
    """(B, N, 3 C) -> (B, N, C): self-attention of each token to all others, except itself."""

    def call(self, qkv, training=False):
        return self.attend(qkv, training=training)

    def heads(self, qkv):
        tokens = ops.shape(qkv)[1]
        xp = np if is_static(tokens) else ops
        token = xp.arange(tokens)
        itself = token[:, None] == token[None, :]
        bias = xp.where(itself, np.float32(-1e9), np.float32(0.0))
        return *self._split(qkv, 3), xp.reshape(bias, (1, 1, tokens, tokens))

    def token_counts(self, qkv_shape):
        return super().token_counts(qkv_shape)

    def compute_output_shape(self, qkv_shape):
        return super().compute_output_shape(qkv_shape)
