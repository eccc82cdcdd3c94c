"""Conversion between maps and tokens, and the tokens before the patches."""

import itertools

from keras import ops

from vitgraph.blocks.base import Layer, is_static, pad_end, pair, sizes
from vitgraph.blocks.initializers import initial


class ToTokens(Layer):
    """(B, H, W, C) -> (B, H W, C), row by row."""

    def call(self, x):
        return ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, height * width if is_static(height, width) else None, channels)


class ToMap(Layer):
    """(B, prefix + H W, C), (B, H, W, .) -> (B, H, W, C): drops the prefix tokens; the second input gives the grid."""

    def __init__(self, prefix=0, **kwargs):
        super().__init__(**kwargs)
        self.prefix = prefix

    def call(self, x, grid):
        height, width = sizes(grid)
        return ops.reshape(x[:, self.prefix :], (-1, height, width, x.shape[-1]))

    def compute_output_shape(self, x_shape, grid_shape):
        return (*grid_shape[:3], x_shape[-1])


class RejoinPrefix(Layer):
    """(B, H, W, C), (B, prefix + N, C) -> (B, prefix + H W, C): a map's positions after the other's prefix tokens."""

    def __init__(self, prefix=1, **kwargs):
        super().__init__(**kwargs)
        self.prefix = prefix

    def call(self, x, tokens):
        patches = ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))
        return ops.concatenate([tokens[:, : self.prefix], patches], axis=1)

    def compute_output_shape(self, x_shape, tokens_shape):
        batch, height, width, channels = x_shape
        return (batch, self.prefix + height * width if is_static(height, width) else None, channels)


class PrependTokens(Layer):
    """(B, N, C) -> (B, count + N, C): `count` learned tokens before the others (class, distillation, registers)."""

    def __init__(self, count=1, **kwargs):
        super().__init__(**kwargs)
        self.count = count

    def build(self, input_shape):
        initializer = initial("token", f"{self.name}/token")
        self.token = self.add_weight(name="token", shape=(1, self.count, input_shape[-1]), initializer=initializer)

    def call(self, x):
        token = ops.cast(self.token, x.dtype)
        return ops.concatenate([ops.broadcast_to(token, (ops.shape(x)[0], *token.shape[1:])), x], axis=1)

    def compute_output_shape(self, input_shape):
        batch, tokens, channels = input_shape
        return (batch, None if tokens is None else tokens + self.count, channels)


class AppendToken(Layer):
    """(B, N, C) -> (B, N + 1, C): a learned token after the others."""

    def build(self, input_shape):
        initializer = initial("token", f"{self.name}/token")
        self.token = self.add_weight(name="token", shape=(1, 1, input_shape[-1]), initializer=initializer)

    def call(self, x):
        token = ops.cast(self.token, x.dtype)
        return ops.concatenate([x, ops.broadcast_to(token, (ops.shape(x)[0], 1, x.shape[-1]))], axis=1)

    def compute_output_shape(self, input_shape):
        batch, tokens, channels = input_shape
        return (batch, None if tokens is None else tokens + 1, channels)


class DropLast(Layer):
    """(B, N, C) -> (B, N - 1, C): all tokens but the last."""

    def call(self, x):
        return x[:, :-1]

    def compute_output_shape(self, input_shape):
        batch, tokens, channels = input_shape
        return (batch, None if tokens is None else tokens - 1, channels)


class Latent(Layer):
    """(B, N, C) -> (B, count, C): learned queries, the same for every sample."""

    def __init__(self, count=1, **kwargs):
        super().__init__(**kwargs)
        self.count = count

    def build(self, input_shape):
        initializer = initial("latent", f"{self.name}/latent", input_shape[-1])
        self.latent = self.add_weight(name="latent", shape=(1, self.count, input_shape[-1]), initializer=initializer)

    def call(self, x):
        latent = ops.cast(self.latent, x.dtype)
        return ops.broadcast_to(latent, (ops.shape(x)[0], *latent.shape[1:]))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.count, input_shape[-1])


class TakeToken(Layer):
    """(B, N, C) -> (B, C): the token at `index`."""

    def __init__(self, index=0, **kwargs):
        super().__init__(**kwargs)
        self.index = index

    def call(self, x):
        return x[:, self.index]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])


class TakePrefix(Layer):
    """(B, prefix + N, C) -> (B, prefix, C): the leading tokens that aren't patches."""

    def __init__(self, prefix=1, **kwargs):
        super().__init__(**kwargs)
        self.prefix = prefix

    def call(self, x):
        return x[:, : self.prefix]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.prefix, input_shape[-1])


class DropPrefix(Layer):
    """(B, prefix + N, C) -> (B, N, C): the patch tokens alone."""

    def __init__(self, prefix, **kwargs):
        super().__init__(**kwargs)
        self.prefix = prefix

    def call(self, x):
        return x[:, self.prefix :]

    def compute_output_shape(self, input_shape):
        batch, tokens, channels = input_shape
        return (batch, None if tokens is None else tokens - self.prefix, channels)


class PadToMultiple(Layer):
    """(B, H, W, C) -> (B, ceil(H / m) m, ceil(W / n) n, C): zeros at the bottom and the right."""

    def __init__(self, multiple, **kwargs):
        super().__init__(**kwargs)
        self.multiple = pair(multiple)

    def call(self, x):
        # Nothing negative is divided: ONNX rounds quotients towards zero.
        bottom, right = ((n + m - 1) // m * m - n for n, m in zip(sizes(x), self.multiple, strict=True))
        return pad_end(x, bottom, right)

    def compute_output_shape(self, input_shape):
        batch, *grid, channels = input_shape
        padded = (None if n is None else -(-n // m) * m for n, m in zip(grid, self.multiple, strict=True))
        return (batch, *padded, channels)


class Patchify(Layer):
    """(B, H, W, C) -> (B, H / p, W / q, p q C): each patch's pixels in row order, channels fastest.

    Pixels that don't fill a patch at the bottom and the right are dropped, as in a convolution.
    """

    def __init__(self, patch_size, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = pair(patch_size)

    def call(self, x):
        rows, columns = self.patch_size
        down, across = (n // size for n, size in zip(sizes(x), self.patch_size, strict=True))
        channels = x.shape[-1]
        if (down * rows, across * columns) != tuple(x.shape[1:3]):
            x = x[:, : down * rows, : across * columns]
        x = ops.reshape(x, (-1, rows, across, columns * channels))  # (B H/p, p, W/q, q C)
        x = ops.transpose(x, (0, 2, 1, 3))
        return ops.reshape(x, (-1, down, across, rows * columns * channels))

    def compute_output_shape(self, input_shape):
        batch, *grid, channels = input_shape
        rows, columns = self.patch_size
        grid = (None if n is None else n // m for n, m in zip(grid, self.patch_size, strict=True))
        return (batch, *grid, rows * columns * channels)


class SplitPatches(Layer):
    """(B, H, W, p q C) -> (B H W, p, q, C): each patch of `Patchify` as a map of its own, in the batch axis.

    Args:
        patch_size: side of a patch, or (p, q).
    """

    def __init__(self, patch_size, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = pair(patch_size)

    def call(self, x):
        rows, columns = self.patch_size
        return ops.reshape(x, (-1, rows, columns, x.shape[-1] // (rows * columns)))

    def compute_output_shape(self, input_shape):
        rows, columns = self.patch_size
        return (None, rows, columns, input_shape[-1] // (rows * columns))


class JoinPatches(Layer):
    """(B H W, n, C), (B, H, W, .) -> (B, H W, n C): the tokens of each patch side by side, patches as tokens again."""

    def call(self, x, grid):
        height, width = sizes(grid)
        return ops.reshape(x, (-1, height * width, ops.shape(x)[1] * x.shape[2]))

    def compute_output_shape(self, x_shape, grid_shape):
        (batch, height, width, _), (_, tokens, channels) = grid_shape, x_shape
        patches = height * width if is_static(height, width) else None
        return (batch, patches, None if tokens is None else tokens * channels)


class Following(Layer):
    """Two tensors -> the first as it is, in a graph whose order has what takes it behind the second.

    The order of a graph's layers, and so of its weights, is by their distance to the output. Between streams side by
    side it would depend on whether there is dropout.
    """

    def call(self, x, before):
        return x

    def compute_output_shape(self, x_shape, before_shape):
        return x_shape


class SplitParallel(Layer):
    """(..., C) -> (..., c), (..., d), ...: the parts of one projection, such as for feed-forward layer and attention.

    Args:
        widths: the widths of the parts, whose sum is C.
        bias: whether the first part gets a bias here, as the feed-forward one of a projection without bias.
    """

    def __init__(self, widths, bias=False, **kwargs):
        super().__init__(**kwargs)
        self.widths = tuple(widths)
        self.bias = bias

    def build(self, input_shape):
        if self.bias:
            self.mlp_bias = self.add_weight(name="mlp_bias", shape=(self.widths[0],), initializer="zeros")

    def call(self, x):
        ends = list(itertools.accumulate(self.widths))
        first, *others = (x[..., end - width : end] for end, width in zip(ends, self.widths, strict=True))
        return (first + ops.cast(self.mlp_bias, x.dtype) if self.bias else first), *others

    def compute_output_shape(self, input_shape):
        return tuple((*input_shape[:-1], width) for width in self.widths)
