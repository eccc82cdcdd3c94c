"""Residual attention (RealFormer: He et al., arXiv:2012.11747): each layer's scores are added to the next layer's.

The scores are therefore a node of the graph, and the core begins with their softmax.
"""

from keras import ops

from vitgraph.blocks.attention.core import AttentionCore, over_keys
from vitgraph.blocks.base import Layer


class AttentionScores(Layer):
    """(B, N, 3 C)[, earlier scores (B, heads, N, N)] -> (B, heads, N, N): d ** -0.5 q k' + the earlier scores.

    Queries, keys and values are side by side, each (heads, d).
    """

    def __init__(self, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def call(self, qkv, before=None):
        channels = qkv.shape[-1] // 3
        width = channels // self.num_heads
        q, k = (
            ops.reshape(part, (ops.shape(qkv)[0], -1, self.num_heads, width))
            for part in (qkv[..., :channels], qkv[..., channels : 2 * channels])
        )
        scores = ops.matmul(ops.transpose(q, (0, 2, 1, 3)), ops.transpose(k * width**-0.5, (0, 2, 3, 1)))
        return scores if before is None else scores + before

    def compute_output_shape(self, qkv_shape, before_shape=None):
        batch, tokens, _ = qkv_shape
        return (batch, self.num_heads, tokens, tokens)


class ScoredAttention(AttentionCore):
    """(B, N, 3 C), scores (B, heads, N, N) -> (B, N, C): softmax(scores) v, with scores from `AttentionScores`."""

    def call(self, qkv, scores, training=False):
        return self.attend(qkv, scores, training=training)

    def heads(self, qkv, scores):
        return *self._split(qkv, 3), scores

    def token_counts(self, qkv_shape, scores_shape):
        return super().token_counts(qkv_shape)

    def _softmax(self, q, k, scores):
        return over_keys(ops.cast(scores, "float32"))

    def compute_output_shape(self, qkv_shape, scores_shape):
        return (*qkv_shape[:-1], qkv_shape[-1] // 3)
