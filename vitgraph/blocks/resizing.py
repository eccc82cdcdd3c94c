"""Bilinear resizing of maps, as two matrix products."""

from vitgraph.blocks.base import Block, pair, sizes
from vitgraph.blocks.resample import interpolation_matrix, resample_map


class ResizeToMultiple(Block):
    """(B, H, W, C) -> (B, ceil(H / m) m, ceil(W / n) n, C), bilinear.

    Args:
        multiple: a number, or (m, n).
        align_corners: whether the outer pixels' centres stay where they are; else the map's edges do.
    """

    def __init__(self, multiple, align_corners=False, **kwargs):
        super().__init__(**kwargs)
        self.multiple = pair(multiple)
        self.align_corners = align_corners

    def call(self, x):
        new = ((n + m - 1) // m * m for n, m in zip(sizes(x), self.multiple, strict=True))
        return _resize(x, new, self.align_corners)

    def compute_output_shape(self, input_shape):
        batch, *grid, channels = input_shape
        grid = (None if n is None else -(-n // m) * m for n, m in zip(grid, self.multiple, strict=True))
        return (batch, *grid, channels)


class ResizeLike(Block):
    """(B, H, W, C), (B, H', W', .) -> (B, H', W', C), bilinear, the maps' edges aligned."""

    def call(self, x, like):
        return _resize(x, sizes(like), align_corners=False)

    def compute_output_shape(self, x_shape, like_shape):
        return (*like_shape[:3], x_shape[-1])


def _resize(x, new, align_corners):
    matrices = (
        interpolation_matrix(old, n, kernel="bilinear", antialias=False, align_corners=align_corners)
        for old, n in zip(sizes(x), new, strict=True)
    )
    return resample_map(x, *matrices)
