"""Layers on queries, keys and values before an attention core: biases, cosines."""

import math

import keras
from keras import ops

from vitgraph.blocks.base import Layer


class QVBias(Layer):
    """(B, N, 3 C) -> (B, N, 3 C): learned biases for queries and values, but not for keys."""

    def build(self, input_shape):
        width = (input_shape[-1] // 3,)
        self.q_bias = self.add_weight(name="q_bias", shape=width, initializer="zeros")
        self.v_bias = self.add_weight(name="v_bias", shape=width, initializer="zeros")

    def call(self, qkv):
        q_bias, v_bias = (ops.cast(bias, qkv.dtype) for bias in (self.q_bias, self.v_bias))
        return qkv + ops.concatenate([q_bias, ops.zeros_like(q_bias), v_bias])


class CosineQKV(QVBias):
    """(B, N, 3 C) -> (B, N, 3 C): queries and keys of length 1, head by head, queries times a learned scale.

    Their products are then cosines times the scale, which starts at 10 and is at most 100 (Swin V2, arXiv:2111.09883,
    section 3.2). The core that follows has scale=1. Lengths are float32 at least, under any policy.

    Args:
        num_heads: number of heads.
        use_bias: whether queries and values get biases first; keys never get one.
    """

    def __init__(self, num_heads, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.use_bias = use_bias

    def build(self, input_shape):
        log_10 = keras.initializers.Constant(math.log(10.0))
        self.logit_scale = self.add_weight(name="logit_scale", shape=(self.num_heads,), initializer=log_10)
        if self.use_bias:
            super().build(input_shape)

    def call(self, qkv):
        shape, heads = ops.shape(qkv), (3, self.num_heads, qkv.shape[-1] // (3 * self.num_heads))
        if self.use_bias:
            qkv = super().call(qkv)
        dtype = keras.backend.result_type(qkv.dtype, "float32")
        x = ops.cast(ops.reshape(qkv, (-1, shape[1], *heads)), dtype)
        inverse = inverse_length(x)  # (B, N, 3, heads, 1)
        # One product scales all three, the values by 1.
        is_value = ops.reshape(ops.convert_to_tensor([0.0, 0.0, 1.0], dtype), (3, 1, 1))
        scale = ops.exp(ops.minimum(ops.cast(self.logit_scale, dtype), math.log(100.0)))
        scale = ops.stack([scale, ops.ones_like(scale), ops.zeros_like(scale)])[:, :, None]  # (3, heads, 1)
        return ops.reshape(ops.cast(x * (inverse * scale + is_value), qkv.dtype), shape)


def inverse_length(x):
    """(..., n) -> (..., 1): 1 / the length of each vector.

    What has no length has no direction, and no gradient: 1e12 times the scores' would be none either.
    """
    squares = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return ops.where(squares > 1e-24, ops.rsqrt(ops.maximum(squares, 1e-24)), 0.0)
