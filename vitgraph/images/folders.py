"""The images of a folder.

`keras.utils.image_dataset_from_directory` stops at the first image that it can't read, without saying which it was; so
the files are listed and tried here.
"""

import os
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from vitgraph import contract as c
from vitgraph.images.collection import Images
from vitgraph.images.files import READABLE, counted, image_files, is_image, printable, why_unreadable
from vitgraph.images.verdicts import unreadable

Unreadable = Literal["refuse", "skip"]


@c.public
def from_folder(folder: c.Path, *, unreadable: Unreadable = "refuse", labelled: bool = True) -> Images:
    """Lists the images of a folder: JPEG, PNG, BMP without a palette, GIF (its first frame), WebP without animation.

    TIFF and AVIF are read by Pillow, where it is installed. Pictures are turned as their EXIF orientation says. A
    warning says how many files are left out because of their endings.

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
    return images_of_folder(folder, unreadable, labelled, "folder")


def images_of_folder(folder: Any, when_unreadable: Unreadable, labelled: bool, argument: str) -> Images:
    """`from_folder`; `argument` is what errors call the folder."""
    c.require(os.path.isdir(folder), argument, "a folder that exists", error=NotADirectoryError)  # noqa: PTH112
    inside = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    names = inside if labelled else [""]
    if labelled:
        found = f"{len(names)} folders" if len(names) != 1 else f"the one folder {names[0]!r}"
        c.require(len(names) > 1, argument, f"one folder of images for each of 2 or more classes, not {found}")
        stray = sorted(path.name for path in folder.iterdir() if is_image(path))
        c.require(not stray, argument, f"images inside the classes' folders, not beside them: {_listed(stray)}")
    found_files = [image_files(folder / name) for name in names]
    files = [file for images, _ in found_files for file in images]
    labels = np.repeat(np.arange(len(names)), [len(images) for images, _ in found_files])
    others = counted([path for _, rest in found_files for path in rest])
    if others:
        others = f"files left out because of their endings: {others}"
    has_images = f"a folder that has images ({', '.join(READABLE)})"
    c.require(files, argument, f"{has_images}; {others}" if others else has_images)
    files, labels = readable(folder, files, labels, when_unreadable, argument, others)
    require_every_class(labels, names, argument)
    paths = np.array([file.path for file in files])
    if not labelled:
        return Images(paths, None, None, 0)
    return Images(paths, labels, tuple(names), len(names))


def require_every_class(labels: Any, names: Sequence[str], argument: str) -> None:
    counts = np.bincount(labels, minlength=len(names))
    empty = [name for label, name in enumerate(names) if not counts[label]]
    c.require(not empty, argument, f"images of every class; no images of: {_listed(empty)}")


def readable(
    source: Any, files: list[Any], labels: Any, when_unreadable: Unreadable, argument: str, others: str
) -> tuple[list[Any], Any]:
    """The files that can be read, and their labels. `others` says which files aren't among these."""
    bad = unreadable(source, files, why_unreadable)
    count = f"{len(bad)} of {len(files)} files"
    lines = "".join(f"\n  {printable(path)}: {why}" for path, why in bad.items())
    c.require(
        not bad or when_unreadable == "skip",
        argument,
        f'whole images; {count} can\'t be read: mend them, or leave them out with unreadable="skip":{lines}',
    )
    left_out = f"{count} can't be read and are left out: {', '.join(map(printable, bad))}" if bad else ""
    if bad or others:
        warnings.warn(f"images: {'; '.join(filter(None, (left_out, others)))}", stacklevel=5)
    if not bad:
        return files, labels
    is_good = np.array([file.path not in bad for file in files])
    return [file for file, good in zip(files, is_good, strict=True) if good], labels[is_good]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more if any(names) else "any kind"
