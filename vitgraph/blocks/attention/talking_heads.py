"""Talking heads: attention whose heads are mixed before the softmax and after it (Shazeer et al., arXiv:2003.02436).

The mixtures are separate nodes, like the bias of windows, so that the core has no weights.
"""

from keras import ops

from vitgraph.blocks.attention.core import AttentionCore, over_keys
from vitgraph.blocks.base import Layer
from vitgraph.blocks.initializers import initial_linear


class HeadMixture(Layer):
    """(B, ...) -> (heads + 1, heads): a learned linear map of heads, with its bias in the last row.

    It doesn't depend on the input.
    """

    def __init__(self, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def build(self, input_shape):
        shape = (self.num_heads, self.num_heads)
        kernel, bias = initial_linear("dense", self.name, *shape)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=kernel)
        self.bias = self.add_weight(name="bias", shape=shape[1:], initializer=bias)

    def call(self, x):
        return ops.cast(ops.concatenate([self.kernel, ops.expand_dims(self.bias, 0)], axis=0), x.dtype)

    def compute_output_shape(self, input_shape):
        return (self.num_heads + 1, self.num_heads)


class TalkingHeadsAttention(AttentionCore):
    """(B, N, 3 C), two (heads + 1, heads) -> (B, N, C): mixture after(softmax(mixture before(scale q k'))) v.

    The matrix that the values are multiplied with needn't be positive, nor its rows sum to 1.
    """

    def call(self, qkv, before, after, training=False):
        return self.attend(qkv, before, after, training=training)

    def heads(self, qkv, before, after):
        return *self._split(qkv, 3), (before, after)

    def token_counts(self, qkv_shape, before_shape, after_shape):
        return super().token_counts(qkv_shape)

    def _softmax(self, q, k, mixtures):
        before, after = mixtures
        return mix(over_keys(mix(self._scores(q, k), before)), after)

    def compute_output_shape(self, qkv_shape, before_shape, after_shape):
        return (*qkv_shape[:-1], qkv_shape[-1] // 3)


def mix(maps, mixture):
    """(B, heads, N, M) -> (B, heads, N, M), in one product, without transposing the maps.

    Milliseconds for 8 x 4 x 196 x 196 in the TF graph: 2.7 (with gradient 4.9); as a dense layer over the last axis,
    with a transposition before and after it, 13 (28). Under XLA 1.7 (5.7), and 6.9 (22). With sums of maps, which XLA
    fuses with the softmax, CaiT-XXS24 trains 8 % faster but takes twice as long to compile, and CaiT-S24 five times.
    """
    mixture = ops.cast(mixture, maps.dtype)
    flat = ops.reshape(maps, (ops.shape(maps)[0], mixture.shape[-1], -1))
    mixed = ops.matmul(ops.transpose(mixture[:-1]), flat) + ops.expand_dims(mixture[-1], 1)
    return ops.reshape(mixed, ops.shape(maps))
