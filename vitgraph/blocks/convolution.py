"""The depthwise convolution, in the form that the compiler at hand runs fastest."""

import keras
from keras import ops

from vitgraph.blocks.base import Block, pair, sizes


class DepthwiseConv2D(Block):
    """(B, H, W, C) -> (B, H', W', m C), H' = (H + 2 p - k) // s + 1: k x k, step s, p zeros on each side (PyTorch's).

    Under XLA it is the sum of k x k shifted products, which one loop computes; otherwise the backend's own operation.
    Milliseconds on one AVX-512 core, 8 x 28 x 28 x 128, native and shifted (with gradient):

    | kernel, step | TF graph | XLA |
    |---|---|---|
    | 3, 1 | 0.5 (1.0), 4.5 (91) | 41 (81), 0.6 (2.7) |
    | 3, 2 | 0.6 (0.8), 21 (43) | 12 (86), 0.4 (1.6) |
    | 5, 1 | 0.7 (1.5), 15 (253) | 72 (145), 1.3 (8.8) |
    | 7, 1 | 1.2 (2.8), 27 (501) | 124 (246), 4.6 (35) |

    Args:
        kernel_size: a number, or (rows, columns).
        strides: step, 1 or more.
        use_bias: whether a bias is added.
        padding: zeros on each side, a number or (rows, columns); None: half the kernel.
        depth_multiplier: outputs m of each channel, side by side.
    """

    def __init__(self, kernel_size, strides=1, use_bias=True, padding=None, depth_multiplier=1, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = pair(kernel_size)
        self.strides = strides
        self.use_bias = use_bias
        self.padding = tuple(k // 2 for k in self.kernel_size) if padding is None else pair(padding)
        self.depth_multiplier = depth_multiplier

    def build(self, input_shape):
        channels, multiplier = input_shape[-1], self.depth_multiplier
        rows, columns = self.kernel_size
        fan_in = keras.initializers.RandomNormal(stddev=(rows * columns) ** -0.5)
        self.kernel = self.add_weight(name="kernel", shape=(rows, columns, channels, multiplier), initializer=fan_in)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(channels * multiplier,), initializer="zeros")

    def call(self, x):
        y = self._shifted(x) if _under_xla() else self._native(x)
        return ops.add(y, self.bias) if self.use_bias else y

    def _native(self, x):
        if self.strides == 1 and all(k == 2 * p + 1 for k, p in zip(self.kernel_size, self.padding, strict=True)):
            return ops.depthwise_conv(x, self.kernel, padding="same", data_format="channels_last")
        return ops.depthwise_conv(self._pad(x), self.kernel, self.strides, "valid", data_format="channels_last")

    def _shifted(self, x):
        step, padded, total = self.strides, self._pad(x), None
        height, width = (self._length(n, axis) for axis, n in enumerate(sizes(x)))
        kernel = ops.reshape(ops.cast(self.kernel, x.dtype), (*self.kernel_size, -1))
        if self.depth_multiplier > 1:
            padded = ops.repeat(padded, self.depth_multiplier, axis=-1)
        for i in range(self.kernel_size[0]):
            for j in range(self.kernel_size[1]):
                window = padded[:, i : i + step * (height - 1) + 1 : step, j : j + step * (width - 1) + 1 : step]
                product = _times(window, kernel[i, j])
                total = product if total is None else total + product
        return total

    def _pad(self, x):
        return ops.pad(x, ((0, 0), *((p, p) for p in self.padding), (0, 0)))

    def _length(self, n, axis):
        return (n + 2 * self.padding[axis] - self.kernel_size[axis]) // self.strides + 1

    def compute_output_shape(self, input_shape):
        batch, *grid, channels = input_shape
        grid = (None if n is None else self._length(n, axis) for axis, n in enumerate(grid))
        return (batch, *grid, channels * self.depth_multiplier)


@ops.custom_gradient
def _times(x, factor):
    """(B, H, W, C), (C,) -> (B, H, W, C): x * factor.

    The factor's gradient is a sum over all positions, which XLA:CPU does slowly; done as matrix products with ones it
    makes the whole convolution's forward and backward pass 1.6 to 5 times faster.
    """

    def gradient(*args, upstream=None):
        upstream = args[0] if upstream is None else upstream
        terms = ops.reshape(x * upstream, (ops.shape(x)[0], -1, x.shape[-1]))
        ones = ops.ones((ops.shape(terms)[0], 1, ops.shape(terms)[1]), terms.dtype)
        return upstream * factor, ops.sum(ops.matmul(ones, terms), axis=(0, 1))

    return x * factor, gradient


def _under_xla():
    """Whether what is being traced is compiled by XLA: JAX always is, TensorFlow inside `jit_compile=True`."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        return backend == "jax"
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util

    if tf.executing_eagerly():
        return False
    return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
