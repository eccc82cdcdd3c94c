"""Images in folders or arrays, and their classes.

`keras.utils.image_dataset_from_directory` stops at the first image that it can't read, without saying which it was; so
the files are listed and tried here.
"""

import collections
import dataclasses
import os
import pathlib
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

from vitgraph import contract as c
from vitgraph.images.files import READABLE, image_files, is_image, unreadable

Fraction = Annotated[float, c.Rule("a number over 0, less than 1", lambda v: 0 < v < 1)]
Unreadable = Literal["refuse", "skip"]


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Images, and their classes where they are known.

    Args:
        source: paths of files (N,), or an array (N, H, W, C) of uint8.
        labels: (N,) integers from 0, or None.
        class_names: a name per class, or None.
        num_classes: number of classes; 0 without labels.
    """

    source: np.ndarray
    labels: np.ndarray | None
    class_names: tuple[str, ...] | None
    num_classes: c.Whole

    def __post_init__(self) -> None:
        with c.checked_fields(self):
            shape, kind = self.source.shape, self.source.dtype
            good = (len(shape) == 1 and kind.kind == "U") or (len(shape) == 4 and kind == np.uint8)
            c.require(good and self.source.size, "source", "paths (N,), or (N, H, W, C) of uint8")
            if self.labels is None:
                c.require(self.num_classes == 0, "num_classes", "0 without labels")
            else:
                good = self.labels.shape == shape[:1] and self.labels.dtype.kind in "iu"
                good = good and 0 <= self.labels.min() and self.labels.max() < self.num_classes
                c.require(good, "labels", f"{shape[0]} integers from 0, less than num_classes={self.num_classes}")
            named = self.class_names is None or len(self.class_names) == self.num_classes
            c.require(named, "class_names", f"None, or {self.num_classes} names")

    @property
    def count(self) -> int:
        return len(self.source)

    @property
    def are_files(self) -> bool:
        return self.source.ndim == 1

    @property
    def channels(self) -> int:
        """The number of channels before any conversion."""
        return 3 if self.are_files else self.source.shape[-1]

    @c.public
    def split(self, fraction: Fraction, seed: c.Seed) -> tuple["Images", "Images"]:
        """Holds out images, the same share of each class; of a class with a single image none is held out.

        Args:
            fraction: the share that is held out.
            seed: seed of the choice.

        Returns:
            The images that are left, and those that are held out.

        Example:
            >>> images = vitgraph.images.from_arrays(numpy.zeros((10, 8, 8, 3), "uint8"), numpy.arange(10) % 2)
            >>> [part.count for part in images.split(0.2, seed=0)]
            [8, 2]
        """
        random = np.random.default_rng(seed)
        held: list[Any] = []
        kinds = np.zeros(self.count, int) if self.labels is None else self.labels
        for kind in np.unique(kinds):
            members = random.permutation(np.flatnonzero(kinds == kind))
            held.extend(members[: min(max(1, round(fraction * len(members))), len(members) - 1)])
        chosen = np.isin(np.arange(self.count), held)
        c.require(chosen.any(), "fraction", "only where a class has 2 or more images")
        return self._part(~chosen), self._part(chosen)

    def _part(self, chosen: Any) -> "Images":
        labels = None if self.labels is None else self.labels[chosen]
        return dataclasses.replace(self, source=self.source[chosen], labels=labels)


def _source(value: Any) -> Any:
    if isinstance(value, Images):
        return value
    if isinstance(value, (str, os.PathLike)):
        return pathlib.Path(os.fspath(value))
    if isinstance(value, (tuple, list)):
        if not 1 <= len(value) <= 2:
            raise ValueError
        return tuple(map(np.asarray, value))
    if not hasattr(value, "__array__"):
        raise TypeError
    return (np.asarray(value),)


Source = Annotated[
    str | os.PathLike[str] | Sequence[Any] | npt.ArrayLike | Images,
    c.Conversion("a folder, an array (N, H, W, C), a pair of arrays (images, classes), or Images", _source),
]
_Array = Annotated[npt.ArrayLike, c.Conversion("an array", np.asarray)]


@c.public
def from_folder(folder: c.Path, *, unreadable: Unreadable = "refuse", labelled: bool = True) -> Images:
    """Lists the images of a folder: JPEG, PNG, BMP without a palette, GIF (its first frame), WebP without animation.

    Args:
        folder: a folder with one folder of images per class, named after it; with `labelled=False` images at any
            depth.
        labelled: whether folders are classes.

    Returns:
        The `Images`.

    Raises:
        ValueError, TypeError: an argument that isn't allowed, no images, classes without images, unreadable files.
        OSError: `folder` is no folder.

    Example:
        >>> vitgraph.images.from_folder("absent")
        Traceback (most recent call last):
        NotADirectoryError: from_folder: folder='absent'; allowed: a folder that exists
    """
    return read_folder(folder, unreadable, labelled, "folder")


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
    return read_arrays(images, labels, "images", "labels")


def open_images(source: Any, unreadable: Unreadable, labelled: bool, argument: str) -> Images:
    """The images of a `Source`; `argument` is what errors call it."""
    if isinstance(source, Images):
        return source
    if isinstance(source, tuple):
        return read_arrays(source[0], source[1] if len(source) == 2 else None, argument, argument)
    return read_folder(source, unreadable, labelled, argument)


def read_folder(folder: Any, when_unreadable: Unreadable, labelled: bool, argument: str) -> Images:
    """`from_folder`; `argument` is what errors call the folder."""
    c.require(os.path.isdir(folder), argument, "a folder that exists", error=NotADirectoryError)  # noqa: PTH112 (no error for names that can't be)
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".") if labelled else [""]
    if labelled:
        found = f"{len(names)} folders" if len(names) != 1 else f"the one folder {names[0]!r}"
        c.require(len(names) > 1, argument, f"a folder with a folder of images for each of 2 or more classes, not {found}")
        stray = [path.name for path in folder.iterdir() if is_image(path)]
        c.require(not stray, argument, f"images in the classes' folders only, not beside them: {_listed(stray)}")
    files = [(path, label) for label, name in enumerate(names) for path in image_files(folder / name)]
    c.require(files, argument, f"a folder with images ({', '.join(READABLE)})")
    files = _readable(files, when_unreadable, argument)
    counts = collections.Counter(label for _, label in files)
    empty = [name for label, name in enumerate(names) if not counts[label]]
    c.require(not empty, argument, f"a folder with images of every class, not without any of: {_listed(empty)}")
    paths = np.array([str(path) for path, _ in files])
    if not labelled:
        return Images(paths, None, None, 0)
    return Images(paths, np.array([label for _, label in files]), tuple(names), len(names))
