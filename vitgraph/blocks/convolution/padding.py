"""Padding of maps for convolutions that come from TensorFlow."""

from keras import ops

from vitgraph.blocks.base import Layer, is_static, pad_map, sizes


class PadToSame(Layer):
    """(B, H, W, C) -> (B, H + p, W + q, C): TensorFlow's SAME padding, with which a convolution has ceil(H / s) rows.

    Where a side needs an odd number of zeros, the bottom or the right has one more. It is a layer because that depends
    on the size, and so that convolutions are the same for each.

    Args:
        kernel_size: side k of the kernel.
        strides: step s.
    """

    def __init__(self, kernel_size, strides, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.strides = strides

    def call(self, x):
        zeros = [self._zeros(size) for size in sizes(x)]
        return pad_map(x, *((total // 2, total - total // 2) for total in zeros))

    def _zeros(self, size):
        count = (size + self.strides - 1) // self.strides
        total = count * self.strides + self.kernel_size - self.strides - size
        return max(total, 0) if is_static(size) else ops.maximum(total, 0)

    def compute_output_shape(self, input_shape):
        batch, *grid, channels = input_shape
        return (batch, *(None if n is None else n + self._zeros(n) for n in grid), channels)
