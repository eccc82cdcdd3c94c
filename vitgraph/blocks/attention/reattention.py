"""Re-attention (Zhou et al., arXiv:2103.11886): the maps of attention are nodes that other layers act on."""

from keras import ops

from vitgraph.blocks.attention.core import AttentionCore
from vitgraph.blocks.attention.talking_heads import mix
from vitgraph.blocks.base import Layer


class MixHeads(Layer):
    """(B, heads, N, M), (heads + 1, heads) -> (B, heads, N, M): maps of attention, mixed by a `HeadMixture`."""

    def call(self, maps, mixture):
        return mix(maps, mixture)

    def compute_output_shape(self, maps_shape, mixture_shape):
        return maps_shape


class MapAttention(AttentionCore):
    """(B, N, 3 C), (B, heads, N, N) -> (B, N, C): the values, multiplied with maps made of queries and keys.

    Args:
        num_heads: number of heads.
        scale: factor of the maps; None: 1.
    """

    def call(self, qkv, maps, training=False):
        return self.attend(qkv, maps, training=training)

    def heads(self, qkv, maps):
        return *self._split(qkv, 3), maps

    def token_counts(self, qkv_shape, maps_shape):
        return super().token_counts(qkv_shape)

    def _softmax(self, q, k, maps):
        maps = ops.cast(maps, "float32")
        return maps if self.scale is None else maps * self.scale

    def compute_output_shape(self, qkv_shape, maps_shape):
        return (*qkv_shape[:-1], qkv_shape[-1] // 3)
