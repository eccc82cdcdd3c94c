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
        x = pad_end(x, down * rows - height, across * columns - width)
        return super().call(_swap(x, rows, down, columns, across))


class GridReverse(WindowReverse):
    """(B n, w, C), (B, H, W, .) -> (B, H, W, C): groups back into the map of the second input's size."""

    def call(self, windows, like):
        height, width = sizes(like)
        (rows, _, down), (columns, _, across) = self.geometry(height, width)
        x = ops.reshape(windows, (-1, across, rows, columns * windows.shape[-1]))
        x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, down * rows, across * columns, windows.shape[-1]))
        return _swap(x, down, rows, across, columns)[:, :height, :width]


def _swap(x, rows, down, columns, across):
    """A map of rows x down by columns x across positions -> one of down x rows by across x columns."""
    channels = x.shape[-1]
    x = ops.reshape(x, (-1, rows, down, columns * across * channels))
    x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, columns, across, channels))
    return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, rows * down, columns * across, channels))
