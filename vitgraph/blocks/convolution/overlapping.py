"""Patches that overlap: the soft split of T2T-ViT (Yuan et al., arXiv:2101.11986)."""

import numpy as np
from keras import ops

from vitgraph.blocks.base import Layer, is_static, pad_map, sizes


class OverlappingPatches(Layer):
    """(B, H, W, C) -> (B, H', W', C k k), H' = (H + 2 p - k) // s + 1: each patch's pixels, channels varying slowest.

    This is PyTorch's `Unfold`, as a map. Columns are gathered first, then rows. Milliseconds on one AVX-512 core (with
    gradient), in this form and as 2 k strided slices:

    | input, k, s | TF graph | XLA |
    |---|---|---|
    | 8 x 224 x 224 x 3, 7, 4 | 16 (40), 119 (235) | 25 (26), 10 (29) |
    | 8 x 56 x 56 x 64, 3, 2 | 11 (35), 123 (246) | 10 (14), 10 (17) |

    Args:
        kernel_size: side k of a patch.
        strides: distance s between patches.
        padding: zeros p on each side of the map.
    """

    def __init__(self, kernel_size, strides, padding=0, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding

    def call(self, x):
        channels, side = x.shape[-1], self.kernel_size
        rows, columns = (self.count(n) for n in sizes(x))
        x = pad_map(x, *[(self.padding, self.padding)] * 2)
        height = sizes(x)[0]
        x = ops.take(x, self._index(columns), axis=2)
        x = ops.transpose(ops.reshape(x, (-1, columns, side, channels)), (0, 1, 3, 2))  # (B H, W', C, k)
        x = ops.take(ops.reshape(x, (-1, height, columns * channels * side)), self._index(rows), axis=1)
        x = ops.transpose(ops.reshape(x, (-1, side, columns * channels, side)), (0, 2, 1, 3))  # (B H', W' C, k, k)
        return ops.reshape(x, (-1, rows, columns, channels * side * side))

    def count(self, n):
        """Number of patches along an axis of n positions."""
        return (n + 2 * self.padding - self.kernel_size) // self.strides + 1

    def _index(self, count):
        """(count k,): the positions of one patch after the other along an axis."""
        xp = np if is_static(count) else ops
        return xp.reshape(xp.arange(count)[:, None] * self.strides + xp.arange(self.kernel_size)[None, :], (-1,))

    def compute_output_shape(self, input_shape):
        batch, *grid, channels = input_shape
        return (batch, *(None if n is None else self.count(n) for n in grid), channels * self.kernel_size**2)
