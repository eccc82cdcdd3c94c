"""Drawn images for the examples: a circle, a square or a triangle in some colour, on noise."""

from typing import NamedTuple

import numpy as np

NAMES = ("circle", "square", "triangle")


class Shapes(NamedTuple):
    """Images (N, S, S, 3) from 0 to 1, the class (N,), box (N, 4) in xyxy and mask (N, S, S) of what is drawn.

    A mask's 0 is background, and 1 to 3 are the classes.
    """

    images: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray


def shapes(count, size=64, seed=0):
    random = np.random.default_rng(seed)
    images = random.uniform(0, 0.4, (count, size, size, 3)).astype("float32")
    classes, masks = random.integers(0, len(NAMES), count), np.zeros((count, size, size), "int32")
    radii = random.uniform(size / 8, size / 4, count)
    centres = radii[:, None] + random.uniform(0, 1, (count, 2)) * (size - 2 * radii[:, None])
    rows, columns = np.mgrid[:size, :size] + 0.5
    for image, mask, kind, radius, (x, y) in zip(images, masks, classes, radii, centres, strict=True):
        right, down = columns - x, rows - y
        inside = {
            0: right**2 + down**2 < radius**2,
            1: np.maximum(abs(right), abs(down)) < radius,
            2: (abs(down) < radius) & (abs(right) < (down + radius) / 2),
        }[int(kind)]
        mask[inside] = kind + 1
        image[inside] = random.uniform(0.5, 1.0, 3)
    boxes = np.concatenate([centres - radii[:, None], centres + radii[:, None]], axis=1).astype("float32")
    return Shapes(images, classes.astype("int32"), boxes, masks)
