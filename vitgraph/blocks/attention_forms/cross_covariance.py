"""Cross-covariance attention of XCiT (arXiv:2106.09681): channels attend to channels, whatever the number of tokens."""

import keras
from keras import ops

from vitgraph.blocks.attention.core import AttentionCore, split_heads
from vitgraph.blocks.attention.cosine import inverse_length
from vitgraph.blocks.base import Layer, is_static, sizes


class UnitChannels(Layer):
    """(B, H, W, 3 C) -> three (B, d, heads, H W): the d channels of each head of queries, keys and values.

    Over all positions a channel of queries and keys has length 1; queries are then scaled by a learned number per head,
    which begins at 1. Lengths are float32 at least, under any policy.

    Args:
        num_heads: number of heads.
    """

    def __init__(self, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def build(self, input_shape):
        self.scale = self.add_weight(name="scale", shape=(self.num_heads,), initializer="ones")

    def call(self, qkv):
        q, k, v = (ops.transpose(x, (0, 3, 2, 1)) for x in split_heads(qkv, 3, self.num_heads))
        return self._unit(q, ops.reshape(self.scale, (-1, 1))), self._unit(k, 1.0), v

    @staticmethod
    def _unit(x, scale):
        y = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
        return ops.cast(y * (inverse_length(y) * ops.cast(scale, y.dtype)), x.dtype)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        positions = height * width if is_static(height, width) else None
        return ((batch, channels // (3 * self.num_heads), self.num_heads, positions),) * 3


class CrossCovarianceAttention(AttentionCore):
    """Three (B, d, heads, N) -> (B, d, heads, N): each channel becomes a mean of all channels of its head.

    The probabilities are (B, heads, d, d). The scale is 1 unless it is given.
    """

    def call(self, q, k, v, training=False):
        return self.attend(q, k, v, training=training)

    def heads(self, q, k, v):
        return q, k, v, None

    def token_counts(self, q_shape, k_shape, v_shape):
        return q_shape[1], k_shape[1]

    def _scale(self, q):
        return 1.0 if self.scale is None else self.scale

    def _merge(self, y, first):
        return y

    def compute_output_shape(self, q_shape, k_shape, v_shape):
        return q_shape


class JoinChannels(Layer):
    """(B, d, heads, H W), (B, H, W, C) -> (B, H, W, C), C = heads d: the channels of all heads, as a map."""

    def call(self, x, like):
        height, width = sizes(like)
        return ops.reshape(ops.transpose(x, (0, 3, 2, 1)), (-1, height, width, like.shape[-1]))

    def compute_output_shape(self, x_shape, like_shape):
        return like_shape
