"""Pooling of a sequence by attention over it."""

from keras import ops

from vitgraph.blocks.attention.core import AttentionCore


class SequencePooling(AttentionCore):
    """(B, N, C), scores (B, N, 1) -> (B, C): the mean of the tokens, weighted by a softmax over their scores.

    This is attention with one head and the single query 1: the scores are the keys, the tokens the values.
    """

    def __init__(self, **kwargs):
        super().__init__(num_heads=1, scale=1.0, **kwargs)

    def call(self, x, scores):
        weights = ops.cast(self.probabilities(x, scores), x.dtype)
        return ops.matmul(weights[:, 0], x)[:, 0]

    def heads(self, x, scores):
        keys = ops.expand_dims(scores, 2)
        return ops.ones_like(keys[:, :1]), keys, ops.expand_dims(x, 2), None

    def token_counts(self, x_shape, scores_shape):
        return 1, x_shape[1]

    def compute_output_shape(self, x_shape, scores_shape):
        return (x_shape[0], x_shape[-1])
