"""Regional tokens and the local tokens of their regions (RegionViT): joining and separating them.

A map of R x S regional tokens covers a local map (B, H, W, C): each token stands for a window. Windows may extend past
the map's bottom and right edges, where zeros are added, but they always cover the map.
"""

import numpy as np
from keras import ops

from vitgraph.blocks.base import Layer, is_static, look_up, pad_end, pad_map, sizes
from vitgraph.blocks.initializers import initial


class PadCentred(Layer):
    """(B, H, W, C) -> (B, m (H // m + 1), m (W // m + 1), C): zeros on all sides, half of them at each end.

    An image whose sides are multiples of m stays as it is; if only one side is, that one gets m zeros too.
    """

    def __init__(self, multiple, **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, x):
        return pad_map(x, *((n // 2, (n + 1) // 2) for n in self._missing(*sizes(x))))

    def _missing(self, height, width):
        remainders = [n % self.multiple for n in (height, width)]
        if is_static(*remainders):
            return [self.multiple - n if any(remainders) else 0 for n in remainders]
        padded = remainders[0] + remainders[1] > 0
        return [ops.where(padded, self.multiple - n, 0) for n in remainders]

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        if not is_static(height, width):
            return (batch, None, None, channels)
        missing = self._missing(height, width)
        return (batch, height + missing[0], width + missing[1], channels)


class PadToRegions(Layer):
    """(B, H, W, C), (B, R, S, .) -> (B, R w, S w, C): zeros at the bottom and the right, to complete windows."""

    def __init__(self, window_size, **kwargs):
        super().__init__(**kwargs)
        self.window_size = window_size

    def call(self, local, regional):
        return pad_end(local, *_overhang(sizes(local), sizes(regional), self.window_size))

    def compute_output_shape(self, local_shape, regional_shape):
        padded = (None if n is None else n * self.window_size for n in regional_shape[1:3])
        return (local_shape[0], *padded, local_shape[-1])


class CropTo(Layer):
    """(B, H', W', C), (B, H, W, .) -> (B, H, W, C): the top left part, of the second input's size."""

    def call(self, x, like):
        height, width = sizes(like)
        whole = is_static(height, width) and (height, width) == tuple(x.shape[1:3])
        return x if whole else x[:, :height, :width]

    def compute_output_shape(self, x_shape, like_shape):
        return (*like_shape[:3], x_shape[-1])


class JoinRegional(Layer):
    """(B, R, S, C), (B R S, N, C) -> (B R S, 1 + N, C): each regional token before the local tokens of its region."""

    def call(self, regional, local):
        regional = ops.reshape(regional, (-1, 1, regional.shape[-1]))
        return ops.concatenate([regional, local], axis=1)

    def compute_output_shape(self, regional_shape, local_shape):
        _, tokens, channels = local_shape
        return (None, None if tokens is None else 1 + tokens, channels)


class TakeRegional(Layer):
    """(B R S, 1 + N, C), (B, R, S, .) -> (B, R, S, C): the first token of each region, as a map."""

    def call(self, x, like):
        return ops.reshape(x[:, 0], (-1, *sizes(like), x.shape[-1]))

    def compute_output_shape(self, x_shape, like_shape):
        return (*like_shape[:3], x_shape[-1])


class Alongside(Layer):
    """x, y -> x: keeps y in the graph although nothing depends on it."""

    def call(self, x, y):
        return x

    def compute_output_shape(self, x_shape, y_shape):
        return x_shape


class RegionBias(Layer):
    """(B, H, W, .), (B, R, S, .) -> (1 or R S, heads, 1 + w w, 1 + w w): the bias of attention within the regions.

    Only the sizes of the inputs matter. Local tokens have a bias by relative position: as in the official code, offset
    0 is at index w // 2 of the table, and negative indices wrap around. If windows extend past the map, those at its
    right don't see columns beyond it, and those at its bottom don't see rows beyond it; the one in the corner sees
    tokens that satisfy either condition, as in the official code.
    """

    def __init__(self, window_size, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.window_size = window_size
        self.num_heads = num_heads

    def build(self, local_shape, regional_shape):
        shape = (self.num_heads, (2 * self.window_size - 1) ** 2)
        initializer = initial("table", f"{self.name}/table")
        self.table = self.add_weight(name="table", shape=shape, initializer=initializer)

    def call(self, local, regional):
        grid, tokens = sizes(regional), self.window_size**2
        overhang = _overhang(sizes(local), grid, self.window_size)
        bias = look_up(ops.cast(self.table, self.compute_dtype), self._index(), axis=1)
        bias = ops.pad(ops.reshape(bias, (1, self.num_heads, tokens, tokens)), ((0, 0), (0, 0), (1, 0), (1, 0)))
        if is_static(*overhang) and not any(overhang):
            return bias
        return bias + ops.cast(self._mask(np if is_static(*overhang) else ops, grid, overhang), bias.dtype)

    def _index(self):
        """(w ** 4,): the column of the table for each (query, key), row by row."""
        side, position = 2 * self.window_size - 1, np.arange(self.window_size)
        step = (position[None, :] - position[:, None] + self.window_size // 2) % side
        return (step[:, None, :, None] * side + step[None, :, None, :]).reshape(-1)

    def _mask(self, xp, grid, overhang):
        """(R S, 1, N, N): 0 where a query sees a key; elsewhere a number that fits every dtype and whose exp is 0."""
        position = np.indices((self.window_size, self.window_size)).reshape(2, -1)
        position = np.pad(position, ((0, 0), (1, 0)), constant_values=-1)  # the regional token is always inside
        inside = [p < self.window_size - n for p, n in zip(position, overhang, strict=True)]
        rows, columns = (xp.logical_and(n[:, None], n[None, :]) for n in inside)
        bottom = xp.reshape(xp.arange(grid[0]) == grid[0] - 1, (-1, 1, 1, 1))
        right = xp.reshape(xp.arange(grid[1]) == grid[1] - 1, (1, -1, 1, 1))
        edges = xp.logical_and(
            xp.logical_or(rows, xp.logical_not(bottom)), xp.logical_or(columns, xp.logical_not(right))
        )
        seen = xp.where(xp.logical_and(bottom, right), xp.logical_or(rows, columns), edges)
        return xp.reshape(xp.where(seen, 0.0, -3e4), (-1, 1, *rows.shape))

    def compute_output_shape(self, local_shape, regional_shape):
        grid, tokens = regional_shape[1:3], 1 + self.window_size**2
        windows = None
        if is_static(*grid, *local_shape[1:3]):
            windows = grid[0] * grid[1] if any(_overhang(local_shape[1:3], grid, self.window_size)) else 1
        return (windows, self.num_heads, tokens, tokens)


def _overhang(local, regional, window_size):
    """Rows and columns by which the windows extend past the map."""
    return [count * window_size - size for size, count in zip(local, regional, strict=True)]
