"""The batches of an epoch as a function of seed and epoch.

`keras.utils.image_dataset_from_directory` shuffles differently in each process; here the same images come in the same
order, with the same random operations, whenever an epoch is run.
"""

from typing import Annotated, Any, Literal

import numpy as np

from vitgraph import contract as c
from vitgraph.blocks.base import pair
from vitgraph.images.augmentation import Augmentation, batch_layers, check_channels, random_flip
from vitgraph.images.collection import Images
from vitgraph.images.crops import central_crop, random_crop
from vitgraph.images.reading import possible_channels, read

Normalization = tuple[c.Mean, c.Deviation]
_Crop = Annotated[float, c.Rule("a number from 0.1 to 1", lambda v: 0.1 <= v <= 1)]


@c.public
def batches(
    images: Images,
    *,
    batch_size: c.Count,
    image_size: c.ImageSize,
    channels: c.Side = 3,
    augmentation: Augmentation | None = None,
    normalization: Normalization,
    label_smoothing: c.Rate = 0.0,
    training: bool,
    seed: c.Seed,
    epoch: c.Whole,
    interpolation: Literal["bicubic", "bilinear"] = "bicubic",
    crop_pct: _Crop = 1.0,
    crop_mode: Literal["center", "squash"] = "center",
) -> Any:
    """The batches of one epoch: the same for the same seed and epoch, in any process.

    TensorFlow's global seed is set: keras-cv's layers draw from it.

    Args:
        images: the images, as `from_folder` and `from_arrays` return them.
        batch_size: images per batch; training leaves out a last smaller batch.
        image_size: side or (height, width) of the batches' images, in pixels.
        augmentation: what training does to the images; None: nothing.
        normalization: (mean, standard deviation) of pixels from 0 to 1, each for all channels or per channel.
        label_smoothing: share of each label that is spread over all classes.
        training: whether the images are shuffled and augmented, or come in their order, resized and cropped in the
            middle.
        seed: seed of order and augmentation.
        epoch: number of the epoch, from 0.
        interpolation: how images are resized; both kinds smooth where an image shrinks.
        crop_pct: sides of the central crop, relative to those of the resized image.
        crop_mode: what is resized before the central crop: "center": the shorter side, keeping proportions; "squash":
            both sides. `list_weights(name)[tag]` has this, `crop_pct` and `interpolation` of a published checkpoint;
            with them images are prepared as timm does.

    Returns:
        A `tf.data.Dataset` of images (B, H, W, channels), float32, or pairs of these and labels (B, classes), float32.

    Example:
        >>> images = vitgraph.images.from_arrays(numpy.zeros((4, 8, 8, 3), "uint8"), [0, 1, 0, 1])
        >>> options = {"normalization": (0.5, 0.5), "training": True, "seed": 0, "epoch": 0}
        >>> [x.shape for x, y in vitgraph.training.batches(images, batch_size=2, image_size=16, **options)]
        [TensorShape([2, 16, 16, 3]), TensorShape([2, 16, 16, 3])]
    """
    import tensorflow as tf

    act = augmentation if training and augmentation is not None else Augmentation()
    c.require(not training or batch_size <= images.count, "batch_size", f"at most {images.count}, all images")
    possible = possible_channels(images.channels)
    c.require(channels in possible, "channels", f"{' or '.join(map(str, sorted(possible)))} for these images")
    check_channels(act, channels)
    check_normalization(normalization, channels)
    size, classes = pair(image_size), max(images.num_classes, 1)
    mean, std = (np.asarray(values, "float32") for values in normalization)
    draws = np.random.default_rng((seed, epoch, 1))
    tf.random.set_seed(int(draws.integers(2**31)))

    def prepare(part):
        where = tf.stack([seed * 1_000_003 + epoch, tf.cast(part["index"], tf.int64)])
        pixels = read(images, part, channels)
        if act.crop_scale is not None:
            pixels = random_crop(pixels, size, act.crop_scale, act.crop_ratio, where, interpolation)
        else:
            pixels = central_crop(pixels, size, interpolation, crop_pct, crop_mode)
        if act.flip:
            pixels = random_flip(pixels, act.flip, where + 1)
        label = tf.one_hot(part["label"], classes) * (1 - label_smoothing) + label_smoothing / classes
        return {"images": tf.ensure_shape(pixels, (*size, channels)), "labels": label}

    def finish(batch):
        pixels = (tf.cast(batch["images"], tf.float32) / 255 - mean) / std
        return pixels if images.labels is None else (pixels, tf.cast(batch["labels"], tf.float32))

    data = tf.data.Dataset.from_tensor_slices(_parts(images, training, seed, epoch))
    data = data.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    data = data.batch(batch_size, drop_remainder=training)
    for layer in batch_layers(act, lambda: int(draws.integers(2**31))):
        # One call after the other: what they draw depends on how often they were called.
        data = data.map(lambda batch, layer=layer: layer(batch, training=True))
    count = images.count // batch_size if training else -(-images.count // batch_size)
    return data.map(finish).apply(tf.data.experimental.assert_cardinality(count)).prefetch(tf.data.AUTOTUNE)


def check_normalization(normalization, channels):
    """Refuses numbers for another number of channels."""
    for values in normalization:
        fits = not isinstance(values, tuple) or len(values) == channels
        c.require(fits, "normalization", f"(mean, standard deviation), each one number, or {channels}, one per channel")


def _parts(images, training, seed, epoch):
    """{"index", "label", "path"} of all images, in the order of the epoch."""
    order = np.arange(images.count)
    if training:
        order = np.random.default_rng((seed, epoch)).permutation(order)
    labels = np.zeros(images.count, "int64") if images.labels is None else images.labels
    return {"index": order, "label": labels[order], **({"path": images.source[order]} if images.are_files else {})}
