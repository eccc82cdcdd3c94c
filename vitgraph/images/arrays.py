"""Images in arrays."""

import warnings
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from vitgraph import contract as c
from vitgraph.images.collection import Images

_MOST_CLASSES = 2**20


def array(value: Any) -> Any:
    """Anything like an array as NumPy's."""
    if value is None:
        raise TypeError
    return np.asarray(value)


_Array = Annotated[npt.ArrayLike, c.Conversion("an array", array)]


@c.public
def from_arrays(images: _Array, labels: _Array | None = None) -> Images:
    """Takes images, and their classes where they are known, from arrays.

    Args:
        images: (N, H, W, C) or (N, H, W), uint8, or floats from 0 to 1.
        labels: (N,) integers from 0, or (N, classes) with a single 1 per row; None: unknown.

    Returns:
        The `Images`.

    Example:
        >>> images = vitgraph.images.from_arrays(numpy.zeros((10, 8, 8, 3), "uint8"), numpy.arange(10) % 2)
        >>> images.count, images.num_classes
        (10, 2)
    """
    return images_of_arrays(images, labels, "images", "labels")


def images_of_arrays(images: Any, labels: Any, images_argument: str, labels_argument: str) -> Images:
    """`from_arrays`; the last two are what errors call images and labels."""
    images = images[..., None] if images.ndim == 3 else images
    good = images.ndim == 4 and images.size
    c.require(good, images_argument, f"(N, H, W, C) or (N, H, W), each at least 1, not {images.shape}")
    if images.dtype != np.uint8:
        good = np.issubdtype(images.dtype, np.floating)
        c.require(good, images_argument, f"uint8, or floats from 0 to 1, not {images.dtype}")
        low, high = images.min(), images.max()
        c.require(low >= 0 and high <= 1, images_argument, f"uint8, or floats from 0 to 1, not from {low} to {high}")
        images = np.round(images * 255).astype("uint8")
    if labels is None:
        return Images(images, None, None, 0)
    labels, num_classes = _integers(labels, len(images), labels_argument)
    warn_of_empty_classes(labels, num_classes)
    return Images(images, labels, None, num_classes)


def warn_of_empty_classes(labels: Any, num_classes: int) -> None:
    """Of integers from 0, which may leave some of them out."""
    empty = np.setdiff1d(np.arange(num_classes), labels)
    if empty.size:
        shown = ", ".join(map(str, empty[:10])) + (f" and {empty.size - 10} more" if empty.size > 10 else "")
        warnings.warn(f"images: no images of these of the {num_classes} classes, from 0: {shown}", stacklevel=6)


def _integers(labels: Any, count: int, argument: str) -> tuple[Any, int]:
    """(labels (count,) from 0, the number of classes)."""
    num_classes = None
    if labels.ndim == 2 and labels.shape[1] > 1:
        good = labels.dtype.kind in "iufb" and np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()
        c.require(good, argument, "as labels (N, classes) a single 1 per row, all else 0")
        labels, num_classes = labels.argmax(axis=1), labels.shape[1]
    labels = labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
    are_numbers = labels.shape == (count,) and labels.dtype.kind in "iuf"
    ends = f", from {labels.min()} to {labels.max()}" if are_numbers else ""
    allowed = f"as labels {count} integers from 0 to {_MOST_CLASSES - 1}, or one-hot rows, not {labels.dtype}"
    good = are_numbers and labels.min() >= 0 and labels.max() < _MOST_CLASSES and np.all(labels == np.round(labels))
    c.require(good, argument, f"{allowed} {labels.shape}{ends}")
    return labels.astype("int64"), num_classes or int(labels.max()) + 1
