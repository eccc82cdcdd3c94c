"""Convolutions in the form that the compiler at hand runs fastest: depthwise, and of patches that don't overlap."""

import keras
from keras import ops

from vitgraph.blocks.base import PACKAGE, Block, pad_map, pair, sizes
from vitgraph.blocks.initializers import of_deviation


class DepthwiseConv2D(Block):
    """(B, H, W, C) -> (B, H', W', m C), H' = (H + 2 p - d (k - 1) - 1) // s + 1: PyTorch's, with p zeros on each side.

    Under XLA it is the sum of k x k shifted products, which one loop computes; otherwise the backend's own operation.
    Milliseconds on two AVX2 cores, 8 x 28 x 28 x 128 (with gradients):

    | kernel, step | TF graph, native | XLA, native | XLA, shifted |
    |---|---|---|---|
    | 3, 1 | 2.0 (4.5) | 48 (107) | 1.6 (6.6) |
    | 3, 2 | 1.4 (3.7) | 16 (80) | 0.8 (5.2) |
    | 5, 1 | 5.6 (11) | 80 (152) | 2.3 (12) |
    | 7, 1 | 8.3 (24) | 103 (287) | 4.0 (24) |

    Args:
        kernel_size: a number, or (rows, columns).
        strides: step, 1 or more.
        use_bias: whether a bias is added.
        padding: zeros p on each side, a number or (rows, columns); None: half of what the kernel covers.
        depth_multiplier: outputs m of each channel, side by side.
        dilation_rate: positions d from one of the kernel's to the next, 1 or more.

    Raises:
        ValueError: both a step and a dilation, which TensorFlow hasn't together.
    """

    def __init__(
        self, kernel_size, strides=1, use_bias=True, padding=None, depth_multiplier=1, dilation_rate=1, **kwargs
    ):
        super().__init__(**kwargs)
        if strides > 1 and dilation_rate > 1:
            raise ValueError(f"DepthwiseConv2D: strides={strides}, dilation_rate={dilation_rate}; allowed: one above 1")
        self.kernel_size = pair(kernel_size)
        self.strides = strides
        self.use_bias = use_bias
        self.padding = tuple(k // 2 * dilation_rate for k in self.kernel_size) if padding is None else pair(padding)
        self.depth_multiplier = depth_multiplier
        self.dilation_rate = dilation_rate

    def build(self, input_shape):
        channels, multiplier = input_shape[-1], self.depth_multiplier
        rows, columns = self.kernel_size
        shape = (rows, columns, channels, multiplier)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=of_deviation((rows * columns) ** -0.5))
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(channels * multiplier,), initializer="zeros")

    def call(self, x):
        y = self._shifted(x) if _under_xla() else self._native(x)
        return ops.add(y, self.bias) if self.use_bias else y

    def _native(self, x):
        form = {"data_format": "channels_last", "dilation_rate": self.dilation_rate}
        if self.strides == 1 and all(self._reach(axis) == 2 * self.padding[axis] + 1 for axis in (0, 1)):
            return ops.depthwise_conv(x, self.kernel, padding="same", **form)
        return ops.depthwise_conv(self._pad(x), self.kernel, self.strides, "valid", **form)

    def _shifted(self, x):
        padded = self._pad(x)
        if self.depth_multiplier > 1:
            padded = ops.repeat(padded, self.depth_multiplier, axis=-1)
        kernel = ops.reshape(ops.cast(self.kernel, x.dtype), (*self.kernel_size, -1))
        return _convolve(padded, kernel, self.strides, self.dilation_rate)

    def _pad(self, x):
        return ops.pad(x, ((0, 0), *((p, p) for p in self.padding), (0, 0)))

    def _reach(self, axis):
        """Positions from the kernel's first to its last, both counted."""
        return (self.kernel_size[axis] - 1) * self.dilation_rate + 1

    def _length(self, n, axis):
        return (n + 2 * self.padding[axis] - self._reach(axis)) // self.strides + 1

    def compute_output_shape(self, input_shape):
        batch, *grid, channels = input_shape
        grid = (None if n is None else self._length(n, axis) for axis, n in enumerate(grid))
        return (batch, *grid, channels * self.depth_multiplier)


@keras.saving.register_keras_serializable(package=PACKAGE)
class PatchConv2D(keras.layers.Conv2D):
    """(B, H, W, C) -> (B, H // k, W // k, filters): Keras' layer for a kernel k x k and a step of k, without padding.

    Under XLA on a CPU it is a matrix product over the patches, which the gradients profit from: with them, 4 x 56 x 56
    x 32 and a kernel of 8 x 8 take 4 ms on two AVX2 cores, as a convolution 21; MobileViT-S, with its kernels of one
    position, trains 3 % faster.
    """

    def convolution_op(self, x, kernel):
        if not (_under_xla() and _on_cpu()) or self.data_format != "channels_last":
            return super().convolution_op(x, kernel)
        (rows, columns), channels = self.kernel_size, x.shape[-1]
        height, width = (n // k for n, k in zip(sizes(x), self.kernel_size, strict=True))
        patches = ops.reshape(x[:, : height * rows, : width * columns], (-1, height, rows, width, columns, channels))
        patches = ops.reshape(
            ops.transpose(patches, (0, 1, 3, 2, 4, 5)), (-1, height, width, rows * columns * channels)
        )
        return ops.matmul(patches, ops.reshape(kernel, (-1, self.filters)))


def _convolve(x, kernel, step, dilation):
    """(B, H, W, C), (k, k', C) -> (B, h, w, C), as sums of shifted products, the gradients too."""

    @ops.custom_gradient
    def convolve(x, kernel):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return (
                _input_gradient(upstream, kernel, step, dilation, sizes(x)),
                _kernel_gradient(x, upstream, kernel, step, dilation),
            )

        return _shifted_sum(x, kernel, step, dilation), gradient

    return convolve(x, kernel)


def _shifted_sum(x, kernel, step, dilation):
    """(B, H, W, C), (k, k', C) -> (B, h, w, C): the sum of the kernel's places times the map shifted by each."""
    (rows, columns, _), (height, width) = kernel.shape, sizes(x)
    down, across = ((n - (k - 1) * dilation - 1) // step * step + 1 for n, k in ((height, rows), (width, columns)))
    total = None
    for i in range(rows):
        for j in range(columns):
            product = _shift(x, i * dilation, down, j * dilation, across, step) * kernel[i, j]
            total = product if total is None else total + product
    return total


def _shift(x, top, down, left, across, step):
    """Every so many rows and columns of a map, of `down` rows from `top` on and `across` columns from `left` on."""
    return x[:, top : top + down : step, left : left + across : step]


def _input_gradient(upstream, kernel, step, dilation, size):
    """(B, h, w, C), (k, k', C) -> (B, *size, C): what the input's positions contribute.

    The same sum, with the kernel turned round, over the upstream map with step - 1 zeros between its positions.
    """
    (rows, columns, channels), (height, width) = kernel.shape, sizes(upstream)
    if step > 1:
        spread = ops.reshape(upstream, (-1, height, 1, width, 1, channels))
        spread = ops.pad(spread, ((0, 0), (0, 0), (0, step - 1), (0, 0), (0, step - 1), (0, 0)))
        upstream = ops.reshape(spread, (-1, height * step, width * step, channels))[:, : 1 - step, : 1 - step]
    # What the last step didn't reach has no gradient.
    below, right = (n - m for n, m in zip(size, sizes(upstream), strict=True))
    upstream = pad_map(upstream, ((rows - 1) * dilation, below), ((columns - 1) * dilation, right))
    return _shifted_sum(upstream, ops.flip(kernel, (0, 1)), 1, dilation)


def _kernel_gradient(x, upstream, kernel, step, dilation):
    """(B, H, W, C), (B, h, w, C) -> (k, k', C): for each of the kernel's places the sum of x * upstream, in float32.

    On a CPU row by row, so that a row is in the cache for all k x k sums: 8 x 56 x 56 x 256 and a kernel of 3 x 3 take
    15 ms on two AVX2 cores; as one sum a place 129 ms, as products with a vector of ones 46, TensorFlow's kernel 9.
    """
    (rows, columns, channels), (height, width) = kernel.shape, sizes(upstream)
    across = (width - 1) * step + 1
    batch = ops.shape(x)[0]

    def sums(x, upstream, down, axes):
        terms = (
            ops.cast(_shift(x, i * dilation, down, j * dilation, across, step), "float32") * upstream
            for i in range(rows)
            for j in range(columns)
        )
        return ops.stack([ops.sum(term, axes) for term in terms])

    upstream = ops.cast(upstream, "float32")
    if not _on_cpu():
        total = sums(x, upstream, (height - 1) * step + 1, (0, 1, 2))
    else:
        reach = (rows - 1) * dilation + 1

        def add_row(n, total):
            seen = ops.slice(x, (0, n * step, 0, 0), (batch, reach, ops.shape(x)[2], channels))
            row = ops.slice(upstream, (0, n, 0, 0), (batch, 1, width, channels))
            return total + sums(seen, row, 1, (1, 2))

        total = ops.fori_loop(0, height, add_row, ops.zeros((rows * columns, batch, channels), "float32"))
        total = ops.sum(total, axis=1)
    return ops.cast(ops.reshape(total, kernel.shape), kernel.dtype)


def _on_cpu():
    """Whether there is no accelerator that the backend would compute on."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "cpu"
    import tensorflow as tf

    return not any(tf.config.list_logical_devices(kind) for kind in ("GPU", "TPU"))


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
