"""Adaptive token sampling: some tokens are kept and the others dropped, in tensors of fixed shapes (arXiv:2111.15667).

Tokens are (B, 1 + M, C), the class token first, which is always kept. `ids` (B, M) are the numbers of the patches that
the others stand for, `picks` (B, K) are indices into these M tokens. In both, -1 means padding, whose tokens are zeros.
"""

import keras
import numpy as np
from keras import ops

from vitgraph.blocks.attention.core import AttentionCore, over_keys
from vitgraph.blocks.base import Layer, is_static, sizes


class _Numbers(Layer):
    """A layer whose output is integers under any dtype policy."""

    def compute_output_spec(self, *inputs):
        return keras.KerasTensor(self.compute_output_shape(*(x.shape for x in inputs)), dtype="int32")


class PatchIds(_Numbers):
    """(B, H, W, .) -> (B, H W), int32: the numbers of all patches, row by row, before any is dropped."""

    def call(self, grid):
        height, width = sizes(grid)
        return ops.broadcast_to(_count(height * width), (ops.shape(grid)[0], height * width))

    def compute_output_shape(self, grid_shape):
        batch, height, width, _ = grid_shape
        return (batch, height * width if is_static(height, width) else None)


class MaskedAttention(AttentionCore):
    """(B, 1 + M, 3 C), ids (B, M)[, picks (B, K)] -> (B, 1 + M, C) or (B, 1 + K, C): attention that ignores padding.

    With `picks` only the class token and the picked tokens are queries.
    """

    def call(self, qkv, ids, picks=None, training=False):
        return self.attend(qkv, ids, picks, training=training)

    def heads(self, qkv, ids, picks=None):
        q, k, v = self._split(qkv, 3)
        return q if picks is None else _with_class(q, picks), k, v, _real(ids)

    def class_weights(self, qkv, ids):
        """Returns the class token's attention (B, heads, 1 + M), and the tokens' values as in `heads`."""
        q, k, v, real = self.heads(qkv, ids)
        return self._softmax(q[:, :1], k, real)[:, :, 0], v

    def token_counts(self, qkv_shape, ids_shape, picks_shape=None):
        queries = ids_shape if picks_shape is None else picks_shape
        return tuple(None if shape[1] is None else 1 + shape[1] for shape in (queries, ids_shape))

    def _softmax(self, q, k, real):
        return over_keys(ops.where(ops.expand_dims(real, (1, 2)), self._scores(q, k), -1e9))

    def _merge(self, y, first):
        return ops.reshape(y, (ops.shape(y)[0], -1, y.shape[-1] * self.num_heads))

    def compute_output_shape(self, qkv_shape, ids_shape, picks_shape=None):
        batch, tokens, channels = qkv_shape
        if picks_shape is not None:
            tokens = None if picks_shape[1] is None else 1 + picks_shape[1]
        return (batch, tokens, channels // 3)


class TokenSampler(_Numbers):
    """(B, 1 + M, 3 C), ids (B, M) -> picks (B, K), int32: the tokens that a block keeps, least significant first.

    A token's significance is the class token's attention to it, summed over heads, times the length of its value.
    Sorted by significance, each token has a place in the cumulative distribution of significance. Each of K equidistant
    points, the last at 1, picks the token whose place is nearest. A token that is picked twice is kept once.

    Args:
        num_heads, scale: as for the attention.
        num_tokens: 1 + K, if there are that many tokens; None: 1 + M.
        drop_tokens: whether the samples with the most tokens always lose their least significant one, see
            `build_ats_vit`.
    """

    def __init__(self, num_heads, scale=None, num_tokens=None, drop_tokens=False, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.scale = scale
        self.num_tokens = num_tokens
        self.drop_tokens = drop_tokens
        self.core = MaskedAttention(num_heads, scale, dtype=self.dtype_policy)

    def build(self, qkv_shape, ids_shape):
        self.core.build(qkv_shape)

    def call(self, qkv, ids):
        significance, tokens = self._significance(qkv, ids), ops.shape(ids)[1]
        order = ops.argsort(significance, axis=1)
        places = self._distribution(_take(significance, order), ids)
        points = self._points(places, self._kept(tokens))
        beyond = ops.expand_dims(points, 2) > ops.expand_dims((places[:, 1:] + places[:, :-1]) / 2, 1)
        picks = ops.sum(ops.cast(beyond, "int32"), axis=2)  # (B, K), ascending
        again = ops.concatenate([picks[:, 1:] == picks[:, :-1], ops.zeros_like(picks[:, :1], dtype="bool")], axis=1)
        picks = ops.sort(ops.where(again, tokens, picks), axis=1)
        padding = picks == tokens
        return ops.where(padding, -1, _take(order, ops.where(padding, 0, picks)))

    def _significance(self, qkv, ids):
        weights, values = self.core.class_weights(qkv, ids)
        lengths = ops.sqrt(ops.sum(ops.square(ops.cast(values, "float32")), axis=(2, 3)))
        return (ops.sum(weights, axis=1) * lengths)[:, 1:]

    def _distribution(self, significance, ids):
        """Returns the places of the tokens from 0, where the least significant one is, or padding, to 1."""
        total = ops.cumsum(significance, axis=1)
        first = total[:, :1]
        if self.drop_tokens:
            real = ids >= 0
            count = ops.sum(ops.cast(real, "int32"), axis=1, keepdims=True)
            padding = ops.shape(ids)[1] - count
            least = ops.sum(ops.where(_count(ops.shape(ids)[1]) == padding, significance, 0.0), 1, keepdims=True)
            first = ops.where(count == ops.max(count), least, first)
        return ops.maximum(total - first, 0.0) / ops.maximum(total[:, -1:] - first, 1e-30)

    @staticmethod
    def _points(places, count):
        """Returns `count` equidistant points, from the first token whose place isn't 0 to 1."""
        start = ops.min(ops.where(places > 0, places, 1.0), axis=1, keepdims=True)
        fraction = ops.cast(_count(count), "float32") / ops.cast(ops.maximum(count - 1, 1), "float32")
        return start + (1.0 - start) * fraction

    def _kept(self, tokens):
        if self.num_tokens is None:
            return tokens
        return (min if is_static(tokens) else ops.minimum)(self.num_tokens - 1, tokens)

    def compute_output_shape(self, qkv_shape, ids_shape):
        batch, tokens = ids_shape
        return (batch, None if tokens is None else self._kept(tokens))


class PickTokens(Layer):
    """(B, 1 + M, C), picks (B, K) -> (B, 1 + K, C): the class token and the picked tokens; zeros for padding."""

    def call(self, x, picks):
        return _with_class(x, picks)

    def compute_output_shape(self, x_shape, picks_shape):
        return (x_shape[0], None if picks_shape[1] is None else 1 + picks_shape[1], x_shape[-1])


class PickIds(_Numbers):
    """ids (B, M), picks (B, K) -> ids (B, K), int32: the numbers of the patches that are kept; -1 for padding."""

    def call(self, ids, picks):
        ids, picks = ops.cast(ids, "int32"), ops.cast(picks, "int32")
        return ops.where(picks < 0, -1, _take(ids, ops.maximum(picks, 0)))

    def compute_output_shape(self, ids_shape, picks_shape):
        return picks_shape


class ClearPadding(Layer):
    """(B, 1 + M, C), ids (B, M) -> (B, 1 + M, C): zeros in the place of padding."""

    def call(self, x, ids):
        return ops.where(ops.expand_dims(_real(ids), 2), x, ops.zeros_like(x))

    def compute_output_shape(self, x_shape, ids_shape):
        return x_shape


class PutBack(Layer):
    """(B, 1 + M, C), ids (B, M), (B, H, W, .) -> (B, 1 + H W, C): patches in place, zeros for dropped ones."""

    def call(self, x, ids, grid):
        height, width = sizes(grid)
        here = ops.expand_dims(ops.cast(ids, "int32"), 1) == ops.reshape(_count(height * width), (1, -1, 1))
        picks = ops.max(ops.where(here, _count(ops.shape(ids)[1]), -1), axis=2)  # (B, H W)
        return _with_class(x, picks)

    def compute_output_shape(self, x_shape, ids_shape, grid_shape):
        _, height, width, _ = grid_shape
        return (x_shape[0], 1 + height * width if is_static(height, width) else None, x_shape[-1])


def _count(size):
    return np.arange(size, dtype="int32") if is_static(size) else ops.arange(size, dtype="int32")


def _real(ids):
    """(B, M) -> (B, 1 + M): whether a token isn't padding."""
    return ops.concatenate([ops.ones_like(ids[:, :1], dtype="bool"), ids >= 0], axis=1)


def _take(x, places):
    """(B, M, ...), (B, K) -> (B, K, ...)."""
    batch, tokens = ops.shape(x)[:2]
    rest = ops.shape(x)[2:]
    rows = ops.reshape(_count(batch) * tokens, (-1, 1)) + places
    return ops.reshape(ops.take(ops.reshape(x, (-1, *rest)), ops.reshape(rows, (-1,)), axis=0), (batch, -1, *rest))


def _with_class(x, picks):
    """(B, 1 + M, ...), (B, K) -> (B, 1 + K, ...): the class token before the picked tokens; zeros for padding."""
    picks = ops.cast(picks, "int32")
    picked = _take(x, 1 + ops.maximum(picks, 0))
    real = ops.reshape(picks >= 0, (*ops.shape(picks), *(1,) * (len(x.shape) - 2)))
    return ops.concatenate([x[:, :1], ops.where(real, picked, ops.zeros_like(picked))], axis=1)
