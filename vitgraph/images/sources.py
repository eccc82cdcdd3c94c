"""Images in folders or arrays, and their classes.

`keras.utils.image_dataset_from_directory` stops at the first image that it can't read, without saying which it was; so
the files are listed and tried here.
"""

import collections
import dataclasses
import os
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

from vitgraph import contract as c
from vitgraph.contract.fitting import fit
from vitgraph.images.files import READABLE, image_files, is_image, unreadable

Fraction = Annotated[float, c.Rule("a number over 0, less than 1", lambda v: 0 < v < 1)]
Unreadable = Literal["refuse", "skip"]
_MOST_CLASSES = 2**20


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
                good = good and self.labels.min() >= 0 and self.labels.max() < self.num_classes
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

    def split(self, fraction: Fraction, seed: c.Seed) -> tuple["Images", "Images"]:
        """Holds out images, the same share of each class, but never the only one of a class.

        Args:
            fraction: share of the images that is held out, over 0, less than 1.
            seed: seed of the choice.

        Returns:
            The images that are left, and those that are held out.
        """
        given: dict[str, Any] = {"fraction": fraction, "seed": seed}
        c.fit_all("split", given, {"fraction": Fraction, "seed": c.Seed})
        with c.named_errors("split", given):
            return self.hold_out(**given, argument="fraction")

    def hold_out(self, fraction: float, seed: int, argument: str) -> tuple["Images", "Images"]:
        """`split`; `argument` is what errors call the fraction."""
        random = np.random.default_rng(seed)
        held: list[Any] = []
        kinds = np.zeros(self.count, int) if self.labels is None else self.labels
        for kind in np.unique(kinds):
            members = random.permutation(np.flatnonzero(kinds == kind))
            held.extend(members[: min(max(1, round(fraction * len(members))), len(members) - 1)])
        chosen = np.isin(np.arange(self.count), held)
        c.require(chosen.any(), argument, "a share of images of which a class has 2 or more")
        return self._part(~chosen), self._part(chosen)

    def _part(self, chosen: Any) -> "Images":
        labels = None if self.labels is None else self.labels[chosen]
        return dataclasses.replace(self, source=self.source[chosen], labels=labels)


def _source(value: Any) -> Any:
    if isinstance(value, Images):
        return value
    if isinstance(value, (str, os.PathLike)):
        return fit(value, c.Path)
    if isinstance(value, (tuple, list)):
        images, *labels = value
        if len(labels) > 1:
            raise ValueError
        return _array(images), *(_array(part) for part in labels if part is not None)
    if not hasattr(value, "__array__"):
        raise TypeError
    return (_array(value),)


def _array(value: Any) -> Any:
    if value is None:
        raise TypeError
    return np.asarray(value)


Source = Annotated[
    str | os.PathLike[str] | Sequence[Any] | npt.ArrayLike | Images,
    c.Conversion("a folder, an array (N, H, W, C), a pair of arrays (images, classes), or Images", _source),
]
_Array = Annotated[npt.ArrayLike, c.Conversion("an array", _array)]


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
        OSError: there is no such folder, or it can't be read.

    Example:
        >>> vitgraph.images.from_folder("absent")
        Traceback (most recent call last):
        NotADirectoryError: from_folder: folder='absent'; allowed: a folder that exists
    """
    return _of_folder(folder, unreadable, labelled, "folder")


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
    return _of_arrays(images, labels, "images", "labels")


def open_images(source: Any, when_unreadable: Unreadable, labelled: bool, argument: str) -> Images:
    """The images of a `Source`; `argument` is what errors call it."""
    if isinstance(source, Images):
        return source
    if isinstance(source, tuple):
        return _of_arrays(source[0], source[1] if len(source) == 2 else None, argument, argument)
    return _of_folder(source, when_unreadable, labelled, argument)


def _of_folder(folder: Any, when_unreadable: Unreadable, labelled: bool, argument: str) -> Images:
    c.require(os.path.isdir(folder), argument, "a folder that exists", error=NotADirectoryError)  # noqa: PTH112
    inside = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    names = inside if labelled else [""]
    if labelled:
        found = f"{len(names)} folders" if len(names) != 1 else f"the one folder {names[0]!r}"
        c.require(len(names) > 1, argument, f"one folder of images for each of 2 or more classes, not {found}")
        stray = sorted(path.name for path in folder.iterdir() if is_image(path))
        c.require(not stray, argument, f"images inside the classes' folders, not beside them: {_listed(stray)}")
    files = [(path, label) for label, name in enumerate(names) for path in image_files(folder / name)]
    c.require(files, argument, f"a folder that has images ({', '.join(READABLE)})")
    files = _readable(files, when_unreadable, argument)
    counts = collections.Counter(label for _, label in files)
    empty = [name for label, name in enumerate(names) if not counts[label]]
    c.require(not empty, argument, f"images of every class; no images of: {_listed(empty)}")
    paths = np.array([str(path) for path, _ in files])
    if not labelled:
        return Images(paths, None, None, 0)
    return Images(paths, np.array([label for _, label in files]), tuple(names), len(names))


def _readable(files: Sequence[Any], when_unreadable: Unreadable, argument: str) -> list[Any]:
    """Those (path, label) whose file can be read."""
    bad = unreadable([path for path, _ in files])
    count = f"{len(bad)} of {len(files)} files"
    lines = "".join(f"\n  {path}: {why}" for path, why in bad.items())
    c.require(
        not bad or when_unreadable == "skip",
        argument,
        f'whole images; {count} can\'t be read: mend them, or leave them out with unreadable="skip":{lines}',
    )
    if bad:
        warnings.warn(f"images: {count} can't be read and are left out: {', '.join(map(str, bad))}", stacklevel=5)
    return [(path, label) for path, label in files if path not in bad]


def _of_arrays(images: Any, labels: Any, images_argument: str, labels_argument: str) -> Images:
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
    return Images(images, labels, None, num_classes)


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


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more if any(names) else "any kind"
