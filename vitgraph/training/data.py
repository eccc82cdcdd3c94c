"""Images for training, from folders and arrays, as batches that are a function of seed and epoch.

`keras.utils.image_dataset_from_directory` shuffles anew in each process and stops at the first image that it can't
read, without saying which it was; so the files are listed and read here.
"""

import collections
import dataclasses
import os
import pathlib
import sys
import warnings

import keras
import numpy as np

from vitgraph.blocks.base import pair
from vitgraph.old.contract import Check
from vitgraph.training.augmentation import batch_layers

READABLE = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")


@dataclasses.dataclass(frozen=True)
class Images:
    """Images, and their classes where they are known.

    Args:
        source: paths of files, or an array (N, H, W, C) of uint8.
        labels: (N,) integers, or None.
        class_names: a name a class, or None.
        num_classes: how many there are; 0 without labels.
    """

    source: np.ndarray
    labels: np.ndarray | None
    class_names: tuple | None
    num_classes: int

    @property
    def count(self):
        return len(self.source)

    def split(self, fraction, seed):
        """(the most, `fraction` of the images), of each class the same share; one of a kind is never held out.

        Raises:
            ValueError: a fraction that isn't between 0 and 1, or of which nothing is left on one side.
        """
        if not 0 < fraction < 1:
            raise ValueError(f"images: a share of {fraction} held out; allowed: over 0, less than 1")
        random = np.random.default_rng(seed)
        held: list = []
        kinds = np.zeros(self.count, int) if self.labels is None else self.labels
        for kind in np.unique(kinds):
            members = random.permutation(np.flatnonzero(kinds == kind))
            held.extend(members[: min(max(1, round(fraction * len(members))), len(members) - 1)])
        chosen = np.isin(np.arange(self.count), held)
        if not chosen.any():
            raise ValueError(f"images: of {self.count} none can be held out; allowed: 2 or more of a class")
        return self._part(~chosen), self._part(chosen)

    def _part(self, chosen):
        labels = None if self.labels is None else self.labels[chosen]
        return dataclasses.replace(self, source=self.source[chosen], labels=labels)


def from_folder(folder, *, unreadable="refuse", labelled=True):
    """The images of a folder: JPEG, PNG, BMP without colours of its own, GIF (its first frame), WebP at rest.

    Args:
        folder: labelled, it has a folder for each class, named after it; else images at any depth.
        unreadable: what to do with files that are no whole image: "refuse" names them all in an error, "skip" leaves
            them out with a warning.
        labelled: whether folders are classes.

    Returns:
        `Images`.

    Raises:
        ValueError: no images, classes without images, unreadable files.
        OSError: no folder.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"images: {str(folder)!r} is no folder")
    if unreadable not in ("refuse", "skip"):
        raise ValueError(f"images: unreadable={unreadable!r}; allowed: 'refuse', 'skip'")
    inside = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    names = inside if labelled else [""]
    if labelled and len(names) < 2:
        found = f"{len(names)} folders" if len(names) != 1 else f"the one folder {names[0]!r}"
        raise ValueError(f"images: {str(folder)!r} has {found}; allowed: a folder for each of 2 or more classes")
    files = [(path, label) for label, name in enumerate(names) for path in _files(folder / name)]
    stray = [path.name for path in folder.iterdir() if _is_image(path)] if labelled else []
    if stray:
        listed = ", ".join(sorted(stray))
        raise ValueError(f"images: in {str(folder)!r} but in no class's folder: {listed}"[:500])
    if not files:
        raise ValueError(f"images: {str(folder)!r} has no images ({', '.join(READABLE)})")
    bad = _unreadable([path for path, _ in files])
    if bad and unreadable == "refuse":
        lines = "".join(f"\n  {path}: {why}" for path, why in bad.items())
        raise ValueError(f"images: {len(bad)} of {len(files)} files are no whole images; mend or skip them:{lines}")
    if bad:
        listed = ", ".join(map(str, bad))
        warnings.warn(f"images: {len(bad)} of {len(files)} files are no whole images, left out: {listed}", stacklevel=2)
    files = [(path, label) for path, label in files if path not in bad]
    counts = collections.Counter(label for _, label in files)
    empty = [name for label, name in enumerate(names) if not counts[label]]
    if empty:
        raise ValueError(f"images: no images in {str(folder)!r} of: {', '.join(empty) or 'any kind'}"[:500])
    paths = np.array([str(path) for path, _ in files])
    if not labelled:
        return Images(paths, None, None, 0)
    return Images(paths, np.array([label for _, label in files]), tuple(names), len(names))


def from_arrays(images, labels=None):
    """Images of an array.

    Args:
        images: (N, H, W, C) or (N, H, W), uint8, or floats in 0 ... 1.
        labels: (N,) integers from 0, or (N, classes) with one 1 a row; None: unknown.

    Returns:
        `Images`.

    Raises:
        ValueError: what these can't be.
    """
    images = np.asarray(images)
    images = images[..., None] if images.ndim == 3 else images
    if images.ndim != 4 or not len(images):
        raise ValueError(f"images: shape {images.shape}; allowed: (N, H, W, C) or (N, H, W), N at least 1")
    if images.dtype != np.uint8:
        if not np.issubdtype(images.dtype, np.floating) or not (images.min() >= 0 and images.max() <= 1):
            found = f"{images.dtype} in {images.min()} ... {images.max()}"
            raise ValueError(f"images: {found}; allowed: uint8, or floats in 0 ... 1")
        images = np.round(images * 255).astype("uint8")
    if labels is None:
        return Images(images, None, None, 0)
    labels = np.asarray(labels)
    classes = None
    if labels.ndim == 2 and labels.shape[1] > 1:
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise ValueError("images: labels of shape (N, classes) that aren't one 1 a row, else 0")
        labels, classes = labels.argmax(axis=1), labels.shape[1]
    labels = labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
    numbers = labels.shape == (len(images),) and labels.dtype.kind in "iuf"
    if not numbers or not np.all(labels == np.round(labels)) or labels.min() < 0:
        ends = f", {labels.min()} ... {labels.max()}" if numbers else ""
        found = f"shape {labels.shape}, {labels.dtype}{ends}"
        raise ValueError(f"images: labels of {found}; allowed: {len(images)} integers from 0, or one-hot rows")
    return Images(images, labels.astype("int64"), None, classes or int(labels.max()) + 1)


def batches(
    images,
    *,
    batch_size,
    image_size,
    channels=3,
    augmentation=None,
    normalization,
    label_smoothing=0.0,
    training,
    seed,
    epoch,
    interpolation="bicubic",
    crop_pct=1.0,
    crop_mode="center",
):
    """The batches of one epoch: the same for the same seed and epoch, in any process.

    TensorFlow's global seed is set: keras-cv's layers draw from it.

    Args:
        images: `Images`.
        batch_size: in training a last smaller batch is left out.
        image_size: a side, or (height, width), in pixels.
        channels: 1 or 3; files are read as such.
        augmentation: an `Augmentation`, for training only; None: none.
        normalization: (mean, std), a number a channel each, of pixels in 0 ... 1.
        label_smoothing: share of each label that is spread over all classes.
        training: shuffled and augmented; else in order, resized and cropped in the centre.
        seed, epoch: integers.
        interpolation: of a resize, "bicubic" or "bilinear"; both smooth where they shrink.
        crop_pct, crop_mode: what a central crop leaves of the resized image's side, and which side that is: "center",
            the shorter one; "squash", both, whatever the proportions. These and `interpolation` are what
            `list_weights(name)[tag]` says of a checkpoint; with them images are prepared as timm does.

    Returns:
        A `tf.data.Dataset` of images (B, H, W, channels), float32, or pairs of these and labels (B, classes), float32.

    Raises:
        ValueError: numbers that don't fit, such as a batch larger than all images in training.
    """
    import tensorflow as tf

    check = Check("batches")
    check.that(not training or batch_size <= images.count, "batch_size", batch_size, f"at most {images.count}, all")
    check.that(interpolation in ("bicubic", "bilinear"), "interpolation", interpolation, "'bicubic', 'bilinear'")
    check.that(crop_mode in ("center", "squash"), "crop_mode", crop_mode, "'center', 'squash'")
    check.that(0 < crop_pct <= 1, "crop_pct", crop_pct, "over 0, at most 1")
    size, act = pair(image_size), augmentation if training else None
    from_files = images.source.dtype != np.uint8
    draws = np.random.default_rng((seed, epoch, 1))
    tf.random.set_seed(int(draws.integers(2**31)))
    order = np.arange(images.count)
    if training:
        order = np.random.default_rng((seed, epoch)).permutation(order)
    classes = images.num_classes
    labels = np.zeros(images.count, "int64") if images.labels is None else images.labels
    parts = {"index": order, "label": labels[order], **({"path": images.source[order]} if from_files else {})}
    data = tf.data.Dataset.from_tensor_slices(parts)

    def read(part):
        index = part["index"]
        if from_files:
            pixels = _decode(tf.io.read_file(part["path"]))
        else:
            pixels = tf.numpy_function(lambda i: images.source[i], [index], tf.uint8)
            pixels = tf.ensure_shape(pixels, images.source.shape[1:])
        pixels = tf.cast(_with_channels(pixels, channels), tf.float32)
        where = tf.stack([seed * 1_000_003 + epoch, tf.cast(index, tf.int64)])
        pixels = _fit(pixels, (*size, channels), act, where, interpolation, crop_pct, crop_mode)
        label = tf.one_hot(part["label"], max(classes, 1)) * (1 - label_smoothing) + label_smoothing / max(classes, 1)
        return {"images": pixels, "labels": label}

    data = data.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    data = data.batch(batch_size, drop_remainder=training)
    for layer in batch_layers(act, lambda: int(draws.integers(2**31))) if act else ():
        # One call after the other: what they draw depends on how often they were called.
        data = data.map(lambda batch, layer=layer: layer(batch, training=True))
    mean, std = (np.asarray(values, "float32") for values in normalization)

    def finish(batch):
        pixels = (tf.cast(batch["images"], tf.float32) / 255 - mean) / std
        return pixels if images.labels is None else (pixels, tf.cast(batch["labels"], tf.float32))

    count = images.count // batch_size if training else -(-images.count // batch_size)
    return data.map(finish).apply(tf.data.experimental.assert_cardinality(count)).prefetch(tf.data.AUTOTUNE)


def _fit(pixels, shape, act, where, interpolation, crop_pct, crop_mode):
    """A random or central crop, resized, and flipped at random: (h, w, C) -> shape (H, W, C)."""
    import tensorflow as tf

    size = shape[:2]

    def resize(x, sides):
        # Cubic curves overshoot; whole numbers are what a picture holds, in timm's pipeline, too.
        return tf.round(tf.clip_by_value(tf.image.resize(x, sides, interpolation, antialias=True), 0.0, 255.0))

    if act is not None and act.crop_scale is not None:
        box = tf.zeros((1, 0, 4))
        begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
            tf.shape(pixels), box, where, aspect_ratio_range=act.crop_ratio, area_range=act.crop_scale,
            use_image_if_no_bounding_boxes=True, min_object_covered=0.0,
        )  # fmt: skip
        pixels = resize(tf.slice(pixels, begin, extent), size)
    elif tuple(pixels.shape[:2]) != size or crop_pct < 1:
        height, width = (int(n / crop_pct) for n in size)
        if crop_mode == "center":
            h, w = tf.unstack(tf.shape(pixels)[:2])
            height, width = tf.maximum(height, h * width // w), tf.maximum(width, w * height // h)
        corner = [tf.cast(tf.round((a - b) / 2), tf.int32) for a, b in zip((height, width), size, strict=True)]
        pixels = tf.slice(resize(pixels, (height, width)), (*corner, 0), shape)
    if act is not None and act.flip:
        turned = tf.random.stateless_uniform((), where + 1) < act.flip
        pixels = tf.where(turned, pixels[:, ::-1], pixels)
    return tf.ensure_shape(pixels, shape)


def _decode(content):
    """Bytes of a file -> (H, W, 3), uint8.

    Only with as many channels as the file has are all kinds of it decoded.
    """
    import tensorflow as tf

    pixels = tf.io.decode_image(content, expand_animations=False)
    pixels = tf.ensure_shape(pixels, (None, None, None))
    is_grey = tf.shape(pixels)[-1] < 3
    pixels = tf.cond(is_grey, lambda: tf.repeat(pixels[..., :1], 3, axis=-1), lambda: pixels[..., :3])
    return tf.ensure_shape(pixels, (None, None, 3))


def _with_channels(pixels, channels):
    import tensorflow as tf

    if pixels.shape[-1] == channels:
        return pixels
    if channels == 1 and pixels.shape[-1] in (3, 4):
        return tf.image.rgb_to_grayscale(pixels[..., :3])
    if channels == 3:
        return pixels[..., :3] if pixels.shape[-1] == 4 else tf.repeat(pixels[..., :1], 3, axis=-1)
    raise ValueError(f"images: {pixels.shape[-1]} channels; asked for: {channels}")


def _files(folder):
    """Image files at any depth, in the order of their paths."""
    found = (pathlib.Path(root, name) for root, _, names in os.walk(folder) for name in names)
    return sorted(path for path in found if _is_image(path))


def _is_image(path):
    return path.suffix.lower() in READABLE and path.name[0] != "." and not path.is_dir()


def _unreadable(paths):
    """{path: why} of the files that can't be decoded whole, with a progress bar where there are many."""
    bar = keras.utils.Progbar(len(paths), unit_name="image") if len(paths) > 1000 and sys.stderr.isatty() else None
    bad = {}
    for i, path in enumerate(paths):
        why = _why_unreadable(path)
        if why:
            bad[path] = why
        if bar is not None and (i % 100 == 99 or i + 1 == len(paths)):
            bar.update(i + 1)
    return bad


def _why_unreadable(path):
    """None where a file can be decoded whole, and as it is meant."""
    import tensorflow as tf

    try:
        content = path.read_bytes()
        if not content:
            return "empty"
        if content[8:16] == b"WEBPVP8X" and len(content) > 20 and content[20] & 2:
            # TensorFlow 2.21, asked for the first picture only, writes over memory that isn't that picture's.
            return "a moving WebP"
        if content[:2] == b"BM" and _has_palette(content):  # the numbers of colours would be taken for greys
            return "a BMP with colours of its own"
        if content[:3] == b"\xff\xd8\xff":  # all bytes are read, but only an eighth of the rows and columns made
            tf.io.decode_jpeg(content, channels=3, ratio=8, dct_method="INTEGER_FAST", fancy_upscaling=False)
        else:
            _decode(content)
    except (tf.errors.InvalidArgumentError, OSError) as error:
        text = getattr(error, "message", None) or str(error)
        return text.split("[Op")[0].split("}} ")[-1].splitlines()[0][:80]
    return None


def _has_palette(bmp):
    """Whether a BMP of one byte a pixel is packed, or has another palette than the greys from 0 to 255."""
    begin, bits, packing = (int.from_bytes(bmp[i : i + n], "little") for i, n in ((14, 4), (28, 2), (30, 4)))
    greys = b"".join(bytes((i, i, i)) for i in range(256))
    colours = b"".join(bmp[14 + begin + 4 * i :][:3] for i in range(256))
    return bits == 8 and (packing != 0 or colours != greys)
