"""Attention cores: softmax attention without weights of its own.

The projections are `Dense` layers of the graph; a core takes their outputs, and `AttentionMap` wraps a core to return
its probabilities.
"""

import math

import keras
from keras import ops

from vitgraph.blocks.attention.parts import attend_in_parts, is_large
from vitgraph.blocks.base import Layer, dense_rows, is_static


class AttentionCore(Layer):
    """softmax(scale q k' + bias) v, over `num_heads` heads.

    A subclass defines `heads`, which makes queries, keys and values (B, N, heads, d) and a bias of its inputs, and
    `call`, from whose signature Keras reads the names of the inputs.

    Args:
        num_heads: number of heads.
        scale: factor of q k'; None: d ** -0.5, where d is the width of one head.
        drop: dropout rate of the probabilities.
    """

    def __init__(self, num_heads, scale=None, drop=0.0, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.scale = scale
        self.drop = drop
        self.seed_generator = keras.random.SeedGenerator() if drop else None

    def heads(self, *inputs):
        raise NotImplementedError

    def attend(self, *inputs, training):
        q, k, v, bias = self.heads(*inputs)
        tensorflow, plain = keras.backend.backend() == "tensorflow", bias is None and not (training and self.drop)
        if plain and not tensorflow and q.shape[-1] == v.shape[-1]:  # JAX wants equal widths
            y = ops.dot_product_attention(q, k, v, scale=self._scale(q))
        elif plain and tensorflow and training and is_large(q, k):
            q, k, v = (ops.transpose(x, (0, 2, 1, 3)) for x in (q, k * self._scale(q), v))
            y = ops.transpose(attend_in_parts(q, k, v), (0, 2, 1, 3))
        else:
            weights = ops.cast(self._softmax(q, k, bias), v.dtype)
            if training and self.drop:
                weights = keras.random.dropout(weights, self.drop, seed=self.seed_generator)
            y = ops.matmul(weights, ops.transpose(v, (0, 2, 1, 3)))  # (B, heads, N, d)
            y = ops.transpose(y, (0, 2, 1, 3))
        return self._merge(y, inputs[0])

    def probabilities(self, *inputs):
        """Returns the matrix that is multiplied with the values: (B, heads, N, M), float32."""
        q, k, _, bias = self.heads(*inputs)
        return self._softmax(q, k, bias)

    def token_counts(self, *shapes):
        """Returns the numbers N of queries and M of keys per sample, from the shapes of the inputs; None if unknown."""
        queries, keys = shapes[0], shapes[-1]
        return tuple(None if None in shape[1:-1] else math.prod(shape[1:-1]) for shape in (queries, keys))

    def _scale(self, q):
        return q.shape[-1] ** -0.5 if self.scale is None else self.scale

    def _softmax(self, q, k, bias):
        scores = self._scores(q, k)
        if bias is not None:
            scores = _add_bias(scores, ops.cast(bias, "float32"))
        return over_keys(scores)

    def _scores(self, q, k):
        """scale q k': (B, heads, N, M), float32."""
        q, k = ops.transpose(q, (0, 2, 1, 3)), ops.transpose(k * self._scale(q), (0, 2, 3, 1))
        return ops.cast(ops.matmul(q, k), "float32")

    def _merge(self, y, first):
        """Puts heads side by side, in the leading shape of the first input: tokens stay tokens, a map stays a map."""
        shape = ops.shape(first)
        return ops.reshape(y, (-1, *shape[1:-1], y.shape[-1] * self.num_heads))

    def _split(self, x, parts):
        return split_heads(x, parts, self.num_heads)


class SelfAttention(AttentionCore):
    """(B, N, 3 C)[, bias (W, heads, N, N)] -> (B, N, C): queries, keys and values side by side, each (heads, d).

    A bias of W > 1 windows is for inputs whose batch axis holds W windows per sample.
    """

    def call(self, qkv, bias=None, training=False):
        return self.attend(qkv, bias, training=training)

    def heads(self, qkv, bias=None):
        return *self._split(qkv, 3), bias

    def token_counts(self, qkv_shape, bias_shape=None):
        return super().token_counts(qkv_shape)

    def compute_output_shape(self, qkv_shape, bias_shape=None):
        return (*qkv_shape[:-1], qkv_shape[-1] // 3)


class CrossAttention(AttentionCore):
    """(B, ..., E), (B, M..., E + C) -> (B, ..., C): queries from one place, keys and values from another.

    E, the width of queries and keys, is usually C.
    """

    def call(self, q, kv, training=False):
        return self.attend(q, kv, training=training)

    def heads(self, q, kv):
        width = q.shape[-1]
        if kv.shape[-1] == 2 * width:  # a split's gradient is one concatenation, slices' gradients are padded and added
            return *self._split(q, 1), *self._split(kv, 2), None
        return *self._split(q, 1), *self._split(kv[..., :width], 1), *self._split(kv[..., width:], 1), None

    def compute_output_shape(self, q_shape, kv_shape):
        return (*q_shape[:-1], kv_shape[-1] - q_shape[-1])


class QKVAttention(AttentionCore):
    """(B, ..., C), (B, M..., C), (B, M..., D) -> (B, ..., D): queries, keys and values, each from a projection."""

    def call(self, q, k, v, training=False):
        return self.attend(q, k, v, training=training)

    def heads(self, q, k, v):
        return *self._split(q, 1), *self._split(k, 1), *self._split(v, 1), None

    def compute_output_shape(self, q_shape, k_shape, v_shape):
        return (*q_shape[:-1], v_shape[-1])


class SplitHeads(Layer):
    """(B, N, (heads + 2 key heads) d) -> queries (B, N, heads, d), keys and values (B, N, key heads, d).

    It is for layers that act on them before attention.

    Args:
        num_heads: number of heads.
        num_kv_heads: number of heads of keys and of values; None: as many as of queries.
    """

    def __init__(self, num_heads, num_kv_heads=None, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.num_kv_heads = num_kv_heads

    def call(self, qkv):
        heads, kv_heads = self.num_heads, self.num_kv_heads or self.num_heads
        if kv_heads == heads:
            return tuple(split_heads(qkv, 3, heads))
        q_width = qkv.shape[-1] // (heads + 2 * kv_heads) * heads
        return *split_heads(qkv[..., :q_width], 1, heads), *split_heads(qkv[..., q_width:], 2, kv_heads)

    def compute_output_shape(self, input_shape):
        batch, tokens, channels = input_shape
        counts = (self.num_heads, *(self.num_kv_heads or self.num_heads,) * 2)
        return tuple((batch, tokens, count, channels // sum(counts)) for count in counts)


class HeadsAttention(AttentionCore):
    """Three (B, N, heads, d) -> (B, N, heads d): attention of queries, keys and values that are split already.

    Keys and values may have fewer heads, each of which is for as many neighbouring heads of queries (grouped-query
    attention: Ainslie et al., arXiv:2305.13245).
    """

    def call(self, q, k, v, training=False):
        return self.attend(q, k, v, training=training)

    def heads(self, q, k, v):
        return q, *(self._for_all(x) for x in (k, v)), None

    def _for_all(self, x):
        """(B, N, key heads, d) -> (B, N, heads, d): each for as many heads of queries, in at most four axes."""
        groups = self.num_heads // x.shape[2]
        if groups == 1:
            return x
        return ops.reshape(ops.concatenate([x] * groups, -1), (-1, ops.shape(x)[1], self.num_heads, x.shape[-1]))

    def token_counts(self, q_shape, k_shape, v_shape):
        return q_shape[1], k_shape[1]

    def _merge(self, y, first):
        return ops.reshape(y, (ops.shape(y)[0], -1, y.shape[-1] * self.num_heads))

    def compute_output_shape(self, q_shape, k_shape, v_shape):
        batch, tokens, heads, width = q_shape
        return (batch, tokens, heads * width)


@keras.saving.register_keras_serializable(package="vitgraph")
class AttentionMap(keras.layers.Wrapper):
    """The probabilities of an attention core, from a list of the core's own inputs: -> (B, heads, N, M), float32."""

    def build(self, input_shape):
        if not self.layer.built:  # Keras can't quantise a graph with an unbuilt layer
            self.layer.build(input_shape)
        self.built = True

    def call(self, inputs):
        return self.layer.probabilities(*inputs)

    def compute_output_spec(self, inputs):
        queries, keys = self.layer.token_counts(*(x.shape for x in inputs))
        return keras.KerasTensor((None, self.layer.num_heads, queries, keys), dtype="float32")


class AttentionRollout(Layer):
    """Probabilities (B, heads, N, N), one tensor per block -> (B, N, N): how much of each input token an output has.

    The mean over heads plus the identity, rows of sum 1, multiplied through the blocks (arXiv:2005.00928).
    """

    def call(self, maps):
        rolled = None
        for probabilities in maps:
            mean = ops.mean(ops.cast(probabilities, "float32"), axis=1)
            mean = mean + ops.eye(ops.shape(mean)[-1], dtype="float32")
            mean = mean / ops.sum(mean, axis=-1, keepdims=True)
            rolled = mean if rolled is None else ops.matmul(mean, rolled)
        return rolled

    def compute_output_spec(self, maps):
        batch, _, queries, keys = maps[0].shape
        return keras.KerasTensor((batch, queries, keys), dtype="float32")


def split_heads(x, parts, heads):
    """(B, ..., parts heads d) -> `parts` tensors (B, N, heads, d).

    Parts are split before heads: LiteRT's XNNPACK doesn't support slices of (B, N, parts, heads, d), and a net that is
    delegated in pieces is slower. DeiT-Ti, one image on two AVX2 cores: 33 ms in 14 pieces, 18 in two.
    """
    width = x.shape[-1] // (parts * heads)
    rows, shape = dense_rows(x)
    x = x if shape is None else ops.reshape(rows, shape)
    pieces = [x] if parts == 1 else ops.split(x, parts, axis=-1)
    grid = x.shape[1:-1]
    tokens = (-1, math.prod(grid)) if is_static(*grid) else (ops.shape(x)[0], -1)
    return [ops.reshape(piece, (*tokens, heads, width)) for piece in pieces]


def over_keys(scores):
    """Softmax over the last axis."""
    if scores.shape[-1] == 1:  # PVT at 32 x 32 has one key, and Keras' softmax over one value warns
        return ops.ones_like(scores)
    return ops.softmax(scores, axis=-1)


def _add_bias(scores, bias):
    """scores (B W, heads, N, M) + bias (W, heads or 1, N, M)."""
    if bias.shape[0] == 1 or (is_static(bias.shape[0]) and bias.shape[0] == scores.shape[0]):
        return scores + bias  # for one image no tensor has more than four axes, which phones' GPUs need
    grouped = ops.reshape(scores, (-1, ops.shape(bias)[0], *scores.shape[1:2], *ops.shape(scores)[2:]))
    return ops.reshape(grouped + bias, ops.shape(scores))
