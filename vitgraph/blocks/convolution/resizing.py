"""Resizing of images and maps by two matrix products, as PyTorch does it without antialiasing."""

import math
from fractions import Fraction

from vitgraph.blocks.base import Layer, is_static, pair, sizes
from vitgraph.blocks.positions.resampling import interpolation_matrix, resample_map


class ResizeToMultiple(Layer):
    """(B, H, W, C) -> (B, ceil(H / m) m, ceil(W / n) n, C), bilinear.

    Args:
        multiple: an integer, or (m, n).
        align_corners: whether the centres of the corner pixels are aligned; otherwise the edges of the maps are.
    """

    def __init__(self, multiple, align_corners=False, **kwargs):
        super().__init__(**kwargs)
        self.multiple = pair(multiple)
        self.align_corners = align_corners

    def call(self, x):
        new = ((n + m - 1) // m * m for n, m in zip(sizes(x), self.multiple, strict=True))
        return _resize(x, new, align_corners=self.align_corners)

    def compute_output_shape(self, input_shape):
        batch, *grid, channels = input_shape
        grid = (None if n is None else -(-n // m) * m for n, m in zip(grid, self.multiple, strict=True))
        return (batch, *grid, channels)


class ResizeLike(Layer):
    """(B, H, W, C), (B, H', W', .) -> (B, H', W', C), bilinear, with the edges of the maps aligned."""

    def call(self, x, like):
        return _resize(x, sizes(like))

    def compute_output_shape(self, x_shape, like_shape):
        return (*like_shape[:3], x_shape[-1])


class FitToStride(Layer):
    """(B, h, w, C), (B, H, W, .) -> (B, ceil(H / s), ceil(W / s), C): the map that an image has at stride s.

    Args:
        stride: pixels per position, s.
        crop: take the top left part of a map that is at least as large; otherwise the map is resized, bilinear.
    """

    def __init__(self, stride, crop=False, **kwargs):
        super().__init__(**kwargs)
        self.stride = stride
        self.crop = crop

    def call(self, x, image):
        height, width = ((n + self.stride - 1) // self.stride for n in sizes(image))
        return x[:, :height, :width] if self.crop else _resize(x, (height, width))

    def compute_output_shape(self, x_shape, image_shape):
        batch, *grid, _ = image_shape
        return (batch, *(None if n is None else -(-n // self.stride) for n in grid), x_shape[-1])


class ScaleImage(Layer):
    """(B, H, W, C) -> (B, floor(s H), floor(s W), C): bicubic without antialiasing, as PyTorch does it, or a crop.

    Args:
        scale: the factor s.
        crop: if the factor is below 1, crop the centre instead.
    """

    def __init__(self, scale, crop=False, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.crop = crop

    def call(self, x):
        old = sizes(x)
        new = [self.scaled(n) for n in old]
        if not self.crop or self.scale > 1:
            return _resize(x, new, "bicubic")
        (top, left), (height, width) = map(_half, (n - m for n, m in zip(old, new, strict=True))), new
        return x[:, top : top + height, left : left + width]

    def scaled(self, size):
        """floor(s size); if the size is known only at run time, s is approximated by a fraction of integers."""
        if is_static(size):
            return math.floor(self.scale * size)
        ratio = Fraction(self.scale).limit_denominator(1000)
        return size * ratio.numerator // ratio.denominator

    def compute_output_shape(self, input_shape):
        batch, *grid, channels = input_shape
        return (batch, *(None if n is None else self.scaled(n) for n in grid), channels)


def _resize(x, new, kernel="bilinear", align_corners=False):
    matrices = (
        interpolation_matrix(old, n, kernel=kernel, antialias=False, align_corners=align_corners)
        for old, n in zip(sizes(x), new, strict=True)
    )
    return resample_map(x, *matrices)


def _half(n):
    """n / 2, rounded half to even, like Python's `round`."""
    return n // 2 + n % 2 * (n // 2 % 2)
