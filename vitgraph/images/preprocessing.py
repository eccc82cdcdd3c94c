"""What a net's images go through before it sees them, the same numbers as timm's evaluation transform."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np

from vitgraph import contract as c
from vitgraph.images.crops import central_crop
from vitgraph.images.reading import decode, possible_channels, with_channels

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""The numbers by which pixels are normalised, per channel, for pixels from 0 to 1."""

Crop = Annotated[float, c.Rule("a number from 0.1 to 1", lambda v: 0.1 <= v <= 1)]

Means = Annotated[Sequence[c.Number], c.Rule("a number per channel", lambda v: 1 <= len(v) <= 1024)]
Deviations = Annotated[Sequence[c.Positive], c.Rule("a number per channel", lambda v: 1 <= len(v) <= 1024)]

_ALLOWED = (
    "paths, bytes of image files, PIL images, arrays (H, W, C) or (N, H, W, C) of uint8 or of floats from 0 to 1, "
    "a list of these, or a tf.data.Dataset"
)


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """From image files or pixels to what a net takes: resized, cropped in the middle, normalised.

    Called with images it gives a NumPy array (N, H, W, C), float32; one image counts as N = 1. Images are paths, bytes
    of files, PIL images, arrays of uint8 or of floats from 0 to 1, and lists of these. Of a `tf.data.Dataset` of paths,
    bytes of files or pixels it makes one of such arrays; of elements (image, label, ...) the image is prepared. In the
    function of `Dataset.map` it takes one tensor, and gives one of the same rank.

    Args:
        size: (height, width) of the result, in pixels.
        mean: mean per channel of pixels from 0 to 1, in the order of the channels that the net takes.
        std: standard deviation per channel of pixels from 0 to 1, likewise.
        interpolation: how images are resized; both kinds smooth where an image shrinks.
        crop_pct: sides of the central crop, relative to those of the resized image.
        crop_mode: what is resized: "center": the shorter side, keeping proportions; "squash": both sides.
        channel_order: order of the colours that the net takes.
        upright: whether pictures are turned as their EXIF orientation says, which timm doesn't do.
    """

    size: tuple[c.Side, c.Side]
    mean: Means = IMAGENET_MEAN
    std: Deviations = IMAGENET_STD
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    crop_pct: Crop = 1.0
    crop_mode: Literal["center", "squash"] = "center"
    channel_order: Literal["RGB", "BGR"] = "RGB"
    upright: bool = False

    def __post_init__(self) -> None:
        with c.checked_fields(self):
            c.require(len(self.mean) == len(self.std), "std", f"{len(self.mean)} numbers, as many as the mean")
            is_known = self.channel_order == "RGB" or len(self.mean) == 3
            c.require(is_known, "channel_order", "RGB, unless there are 3 channels")

    def __call__(self, images: Any) -> Any:
        import tensorflow as tf

        with c.named_errors("preprocessing", {"images": images}):
            if isinstance(images, tf.data.Dataset):
                element = tf.autograph.experimental.do_not_convert(self._element)  # which would take seconds
                return images.map(element, num_parallel_calls=tf.data.AUTOTUNE)
            if tf.is_tensor(images) and (tf.is_symbolic_tensor(images) or images.dtype == tf.string):
                return self._tensor(images)
            batch = [self._pixels(image) for image in _listed(images)]
            return np.stack([self.prepared(pixels).numpy() for pixels in batch])

    def prepared(self, pixels: Any) -> Any:
        """The picture (h, w, channels), uint8 -> (H, W, C), float32."""
        import tensorflow as tf

        channels = len(self.mean)
        possible = possible_channels(pixels.shape[-1])
        allowed = f"images of {channels} channels, or that can be made so, not {pixels.shape[-1]}"
        c.require(channels in possible, "images", allowed, value=tuple(pixels.shape))
        pixels = with_channels(tf.convert_to_tensor(pixels), channels)
        pixels = central_crop(pixels, self.size, self.interpolation, self.crop_pct, self.crop_mode)
        pixels = tf.ensure_shape(pixels, (*self.size, channels))
        return normalized(pixels[..., ::-1] if self.channel_order == "BGR" else pixels, self.mean, self.std)

    def _pixels(self, image: Any) -> Any:
        """One image of those that aren't tensors of a graph -> (h, w, channels), uint8."""
        if isinstance(image, (str, os.PathLike)):
            return self._decoded(pathlib.Path(image).read_bytes(), f"{os.fspath(image)!r}")
        if isinstance(image, (bytes, bytearray, memoryview)):
            return self._decoded(bytes(image), "bytes")
        if hasattr(image, "convert") and hasattr(image, "getexif"):
            return _of_pillow(image, self.upright)
        return _uint8(np.asarray(image))

    def _decoded(self, content: bytes, label: str) -> Any:
        import tensorflow as tf

        try:
            return decode(content, self.upright)
        except (tf.errors.OpError, OSError) as error:
            reason = str(getattr(error, "message", None) or error).split("[Op")[0].split("}} ")[-1].splitlines()[0]
            c.require(False, "images", f"whole image files: {reason}", value=label)

    def _element(self, image: Any, *others: Any) -> Any:
        if isinstance(image, dict) or others and isinstance(others[0], dict):
            c.require(False, "images", "a dataset of images, or of (image, label, ...), not of dictionaries")
        return (self._tensor(image), *others) if others else self._tensor(image)

    def _tensor(self, image: Any) -> Any:
        """A tensor of paths or bytes () or (N,), or of pixels (h, w, C) or (N, h, w, C)."""
        import tensorflow as tf

        single = 0 if image.dtype == tf.string else 3
        rank = image.shape.rank
        c.require(rank in (single, single + 1), "images", f"a tensor of rank {single} or {single + 1}", value=image)
        if rank == single:
            return self.prepared(self._read(image))
        spec = tf.TensorSpec((*self.size, len(self.mean)), tf.float32)
        return tf.map_fn(lambda one: self.prepared(self._read(one)), image, fn_output_signature=spec)

    def _read(self, image: Any) -> Any:
        import tensorflow as tf

        if image.dtype == tf.string:
            return decode(tf.numpy_function(_content, [image], tf.string, stateful=False), self.upright)
        if image.dtype.is_floating:
            return tf.cast(tf.round(tf.clip_by_value(image, 0.0, 1.0) * 255), tf.uint8)
        return tf.cast(image, tf.uint8)


def normalized(pixels: Any, mean: Any, std: Any) -> Any:
    """uint8 -> float32 of about mean 0 and deviation 1; by rows, since products with a last axis of 3 are slow."""
    import tensorflow as tf

    height, width, channels = pixels.shape
    mean, std = (np.broadcast_to(np.asarray(values, "float32"), (channels,)) for values in (mean, std))
    rows = tf.cast(tf.reshape(pixels, (height, width * channels)), tf.float32)
    rows = (rows / 255 - np.tile(mean, width)) / np.tile(std, width)
    return tf.reshape(rows, pixels.shape)


def _listed(images: Any) -> list[Any]:
    """A list with an entry per image."""
    if isinstance(images, (list, tuple)):
        c.require(images, "images", f"at least one image: {_ALLOWED}")
        return list(images)
    if isinstance(images, (str, os.PathLike, bytes, bytearray, memoryview)) or hasattr(images, "getexif"):
        return [images]
    c.require(hasattr(images, "__array__"), "images", _ALLOWED, error=TypeError)
    array = np.asarray(images)
    c.require(array.size, "images", f"at least one image: {_ALLOWED}", value=array.shape)
    return list(array) if array.ndim == 4 else [array]


def _uint8(pixels: Any) -> Any:
    """An array (h, w, C) or (h, w) of uint8, or of floats from 0 to 1."""
    good = pixels.ndim in (2, 3) and pixels.size and (pixels.dtype == np.uint8 or pixels.dtype.kind == "f")
    c.require(good, "images", _ALLOWED, value=f"{pixels.dtype} {pixels.shape}")
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.dtype == np.uint8:
        return pixels
    low, high = pixels.min(), pixels.max()
    c.require(low >= 0 and high <= 1, "images", "floats from 0 to 1, or uint8", value=f"floats from {low} to {high}")
    return np.round(pixels * 255).astype("uint8")


def _of_pillow(image: Any, upright: bool) -> Any:
    from PIL import ImageOps

    return np.asarray((ImageOps.exif_transpose(image) if upright else image).convert("RGB"))


def _content(text: Any) -> bytes:
    """The bytes of a file, of which a dataset has either these or the path: no path has a zero byte, each image has."""
    value = bytes(text if isinstance(text, bytes) else text.item())
    return value if b"\0" in value else pathlib.Path(os.fsdecode(value)).read_bytes()
