"""Pooling of maps; means are matrix products, which compile and export for any size, known or not."""

from keras import ops

from vitgraph.blocks.base import Layer, is_static, pair, sizes
from vitgraph.blocks.positions.resampling import pooling_matrix, resample_map, window_matrix


class MaxPooling(Layer):
    """(B, H, W, C) -> (B, H', W', C), H' = (H + 2 p - k) // s + 1: as in PyTorch, the padding is never the maximum.

    Args:
        pool_size: side k of a window.
        strides: step s.
        padding: number p of added positions on each side.
    """

    def __init__(self, pool_size, strides, padding=0, **kwargs):
        super().__init__(**kwargs)
        self.pool_size = pool_size
        self.strides = strides
        self.padding = padding

    def call(self, x):
        sides = (self.padding, self.padding)
        x = ops.pad(x, ((0, 0), sides, sides, (0, 0)), constant_values=float("-inf"))
        return ops.max_pool(x, self.pool_size, self.strides, "valid", data_format="channels_last")

    def compute_output_shape(self, input_shape):
        batch, *grid, channels = input_shape
        reach = 2 * self.padding - self.pool_size
        return (batch, *(None if n is None else (n + reach) // self.strides + 1 for n in grid), channels)


class AveragePooling(Layer):
    """(B, H, W, C) -> (B, H', W', C), means over k x k windows at steps of s, of a map with p zeros on each side.

    H' = ceil((H + 2 p - k) / s) + 1, minus a window that would start beyond the map. This is PyTorch's pooling with
    `ceil_mode`: a last window that extends beyond the zeros is a mean over the positions that exist.
    """

    def __init__(self, kernel_size, strides, padding=0, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding

    def call(self, x):
        window = self.kernel_size, self.strides, self.padding
        return resample_map(x, *(window_matrix(size, self._count(size), *window) for size in sizes(x)))

    def _count(self, size):
        """Divides nothing negative: ONNX rounds quotients towards zero."""
        step, padding = self.strides, self.padding
        fitting = (size + 2 * padding - self.kernel_size + step - 1) // step + 1
        starting = (size + padding + step - 1) // step
        return min(fitting, starting) if is_static(size) else ops.minimum(fitting, starting)

    def compute_output_shape(self, input_shape):
        batch, *grid, channels = input_shape
        return (batch, *(None if n is None else self._count(n) for n in grid), channels)


class AdaptiveAveragePooling(Layer):
    """(B, H, W, C) -> (B, h, w, C), means over PyTorch's overlapping bins; a smaller map is enlarged."""

    def __init__(self, output_size, **kwargs):
        super().__init__(**kwargs)
        self.output_size = pair(output_size)

    def call(self, x):
        matrices = (pooling_matrix(old, new) for old, new in zip(sizes(x), self.output_size, strict=True))
        return resample_map(x, *matrices)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.output_size, input_shape[-1])
