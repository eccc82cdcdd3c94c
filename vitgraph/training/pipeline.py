"""The batches of an epoch as a function of seed and epoch.

`keras.utils.image_dataset_from_directory` shuffles differently in each process; here the same images come in the same
order, with the same random operations, whenever an epoch is run.
"""

from typing import Any, Literal

import numpy as np

from vitgraph import contract as c
from vitgraph.blocks.base import pair
from vitgraph.images import seeds
from vitgraph.images.augmentation import Augmentation, augment, check_channels, view_of
from vitgraph.images.collection import Images
from vitgraph.images.crops import central_view, resized
from vitgraph.images.erasing import erase
from vitgraph.images.mixing import draw_mixes, mix
from vitgraph.images.preprocessing import Crop, normalized
from vitgraph.images.reading import possible_channels, read

Normalization = tuple[c.Mean, c.Deviation]


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
    first: c.Whole = 0,
    interpolation: Literal["bicubic", "bilinear"] = "bicubic",
    crop_pct: Crop = 1.0,
    crop_mode: Literal["center", "squash"] = "center",
) -> Any:
    """The batches of one epoch: the same for the same seed and epoch, in any process.

    What happens to an image depends on seed, epoch and its number alone, whatever comes before it.

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
        first: number of the batch to begin with; what comes before isn't read.
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
    mean, std = (np.broadcast_to(np.asarray(values, "float32"), (channels,)) for values in normalization)
    count = images.count // batch_size if training else -(-images.count // batch_size)

    def prepare(part):
        where = seeds.of_image(seed, epoch, part["draw"])

        def find(shape):
            if training:
                return view_of(act, shape, size, where, interpolation)
            return central_view(shape, size, interpolation, crop_pct, crop_mode)

        pixels, view = read(images, part, channels, find)
        pixels = resized(pixels, view, size, interpolation)
        if training:
            fill = np.clip(np.round(mean * 255), 0, 255).astype("uint8").tolist()
            pixels = augment(act, tf.ensure_shape(pixels, (*size, channels)), where, interpolation, fill)
        pixels = normalized(tf.ensure_shape(pixels, (*size, channels)), mean, std)
        if act.erasing:
            options = (act.erasing_mode, act.erasing_count, act.erasing_area, act.erasing_ratio)
            pixels = erase(pixels, act.erasing, *options, seeds.part(where, 5))
        label = tf.one_hot(part["label"], classes) * (1 - label_smoothing) + label_smoothing / classes
        return pixels, label

    c.require(first <= count, "first", f"at most {count}, the number of batches")
    parts = _parts(images, training, act.repeats, seed, epoch)
    data = tf.data.Dataset.from_tensor_slices({name: part[first * batch_size :] for name, part in parts.items()})
    data = data.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    data = data.batch(batch_size, drop_remainder=training)
    if act.mixes:
        mixes = draw_mixes(act, count, batch_size, size, np.random.default_rng((seed, epoch, 1)))
        data = tf.data.Dataset.zip((data, tf.data.Dataset.from_tensor_slices(mixes).skip(first)))
        data = data.map(lambda batch, drawn: mix(*batch, **drawn), num_parallel_calls=tf.data.AUTOTUNE)
    if images.labels is None:
        data = data.map(lambda pixels, label: pixels)
    return data.apply(tf.data.experimental.assert_cardinality(count - first)).prefetch(tf.data.AUTOTUNE)


def check_normalization(normalization, channels):
    """Refuses numbers for another number of channels."""
    for values in normalization:
        fits = not isinstance(values, tuple) or len(values) == channels
        c.require(fits, "normalization", f"(mean, standard deviation), each one number, or {channels}, one per channel")


def _parts(images, training, repeats, seed, epoch):
    """{"index", "draw", "label", "path"} of all images, in the order of the epoch; "draw" numbers its repetitions."""
    order = np.arange(images.count)
    if training:
        order = np.random.default_rng((seed, epoch)).permutation(order)
    labels = np.zeros(images.count, "int64") if images.labels is None else images.labels
    again = np.arange(images.count) % repeats
    order = np.repeat(order, repeats)[: images.count]
    parts = {"index": order, "draw": order * repeats + again, "label": labels[order]}
    return {**parts, **({"path": images.source[order]} if images.are_files else {})}
