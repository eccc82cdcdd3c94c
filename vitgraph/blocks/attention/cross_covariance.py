"""Cross-covariance attention of XCiT (arXiv:2106.09681): channels attend to channels, whatever the number of tokens."""

import keras
from keras import ops

from vitgraph.blocks.attention.core import AttentionCore
from vitgraph.blocks.base import Layer


class UnitChannels(Layer):
    """(B, ..., 3 C) -> (B, ..., 3 C): channels of queries and keys of length 1 over all tokens, queries times a scale.

    The scale is learned, one per head, and begins at 1. Lengths are float32 at least, under any policy.

    Args:
        num_heads: number of heads.
    """

    def __init__(self, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def build(self, input_shape):
        self.temperature = self.add_weight(name="temperature", shape=(self.num_heads,), initializer="ones")

    def call(self, qkv):
        width = qkv.shape[-1] // 3
        x = ops.cast(qkv, keras.backend.result_type(qkv.dtype, "float32"))
        squares = ops.sum(ops.square(x), axis=tuple(range(1, len(x.shape) - 1)), keepdims=True)
        # What has no length has no direction, and no gradient: 1e12 times the scores' would be none either.
        inverse = ops.where(squares > 1e-24, ops.rsqrt(ops.maximum(squares, 1e-24)), 0.0)
        scale = ops.repeat(ops.cast(self.temperature, x.dtype), width // self.num_heads)
        # One product scales all three, the values by 1.
        scale = ops.concatenate([scale, ops.ones((width,), x.dtype), ops.zeros((width,), x.dtype)])
        is_value = ops.concatenate([ops.zeros((2 * width,), x.dtype), ops.ones((width,), x.dtype)])
        return ops.cast(x * (inverse * scale + is_value), qkv.dtype)


class CrossCovarianceAttention(AttentionCore):
    """(B, ..., 3 C) -> (B, ..., C): each channel of the values becomes a mean of all channels of its head.

    With d channels per head the probabilities are (B, heads, d, d). The lengths of what attends grow with the number of
    tokens: `UnitChannels` comes before, and the scale is 1 unless it is given.
    """

    def call(self, qkv, training=False):
        return self.attend(qkv, training=training)

    def heads(self, qkv):
        return *(ops.transpose(x, (0, 3, 2, 1)) for x in self._split(qkv, 3)), None  # (B, d, heads, N)

    def token_counts(self, qkv_shape):
        return (qkv_shape[-1] // (3 * self.num_heads),) * 2

    def _scale(self, q):
        return 1.0 if self.scale is None else self.scale

    def _merge(self, y, first):
        return super()._merge(ops.transpose(y, (0, 3, 2, 1)), first)

    def compute_output_shape(self, qkv_shape):
        return (*qkv_shape[:-1], qkv_shape[-1] // 3)
