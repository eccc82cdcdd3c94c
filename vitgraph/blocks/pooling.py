"""Pooling of maps."""

from vitgraph.blocks.base import Block, pair, sizes
from vitgraph.blocks.resample import pooling_matrix, resample_map


class AdaptiveAveragePooling(Block):
    """(B, H, W, C) -> (B, h, w, C), means over PyTorch's overlapping bins; a smaller map grows.

    Two matrix products, so that it compiles and exports for any size, known or not.
    """

    def __init__(self, output_size, **kwargs):
        super().__init__(**kwargs)
        self.output_size = pair(output_size)

    def call(self, x):
        matrices = (pooling_matrix(old, new) for old, new in zip(sizes(x), self.output_size, strict=True))
        return resample_map(x, *matrices)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.output_size, input_shape[-1])
