"""Attention among the tokens of a group, and the linear attention with one score per token."""

from keras import ops

from vitgraph.blocks.attention.core import AttentionCore, SelfAttention
from vitgraph.blocks.base import Layer


class GroupedAttention(SelfAttention):
    """(B, G, N, 3 C) -> (B, G, N, C): self-attention within each of G groups of N tokens."""

    def call(self, qkv, training=False):
        return self.attend(qkv, training=training)

    def heads(self, qkv):
        return super().heads(_groups_as_samples(qkv))

    def token_counts(self, qkv_shape):
        return qkv_shape[2], qkv_shape[2]

    def compute_output_shape(self, qkv_shape):
        return (*qkv_shape[:-1], qkv_shape[-1] // 3)


class ContextAttention(AttentionCore):
    """(B, G, N, 1 + 2 d) -> (B, G, 1, d): the context of each group: its keys, weighted by softmax(scores) over tokens.

    Scores, keys and values are side by side (separable self-attention: Mehta and Rastegari, arXiv:2206.02680).
    `ContextGate` uses the values.
    """

    def __init__(self, drop=0.0, **kwargs):
        super().__init__(num_heads=1, scale=1.0, drop=drop, **kwargs)

    def call(self, qkv, training=False):
        return self.attend(qkv, training=training)

    def heads(self, qkv):
        """One query of ones, whose products with the scores are the scores."""
        qkv = _groups_as_samples(qkv)[:, :, None]  # (B G, N, 1, 1 + 2 d)
        scores, keys = qkv[..., :1], qkv[..., 1 : 1 + qkv.shape[-1] // 2]
        return ops.ones_like(scores[:, :1]), scores, keys, None

    def token_counts(self, qkv_shape):
        return 1, qkv_shape[2]

    def _merge(self, y, first):
        return ops.reshape(y, (-1, *ops.shape(first)[1:2], 1, y.shape[-1]))

    def compute_output_shape(self, qkv_shape):
        batch, groups, _, channels = qkv_shape
        return (batch, groups, 1, channels // 2)


class ContextGate(Layer):
    """(B, G, N, 1 + 2 d), (B, G, 1, d) -> (B, G, N, d): relu(values) times the context of their group."""

    def call(self, qkv, context):
        return ops.relu(qkv[..., -context.shape[-1] :]) * context

    def compute_output_shape(self, qkv_shape, context_shape):
        return (*qkv_shape[:-1], context_shape[-1])


def _groups_as_samples(x):
    """(B, G, N, C) -> (B G, N, C)."""
    return ops.reshape(x, (-1, *ops.shape(x)[2:3], x.shape[-1]))
