"""Where images come from: everything that training takes as images."""

import os
from collections.abc import Sequence
from typing import Annotated, Any

import numpy.typing as npt

from vitgraph import contract as c
from vitgraph.contract.fitting import fit
from vitgraph.images.arrays import array, images_of_arrays
from vitgraph.images.collection import Images
from vitgraph.images.folders import Unreadable, images_of_folder
from vitgraph.images.manifests import images_of_manifest, is_manifest


def _source(value: Any) -> Any:
    if isinstance(value, Images):
        return value
    if isinstance(value, (str, os.PathLike)):
        return fit(value, c.Path)
    if isinstance(value, (tuple, list)):
        images, *labels = value
        if len(labels) > 1:
            raise ValueError
        return array(images), *(array(part) for part in labels if part is not None)
    if not hasattr(value, "__array__"):
        raise TypeError
    return (array(value),)


Source = Annotated[
    str | os.PathLike[str] | Sequence[Any] | npt.ArrayLike | Images,
    c.Conversion("a folder, a manifest, an array (N, H, W, C), a pair of arrays (images, classes), or Images", _source),
]


def open_images(source: Any, when_unreadable: Unreadable, labelled: bool, argument: str) -> Images:
    """The images of a `Source`; `argument` is what errors call it."""
    if isinstance(source, Images):
        return source
    if isinstance(source, tuple):
        return images_of_arrays(source[0], source[1] if len(source) == 2 else None, argument, argument)
    if is_manifest(source):
        return images_of_manifest(source, when_unreadable, labelled, argument)
    return images_of_folder(source, when_unreadable, labelled, argument)
