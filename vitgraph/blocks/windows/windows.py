"""Windows of a map: partition with a cyclic shift, its reverse, and the biases of the attention inside them.

They share one geometry (`Windowed`): windows are clipped to the map, an axis that isn't longer than the window isn't
shifted, and windows are padded with zeros at the bottom and the right.
"""

import numpy as np
from keras import ops

from vitgraph.blocks.base import Layer, is_static, look_up, pad_end, pair, sizes
from vitgraph.blocks.initializers import initial


class Windowed(Layer):
    """The geometry of windows.

    Args:
        window_size: (rows, columns) of a window.
        shift: (rows, columns) of the cyclic shift.
        clip: whether, at call time, windows shrink to the map, and an axis that one window covers isn't shifted.
    """

    def __init__(self, window_size, shift=(0, 0), clip=True, **kwargs):
        super().__init__(**kwargs)
        self.window_size = pair(window_size)
        self.shift = pair(shift)
        self.clip = clip

    def geometry(self, height, width):
        """(window, shift, windows) along each axis of a map."""
        return [
            self._axis(size, window, shift)
            for size, window, shift in zip((height, width), self.window_size, self.shift, strict=True)
        ]

    def _axis(self, size, window, shift):
        if self.clip and is_static(size):
            window, shift = min(window, size), 0 if size <= window else shift
        elif self.clip:
            shift = ops.where(size <= window, 0, shift) if shift else 0
            window = ops.minimum(window, size)
        return window, shift, (size + window - 1) // window

    def turns(self, height, width):
        """How far the map is turned along each axis: the shift, less whole turns of a map that is smaller."""
        (_, up, _), (_, left, _) = self.geometry(height, width)
        return [n if self.clip else n % size for n, size in ((up, height), (left, width))]


class WindowPartition(Windowed):
    """(B, H, W, C) -> (B n, w, C): n windows of w tokens, after a cyclic shift towards the origin and padding."""

    def call(self, x):
        height, width = sizes(x)
        (rows, _, down), (columns, _, across) = self.geometry(height, width)
        up, left = self.turns(height, width)
        x = _roll(_roll(x, up, 1), left, 2)
        x = pad_end(x, down * rows - height, across * columns - width)
        channels = x.shape[-1]
        x = ops.reshape(x, (-1, rows, across, columns * channels))
        return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, rows * columns, channels))

    def compute_output_shape(self, input_shape):
        _, height, width, channels = input_shape
        if not is_static(height, width):
            return (None, None, channels)
        (rows, _, _), (columns, _, _) = self.geometry(height, width)
        return (None, rows * columns, channels)


class WindowReverse(Windowed):
    """(B n, w, C), (B, H, W, .) -> (B, H, W, C): windows back into the map of the second input's size."""

    def call(self, windows, like):
        height, width = sizes(like)
        (rows, _, down), (columns, _, across) = self.geometry(height, width)
        up, left = self.turns(height, width)
        channels = windows.shape[-1]
        x = ops.reshape(windows, (-1, across, rows, columns * channels))
        x = ops.transpose(x, (0, 2, 1, 3))
        x = ops.reshape(x, (-1, down * rows, across * columns, channels))
        if not is_static(height, width) or (height, width) != tuple(x.shape[1:3]):
            x = x[:, :height, :width]
        return _roll(_roll(x, height - up if _moves(up) else 0, 1), width - left if _moves(left) else 0, 2)

    def compute_output_shape(self, windows_shape, like_shape):
        return (*like_shape[:3], windows_shape[-1])


class _Bias(Windowed):
    """A bias of attention within windows, from a table with one row per offset between two positions."""

    def read(self, table, window, x):
        """The table (offsets, heads) of all offsets within `window` -> (1 or n, heads, w, w), for a map like x.

        Between regions that are adjacent only because of the shift, the bias is lower by 100.
        """
        height, width = sizes(x)
        xp = np if is_static(height, width) else ops
        geometry = self.geometry(height, width)
        index = offset_index(xp, window, *(axis[0] for axis in geometry))
        tokens = index.shape[0] if xp is np else ops.shape(index)[0]
        bias = look_up(ops.cast(table, self.compute_dtype), xp.reshape(index, (-1,)))
        bias = ops.transpose(ops.reshape(bias, (1, tokens, tokens, table.shape[-1])), (0, 3, 1, 2))
        if self.shift == (0, 0) or (xp is np and not any(shift for _, shift, _ in geometry)):
            return bias
        return bias + ops.cast(self._mask(xp, geometry), bias.dtype)

    @staticmethod
    def _mask(xp, geometry):
        """(n, 1, w, w): 0 within a region of the shifted map, -100 between two."""
        region = [_regions(xp, *axis) for axis in geometry]
        (rows, _, down), (columns, _, across) = geometry
        region = region[0][:, None] * 3 + region[1][None, :]
        region = xp.transpose(xp.reshape(region, (down, rows, across, columns)), (0, 2, 1, 3))
        region = xp.reshape(region, (down * across, rows * columns))
        return xp.where(xp.expand_dims(region, (1, 3)) == xp.expand_dims(region, (1, 2)), 0.0, -100.0)

    def bias_shape(self, map_shape, num_heads):
        _, height, width, _ = map_shape
        if not is_static(height, width):
            return (None if any(self.shift) else 1, num_heads, None, None)
        (rows, up, down), (columns, left, across) = self.geometry(height, width)
        return (down * across if up or left else 1, num_heads, rows * columns, rows * columns)


class WindowBias(_Bias):
    """Swin's relative-position bias, and -100 between regions that are adjacent only because of the shift.

    (B, H, W, .) -> (1 or n, heads, w, w); only the input's size matters. A window that is clipped at call time uses the
    middle of the table.
    """

    def __init__(self, window_size, num_heads, shift=(0, 0), clip=True, **kwargs):
        super().__init__(window_size, shift, clip, **kwargs)
        self.num_heads = num_heads

    def build(self, input_shape):
        rows, columns = self.window_size
        self.table = self.add_weight(
            name="table",
            shape=((2 * rows - 1) * (2 * columns - 1), self.num_heads),
            initializer=initial("table", f"{self.name}/table"),
        )

    def call(self, x):
        return self.read(self.table, self.window_size, x)

    def compute_output_shape(self, input_shape):
        return self.bias_shape(input_shape, self.num_heads)


class WindowOffsets(Windowed):
    """(B, H, W, .) -> (1, (2 h - 1)(2 w - 1), 2): all offsets between positions of an h x w window, log-spaced.

    Swin V2's (arXiv:2111.09883, section 3.3): an offset in rows or columns is scaled so that the largest is 8, and
    becomes sign(o) log2(1 + |o|) / 3, about -1 to 1. Only the input's size matters.

    Args:
        reference: (rows, columns) of the window whose largest offset is 8, that of pre-training; 0: this window.
        scaled: False: an offset isn't scaled and becomes sign(o) log(1 + |o|), as in timm's MaxViT.
    """

    def __init__(self, window_size, reference=(0, 0), clip=True, scaled=True, **kwargs):
        super().__init__(window_size, clip=clip, **kwargs)
        self.reference = pair(reference)
        self.scaled = scaled

    def call(self, x):
        height, width = sizes(x)
        xp = np if is_static(height, width) else ops
        windows = [window for window, *_ in self.geometry(height, width)]
        y, x = (self._axis_offsets(xp, *axis) for axis in zip(windows, self.reference, strict=True))
        shape = (y.shape[0], x.shape[0]) if xp is np else (ops.shape(y)[0], ops.shape(x)[0])
        offsets = xp.stack([xp.broadcast_to(y[:, None], shape), xp.broadcast_to(x[None, :], shape)], axis=-1)
        return ops.cast(xp.reshape(offsets, (1, -1, 2)), self.compute_dtype)

    def _axis_offsets(self, xp, window, reference):
        offset = xp.arange(1 - window, window)
        offset = offset.astype("float32") if xp is np else ops.cast(offset, "float32")
        if not self.scaled:
            return xp.sign(offset) * xp.log(1.0 + xp.abs(offset))
        largest = xp.maximum((reference or window) - 1, 1)
        offset = offset * (8.0 / (largest if xp is np else ops.cast(largest, "float32")))
        return xp.sign(offset) * xp.log(1.0 + xp.abs(offset)) / float(np.log(8.0))

    def compute_output_shape(self, input_shape):
        _, height, width, _ = input_shape
        if not is_static(height, width):
            return (1, None, 2)
        (rows, _, _), (columns, _, _) = self.geometry(height, width)
        return (1, (2 * rows - 1) * (2 * columns - 1), 2)


class ContinuousWindowBias(_Bias):
    """(1, (2 h - 1)(2 w - 1), heads), (B, H, W, .) -> (1 or n, heads, w, w): Swin V2's relative-position bias.

    The first input is the output of a small network for `WindowOffsets`; 16 times its sigmoid is the bias. As in
    `WindowBias` it is lower by 100 between regions that are adjacent only because of the shift.

    Args:
        bounded: False: the first input itself is the bias.
    """

    def __init__(self, window_size, shift=(0, 0), clip=True, bounded=True, **kwargs):
        super().__init__(window_size, shift, clip, **kwargs)
        self.bounded = bounded

    def call(self, table, x):
        window = [axis[0] for axis in self.geometry(*sizes(x))]
        return self.read(16.0 * ops.sigmoid(table[0]) if self.bounded else table[0], window, x)

    def compute_output_shape(self, table_shape, x_shape):
        return self.bias_shape(x_shape, table_shape[-1])


class PatchMerging(Layer):
    """(B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), 4 C): 2 x 2 neighbours side by side, odd sides padded with zeros.

    The order (row, column) is (0, 0), (1, 0), (0, 1), (1, 1), as in the official code. It is one transposition of row
    pairs. On one AVX-512 core, 8 x 56 x 56 x 96: TF graph 1.2 ms, XLA 3.4; as four strided slices and a concatenation
    28 and 2.5. With gradient 3.0 and 0.9, against 61 and 3.4.
    """

    def call(self, x):
        height, width = sizes(x)
        x = pad_end(x, height % 2, width % 2)
        rows, columns, channels = (height + 1) // 2, (width + 1) // 2, x.shape[-1]
        x = ops.reshape(x, (-1, 2, 2 * columns, channels))  # (B H/2, 2, W, C)
        return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, rows, columns, 4 * channels))

    def compute_output_shape(self, input_shape):
        batch, *grid, channels = input_shape
        return (batch, *(None if n is None else (n + 1) // 2 for n in grid), 4 * channels)


def offset_index(xp, window, rows, columns):
    """(N, N): the row in the table of the offsets in `window`, for each (query, key) of rows x columns positions."""
    (height, width), (y, x) = window, (xp.arange(rows), xp.arange(columns))
    down = (y[:, None] - y[None, :] + height - 1) * (2 * width - 1)
    across = x[:, None] - x[None, :] + width - 1
    index = xp.expand_dims(down, (1, 3)) + xp.expand_dims(across, (0, 2))
    return xp.reshape(index, (rows * columns, rows * columns))


def _moves(shift):
    return not is_static(shift) or shift != 0


def _roll(x, shift, axis):
    """A cyclic shift towards the origin, by slices: LiteRT has no operation for `roll` with an unknown batch size."""
    if not _moves(shift):
        return x
    head, tail = (x[:, :shift], x[:, shift:]) if axis == 1 else (x[:, :, :shift], x[:, :, shift:])
    return ops.concatenate([tail, head], axis=axis)


def _regions(xp, window, shift, windows):
    """Along one axis: 0 in windows that the shift doesn't affect, 1 and 2 in the two parts of the last one."""
    position = xp.arange(windows * window)
    last = xp.where(position >= windows * window - window, 1, 0)
    wrapped = xp.where(position >= windows * window - shift, 1, 0)
    return xp.where(shift == 0, 0, 1) * (last + wrapped) if xp is ops or shift else 0 * position
