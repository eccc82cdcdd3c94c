"""Tables of a checkpoint resampled for another input size, the way the official code does it."""

import math

import numpy as np

from vitgraph.blocks.positions.resampling import geometric_matrix, interpolation_matrix


def position_table(table, prefix, old, new, *, kernel="bicubic", antialias=True, offset=0.0):
    """(1, prefix + h w, C) from grid `old` (h, w) to grid `new`; the prefix rows stay as they are."""
    head, patches = table[:, :prefix], table[:, prefix:]
    options = {"kernel": kernel, "antialias": antialias, "offset": offset}
    rows, columns = (interpolation_matrix(o, n, **options) for o, n in zip(old, new, strict=True))
    patches = patches.reshape(*old, -1).astype("float64")
    patches = np.einsum("ih,jw,hwc->ijc", rows, columns, patches)
    return np.concatenate([head, patches.reshape(1, -1, table.shape[-1]).astype(table.dtype)], axis=1)


def relative_bias_table(table, old, new):
    """((2 h - 1)(2 w - 1), heads) from window `old` (h, w) to window `new`; see `geometric_matrix`."""
    sides = [(2 * o - 1, 2 * n - 1) for o, n in zip(old, new, strict=True)]
    rows, columns = (geometric_matrix(*side) for side in sides)
    grid = table.reshape(sides[0][0], sides[1][0], -1).astype("float64")
    return np.einsum("ih,jw,hwc->ijc", rows, columns, grid).reshape(-1, table.shape[-1]).astype(table.dtype)


def blockwise_table(table, block_size, old=None):
    """NesT's (1, blocks, tokens, C), read as one map: from blocks of `old` (rows, columns), or squares, to others."""
    (height, width), (rows, columns), channels = old or square_grid(table.shape[2]), block_size, table.shape[-1]
    blocks = math.isqrt(table.shape[1])
    flat = table.reshape(blocks, blocks, height, width, channels).transpose(0, 2, 1, 3, 4).reshape(1, -1, channels)
    sizes = ((blocks * height, blocks * width), (blocks * rows, blocks * columns))
    flat = position_table(flat, 0, *sizes, antialias=False)
    flat = flat.reshape(blocks, rows, blocks, columns, channels).transpose(0, 2, 1, 3, 4)
    return flat.reshape(1, blocks**2, rows * columns, channels)


def square_grid(tokens):
    """(side, side) of the square grid with this number of patches, or None."""
    side = math.isqrt(tokens)
    return (side, side) if side * side == tokens else None


def patch_kernel(kernel, new):
    """A patch embedding's kernel (rows, columns, in, out) for patches of another size (FlexiViT, arXiv:2212.08013).

    On patches that are resized too it gives what the former kernel gave: it is multiplied by the pseudo-inverse of the
    resize.
    """
    old = kernel.shape[:2]
    rows, columns = (interpolation_matrix(o, n) for o, n in zip(old, new, strict=True))
    resize = np.kron(rows, columns)  # (new pixels, old pixels)
    flat = kernel.reshape(old[0] * old[1], -1).astype("float64")
    return (np.linalg.pinv(resize.T) @ flat).reshape(*new, *kernel.shape[2:]).astype(kernel.dtype)
