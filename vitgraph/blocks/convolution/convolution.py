"""Depthwise convolutions and convolutions of patches, each in the form that is fastest for the compiler in use."""

import keras
from keras import ops

from vitgraph.blocks.base import PACKAGE, Layer, is_static, on_cpu, pad_map, pair, sizes, under_xla
from vitgraph.blocks.initializers import initial_linear


class DepthwiseConv2D(Layer):
    """(B, H, W, C) -> (B, H', W', m C), H' = (H + 2 p - d (k - 1) - 1) // s + 1: as in PyTorch, p zeros on each side.

    Under XLA it is a sum of k x k shifted products, computed in one loop; otherwise the backend's own operation.
    Milliseconds on two AVX2 cores, 8 x 28 x 28 x 128 (with gradients):

    | kernel, step | TF graph, native | XLA, native | XLA, shifted |
    |---|---|---|---|
    | 3, 1 | 1.6 (2.8) | 49 (58) | 1.7 (3.2) |
    | 3, 2 | 1.6 (2.6) | 12 (62) | 1.6 (3.2) |
    | 5, 1 | 2.6 (9.7) | 61 (105) | 2.8 (8.2) |
    | 7, 1 | 4.0 (17) | 150 (267) | 6.0 (22) |

    Args:
        kernel_size: side k of the kernel, or (rows, columns).
        strides: step s, 1 or more.
        use_bias: whether a bias is added.
        padding: zeros p on each side, an integer or (rows, columns); None: half of the side that the kernel covers.
        depth_multiplier: number m of outputs per channel, side by side.
        dilation_rate: distance d between the kernel's positions, 1 or more.

    Raises:
        ValueError: a step and a dilation, which TensorFlow doesn't support together.
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
        kernel, bias = initial_linear("conv", self.name, rows * columns, rows * columns * multiplier)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=kernel)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(channels * multiplier,), initializer=bias)

    def call(self, x):
        y = self._shifted(x) if under_xla() else self._native(x)
        return ops.add(y, self.bias) if self.use_bias else y

    def _native(self, x):
        form = {"data_format": "channels_last", "dilation_rate": self.dilation_rate}
        if self.strides == 1 and all(self._reach(axis) == 2 * self.padding[axis] + 1 for axis in (0, 1)):
            return ops.depthwise_conv(x, self.kernel, padding="same", **form)
        return ops.depthwise_conv(self._pad(x), self.kernel, self.strides, "valid", **form)

    def _shifted(self, x):
        if self.depth_multiplier > 1:
            x = ops.repeat(x, self.depth_multiplier, axis=-1)
        kernel = ops.reshape(ops.cast(self.kernel, x.dtype), (*self.kernel_size, -1))
        return _convolve(x, kernel, self.padding, self.strides, self.dilation_rate)

    def _pad(self, x):
        return ops.pad(x, ((0, 0), *((p, p) for p in self.padding), (0, 0)))

    def _reach(self, axis):
        """Number of positions from the kernel's first to its last, including both."""
        return (self.kernel_size[axis] - 1) * self.dilation_rate + 1

    def _length(self, n, axis):
        return (n + 2 * self.padding[axis] - self._reach(axis)) // self.strides + 1

    def compute_output_shape(self, input_shape):
        batch, *grid, channels = input_shape
        grid = (None if n is None else self._length(n, axis) for axis, n in enumerate(grid))
        return (batch, *grid, channels * self.depth_multiplier)


@keras.saving.register_keras_serializable(package=PACKAGE)
class PatchConv2D(keras.layers.Conv2D):
    """(B, H, W, C) -> (B, H // k, W // k, filters): Keras' layer for a k x k kernel and a step of k, without padding.

    Under XLA on a CPU it is a matrix product over the patches, whose gradients are faster: 4 x 56 x 56 x 32 with a
    kernel of 8 x 8 takes 4 ms with gradients on two AVX2 cores, as a convolution 21; MobileViT-S, with its 1 x 1
    kernels, trains 3 % faster.
    """

    def convolution_op(self, x, kernel):
        if not (under_xla() and on_cpu()) or self.data_format != "channels_last":
            return super().convolution_op(x, kernel)
        (rows, columns), channels = self.kernel_size, x.shape[-1]
        height, width = (n // k for n, k in zip(sizes(x), self.kernel_size, strict=True))
        patches = ops.reshape(x[:, : height * rows, : width * columns], (-1, height, rows, width, columns, channels))
        patches = ops.reshape(
            ops.transpose(patches, (0, 1, 3, 2, 4, 5)), (-1, height, width, rows * columns * channels)
        )
        return ops.matmul(patches, ops.reshape(kernel, (-1, self.filters)))


@keras.saving.register_keras_serializable(package=PACKAGE)
class GroupedConv2D(keras.layers.Conv2D):
    """(B, H, W, C) -> (B, H', W', filters): Keras' layer with `groups`, also where TensorFlow has no gradient of it.

    On a CPU TensorFlow convolves groups only forward. There each group is a convolution of its own.
    """

    def convolution_op(self, x, kernel):
        if self.groups == 1 or keras.backend.backend() != "tensorflow" or not on_cpu():
            return super().convolution_op(x, kernel)
        parts = zip(ops.split(x, self.groups, axis=-1), ops.split(kernel, self.groups, axis=-1), strict=True)
        return ops.concatenate([super(GroupedConv2D, self).convolution_op(*part) for part in parts], axis=-1)


def _convolve(x, kernel, padding, step, dilation):
    """(B, H, W, C), (k, k', C) -> (B, h, w, C), as sums of shifted products, including the gradients.

    The zeros on each side, given per axis, are part of it, so that no gradient is computed for them.
    """
    # Zeros beyond what the kernel covers are added outside: their gradient isn't needed.
    covered = tuple(min(p, (k - 1) * dilation) for p, k in zip(padding, kernel.shape[:2], strict=True))
    x = pad_map(x, *((p - c, p - c) for p, c in zip(padding, covered, strict=True)))

    @ops.custom_gradient
    def convolve(x, kernel):
        padded = pad_map(x, *((p, p) for p in covered))

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return (
                _input_gradient(upstream, kernel, covered, step, dilation, sizes(x)),
                _kernel_gradient(padded, upstream, kernel, step, dilation),
            )

        return _shifted_sum(padded, kernel, step, dilation), gradient

    return convolve(x, kernel)


def _shifted_sum(x, kernel, step, dilation):
    """(B, H, W, C), (k, k', C) -> (B, h, w, C): the sum, over the kernel, of its weights times shifted maps."""
    (rows, columns, _), (height, width) = kernel.shape, sizes(x)
    down, across = ((n - (k - 1) * dilation - 1) // step * step + 1 for n, k in ((height, rows), (width, columns)))
    total = None
    for i in range(rows):
        for j in range(columns):
            product = _shift(x, i * dilation, down, j * dilation, across, step) * kernel[i, j]
            total = product if total is None else total + product
    return total


def _shift(x, top, down, left, across, step):
    """Every `step`-th of `down` rows from `top` on, and of `across` columns from `left` on."""
    return x[:, top : top + down : step, left : left + across : step]


def _input_gradient(upstream, kernel, padding, step, dilation, size):
    """(B, h, w, C), (k, k', C) -> (B, *size, C): the gradient of the input.

    The same sum, with the kernel flipped, over the upstream map with step - 1 zeros between its positions. It ends in a
    division by one: XLA computes cheap sums again in every operation that reads them, such as the gradient of the bias
    before, where they cost many times as much, but not a division. Without it PVT v2-B0 spends 12 % of a training step
    on that.
    """
    (rows, columns, channels), (height, width) = kernel.shape, sizes(upstream)
    if step > 1:
        spread = ops.reshape(upstream, (-1, height, 1, width, 1, channels))
        spread = ops.pad(spread, ((0, 0), (0, 0), (0, step - 1), (0, 0), (0, step - 1), (0, 0)))
        upstream = ops.reshape(spread, (-1, height * step, width * step, channels))[:, : 1 - step, : 1 - step]
    # Positions that the last step didn't reach have no gradient.
    below, right = (n + p - m for n, p, m in zip(size, padding, sizes(upstream), strict=True))
    above, left = ((k - 1) * dilation - p for k, p in zip((rows, columns), padding, strict=True))
    total = _shifted_sum(pad_map(upstream, (above, below), (left, right)), ops.flip(kernel, (0, 1)), 1, dilation)
    return total / ops.cast(ops.equal(kernel[0, 0], kernel[0, 0]), kernel.dtype)


def _kernel_gradient(x, upstream, kernel, step, dilation):
    """(B, H, W, C), (B, h, w, C) -> (k, k', C): the gradient of the kernel, sums of x * upstream in float32.

    On a CPU it is computed row by row, so that a row stays in the cache for all k x k sums: 8 x 56 x 56 x 256 with a
    3 x 3 kernel takes 15 ms on two AVX2 cores; as one sum per position 129, as products with a vector of ones 46, with
    TensorFlow's kernel 9. A sum has at most 16 products, since XLA splits one of more than 32 into two operations:
    4 x 128 x 128 x 64 takes 9 ms, with whole rows 25.
    """
    (rows, columns, channels), (height, width) = kernel.shape, sizes(upstream)
    across = (width - 1) * step + 1

    def products(x, upstream, down):
        for i in range(rows):
            for j in range(columns):
                yield ops.cast(_shift(x, i * dilation, down, j * dilation, across, step), "float32") * upstream

    upstream = ops.cast(upstream, "float32")
    if not on_cpu():
        total = [ops.sum(product, (0, 1, 2)) for product in products(x, upstream, (height - 1) * step + 1)]
        return ops.cast(ops.reshape(ops.stack(total), kernel.shape), kernel.dtype)

    batch, reach, part = ops.shape(x)[0], (rows - 1) * dilation + 1, _part(width)

    def add_row(n, total):
        seen = ops.slice(x, (0, n * step, 0, 0), (batch, reach, ops.shape(x)[2], channels))
        row = ops.slice(upstream, (0, n, 0, 0), (batch, 1, width, channels))
        parts = (ops.reshape(product, (-1, part, channels)) for product in products(seen, row, 1))
        return total + ops.stack([ops.sum(product, 1) for product in parts])

    start = ops.zeros((rows * columns, batch * (width // part), channels), "float32")
    total = ops.sum(ops.fori_loop(0, height, add_row, start), axis=1)
    return ops.cast(ops.reshape(total, kernel.shape), kernel.dtype)


def _part(width):
    """The largest divisor of `width` from 4 to 16; without one, or if `width` is unknown, `width` itself."""
    return max((n for n in range(4, 17) if width % n == 0), default=width) if is_static(width) else width
