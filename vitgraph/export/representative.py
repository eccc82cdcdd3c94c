"""Images such as a model will see, from which a quantised one takes the ranges of its numbers."""

import os
from collections.abc import Iterable
from typing import Annotated, Any

import keras
import numpy as np
import numpy.typing as npt

from vitgraph import contract as c
from vitgraph.contract.fitting import fit
from vitgraph.images.collection import Images
from vitgraph.images.crops import central_view, resized
from vitgraph.images.folders import images_of_folder
from vitgraph.images.reading import possible_channels, read

MOST = 256
"""Images that are taken: more hardly change the ranges."""

_TRIED = 32


def _source(value: Any) -> Any:
    if isinstance(value, (str, os.PathLike)):
        return fit(value, c.Path)
    if hasattr(value, "as_numpy_iterator"):
        return value
    if value is None or not hasattr(value, "__array__"):
        raise TypeError
    value = np.asarray(value)
    if value.ndim != 4 or not value.size:
        raise ValueError
    return value


ImageSource = Annotated[
    str | os.PathLike[str] | npt.ArrayLike | Iterable[Any],
    c.Conversion(
        "an array (N, H, W, C) as the model takes it, a tf.data.Dataset of such batches, or a folder", _source
    ),
]


def representative(model: keras.Model, source: Any, shape: tuple[int | None, ...]) -> list[np.ndarray]:
    """The images of an `ImageSource` in batches, each as large as `shape` wants, or of one image."""
    dtype = model.inputs[0].dtype
    if isinstance(source, os.PathLike):
        c.require(dtype == "uint8", "images", "a folder for a model that takes uint8 pixels (`with_preprocessing`)")
        c.require(None not in shape[1:], "images", "a folder where the model's image size is known, or `image_size`")
        source = _read(images_of_folder(source, "refuse", False, "images"), shape[1:])
    elif not isinstance(source, np.ndarray):
        source = _taken(source)
    allowed = f"arrays {('N', *shape[1:])} of {dtype}, as the model takes them"
    fits = source.ndim == 4 and all(n in (None, m) for n, m in zip(shape[1:], source.shape[1:], strict=True))
    c.require(fits and source.dtype == dtype, "images", f"{allowed}, not {source.shape} of {source.dtype}")
    c.require(np.isfinite(source).all(), "images", "finite numbers")
    size = shape[0] or 1
    c.require(len(source) >= size, "images", f"at least {size}, a whole batch, not {len(source)}")
    return [source[i : i + size] for i in range(0, min(len(source), MOST) - size + 1, size)]


def trials_of(samples: list[np.ndarray], shape: tuple[int | None, ...]) -> list[np.ndarray]:
    """The first of the representative images, to compare answers on: one batch where `shape` leaves its size open."""
    if shape[0] is None:
        return [np.concatenate(samples[:_TRIED])]
    return samples[: -(-_TRIED // shape[0])]


def _taken(dataset):
    """The first images of a dataset, without its labels."""
    batches, count = [], 0
    for batch in dataset.as_numpy_iterator():
        images = np.asarray(batch[0] if isinstance(batch, tuple) else batch)
        c.require(images.ndim == 4, "images", f"a dataset of batches (B, H, W, C), not {images.shape}")
        batches.append(images)
        count += len(images)
        if count >= MOST:
            break
    alike = batches and len({images.shape[1:] for images in batches}) == 1
    c.require(alike, "images", "a dataset of at least one batch, with images of one size")
    return np.concatenate(batches)


def _read(images: Images, shape: tuple[Any, ...]) -> np.ndarray:
    """Pictures from all over a folder, resized and cropped as for evaluation: uint8 (N, H, W, C)."""
    *size, channels = shape
    possible = possible_channels(images.channels)
    c.require(channels in possible, "images", f"pictures of {channels} channels; files have {images.channels}")
    chosen = np.unique(np.linspace(0, images.count - 1, min(images.count, MOST)).astype(int))
    parts = ({"index": i, "path": images.source[i]} for i in chosen)
    found = (read(images, part, channels, lambda picture: central_view(picture, tuple(size))) for part in parts)
    return np.stack([np.asarray(resized(pixels, view, tuple(size), "bicubic")) for pixels, view in found])
