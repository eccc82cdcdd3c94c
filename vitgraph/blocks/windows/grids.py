"""Grids of a map's positions: each window holds positions that are spread evenly over the whole map (MaxViT)."""

from keras import ops

from vitgraph.blocks.base import pad_end, sizes
from vitgraph.blocks.windows.windows import WindowPartition, WindowReverse


class GridPartition(WindowPartition):
    """(B, H, W, C) -> (B n, w, C): n groups of w positions, every n-th along the map's sides, which are padded first.

    Where a window of `window_size` would hold neighbours, a group holds one position of each of `window_size` equal
    parts of the map (arXiv:2204.01697).
    """

    def call(self, x):
        height, width = sizes(x)
        (rows, _, down), (columns, _, across) = self.geometry(height, width)
        x, channels = pad_end(x, down * rows - height, across * columns - width), x.shape[-1]
        x = _swapped(x, (-1, columns, across, channels))
        x = _swapped(x, (-1, rows, down * across, columns * channels))
        return ops.reshape(x, (-1, rows * columns, channels))


class GridReverse(WindowReverse):
    """(B n, w, C), (B, H, W, .) -> (B, H, W, C): groups back into the map of the second input's size."""

    def call(self, windows, like):
        height, width = sizes(like)
        (rows, _, down), (columns, _, across) = self.geometry(height, width)
        channels = windows.shape[-1]
        x = _swapped(windows, (-1, down * across, rows, columns * channels))
        x = _swapped(x, (-1, across, columns, channels))
        return ops.reshape(x, (-1, rows * down, columns * across, channels))[:, :height, :width]


def _swapped(x, shape):
    """x in this shape of four axes, of which the second and the third then change places."""
    return ops.transpose(ops.reshape(x, shape), (0, 2, 1, 3))
