"""Separable resampling as matrix products, which every backend, compiler and exporter supports.

`numpy` and `keras.ops` share the functions used here: with numpy and integers a matrix is a constant of the graph (or
of a checkpoint's conversion); with `keras.ops` it depends on a size that is known only at run time.
"""

import numpy as np
from keras import ops

from vitgraph.blocks.base import is_static


def interpolation_matrix(old, new, *, kernel="bicubic", antialias=True, align_corners=False, offset=0.0):
    """Returns the (new, old) matrix that resamples a signal of `old` samples to `new`.

    As in PyTorch: with `antialias` the kernel is stretched by the scale and renormalised at the borders, and cubic
    means a = -0.5; without, the border is replicated and a = -0.75.

    Args:
        old, new: sample counts, integers or scalar tensors.
        kernel: "bicubic" or "bilinear".
        antialias: widen the kernel when the signal shrinks.
        align_corners: whether the outer samples of both signals are aligned; otherwise their outer edges are.
        offset: added to `new` in the scale; 0.1 in DINO's code.
    """
    xp = np if is_static(old, new) else ops
    if align_corners:
        scale = _ratio(xp, old - 1, xp.maximum(new - 1, 1))
        centre = _range(xp, new) * scale
    else:
        scale = _ratio(xp, old, new + offset if offset else new)
        centre = (_range(xp, new) + 0.5) * scale - 0.5
    if antialias:
        weigh, reach = (_cubic(-0.5), 2.0) if kernel == "bicubic" else (_triangle, 1.0)
        stretch = xp.maximum(scale, 1.0)
        distance = xp.abs(_range(xp, old)[None, :] - centre[:, None]) / stretch
        weights = xp.where(distance < reach, weigh(xp, distance), 0.0)
        return weights / xp.sum(weights, axis=1, keepdims=True)
    weigh, taps = (_cubic(-0.75), (-1, 0, 1, 2)) if kernel == "bicubic" else (_triangle, (0, 1))
    first = xp.floor(centre)
    total = 0.0
    for tap in taps:
        source = first + tap
        clipped = xp.clip(source, 0.0, (old if xp is np else ops.cast(old, "float32")) - 1.0)
        hit = xp.abs(_range(xp, old)[None, :] - clipped[:, None]) < 0.5
        total = total + xp.where(hit, weigh(xp, xp.abs(source - centre))[:, None], 0.0)
    return total


def pooling_matrix(old, new):
    """Returns the (new, old) matrix of adaptive average pooling.

    Bin i covers floor(i old / new) to ceil((i + 1) old / new).
    """
    xp = np if is_static(old, new) else ops
    position = xp.arange(old)[None, :]
    index = xp.arange(new)[:, None]
    inside = (position >= index * old // new) & (position < ((index + 1) * old + new - 1) // new)
    inside = inside.astype("float32") if xp is np else ops.cast(inside, "float32")
    return inside / xp.sum(inside, axis=1, keepdims=True)


def window_matrix(old, new, kernel_size, strides, padding):
    """Returns the (new, old) matrix of means over windows of a signal with `padding` zeros on each side.

    A window that extends beyond these zeros is a mean over the positions that exist.
    """
    xp = np if is_static(old, new) else ops
    end = old + padding
    first = (_range(xp, new) * strides - padding)[:, None]
    after = xp.minimum(first + kernel_size, end if xp is np else ops.cast(end, "float32"))
    position = _range(xp, old)[None, :]
    return xp.where((position >= first) & (position < after), 1.0 / (after - first), 0.0)


def geometric_matrix(old, new):
    """Returns the (new, old) matrix from `old` relative offsets to `new` of them, odd numbers with 0 in the middle.

    As BEiT does, and timm for Swin: the old offsets are spread geometrically over the new range, densely around 0, and
    interpolated linearly.

    Args:
        old: an integer.
        new: an integer, or a scalar tensor; ranges beyond +-1023 are then spread like that one.
    """
    if is_static(new):
        xp, ratio = np, _geometric_ratio(old // 2, new // 2)
    else:
        xp, ratios = ops, _geometric_ratio(old // 2, np.arange(1024))
        ratio = ops.take(ops.cast(ratios, "float32"), ops.minimum(new // 2, 1023))
    steps = xp.cumsum(xp.power(ratio, np.arange(old // 2, dtype="float32")))
    source = xp.concatenate([-xp.flip(steps), np.zeros(1, "float32"), steps])
    target = _range(xp, new)[:, None]
    target = target - target[-1:] / 2
    past = xp.clip((target - source[:-1]) / (source[1:] - source[:-1]), 0.0, 1.0)  # (new, old - 1)
    column = xp.zeros_like(target)
    return xp.concatenate([column + 1, past], axis=1) - xp.concatenate([past, column], axis=1)


def resample_map(x, rows, columns):
    """Applies a (new height, height) and a (new width, width) matrix to the map (..., H, W, C)."""
    rows, columns = (ops.cast(matrix, x.dtype) for matrix in (rows, columns))
    height = rows.shape[1] or ops.shape(rows)[1]
    new_height, width, new_width = ops.shape(rows)[0], ops.shape(columns)[1], ops.shape(columns)[0]
    channels = x.shape[-1]
    x = ops.matmul(rows, ops.reshape(x, (-1, height, width * channels)))
    x = ops.reshape(x, (-1, width, channels))
    return ops.reshape(ops.matmul(columns, x), (-1, new_height, new_width, channels))


def _ratio(xp, old, new):
    return old / new if xp is np else ops.cast(old, "float32") / ops.cast(new, "float32")


def _range(xp, count):
    return np.arange(count, dtype="float64") if xp is np else ops.cast(ops.arange(count), "float32")


def _geometric_ratio(count, reach):
    """Returns the ratio of each of `count` steps to the one before it, if they add up to `reach`.

    The bisection of the official code, for any number of reaches at once; 1 if there is nothing to spread.
    """
    low, high = np.full(np.shape(reach), 1.01), np.full(np.shape(reach), 1.5)
    for _ in range(19):  # the bounds are then less than 1e-6 apart
        ratio = (low + high) / 2
        beyond = (1 - ratio**count) / (1 - ratio) > reach
        low, high = np.where(beyond, low, ratio), np.where(beyond, ratio, high)
    return np.where(np.equal(reach, count), 1.0, ratio)


def _triangle(xp, distance):
    return xp.maximum(1.0 - distance, 0.0)


def _cubic(a):
    def weigh(xp, d):
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        return xp.where(d <= 1, near, xp.where(d < 2, far, xp.zeros_like(d)))

    return weigh
