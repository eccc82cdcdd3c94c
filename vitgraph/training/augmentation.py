"""What is done to images in training: a plain record of numbers, and the layers of keras-cv that do it."""

import dataclasses

import keras
import numpy as np

from vitgraph.old.contract import Check, global_policy


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The numbers of an augmentation; by default nothing is done. Pixels are from 0 to 255 where it acts.

    Args:
        crop_scale: (least, most) share of the image's area of a random crop, which is resized; None: no crop.
        crop_ratio: (least, most) width over height of that crop.
        flip: probability of a horizontal flip.
        rand_augment: number of random operations for each image (RandAugment, arXiv:1909.13719); 0: none.
        magnitude: of these, 0 to 10.
        color_jitter: strength s of random brightness, contrast and saturation, 0 to 1: up to a share s of white is
            added or taken away, and the others are multiplied by 1 - s ... 1 + s.
        mixup: alpha of MixUp (arXiv:1710.09412), which blends images and their labels; 0: none.
        cutmix: alpha of CutMix (arXiv:1905.04899), which pastes a box of another image; 0: none. With both, one of the
            two is chosen for each batch.
        erasing: probability that a box of an image becomes noise (arXiv:1708.04896).
    """

    crop_scale: tuple | None = None
    crop_ratio: tuple = (3 / 4, 4 / 3)
    flip: float = 0.0
    rand_augment: int = 0
    magnitude: float = 9.0
    color_jitter: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    erasing: float = 0.0

    def __post_init__(self):
        check = Check("Augmentation")
        for name, (least, most) in {"crop_scale": (0, 1), "crop_ratio": (0, 100)}.items():
            value = getattr(self, name)
            if value is not None:
                fits = isinstance(value, (tuple, list)) and len(value) == 2 and least < value[0] <= value[1] <= most
                check.that(fits, name, value, f"two numbers over {least}, at most {most}, in order")
                object.__setattr__(self, name, tuple(value))
        check.counts(0, rand_augment=self.rand_augment)
        check.shares(flip=self.flip, color_jitter=self.color_jitter, erasing=self.erasing)
        for name, most in {"magnitude": 10, "mixup": 100, "cutmix": 100}.items():
            check.number(**{name: getattr(self, name)})
            check.that(0 <= getattr(self, name) <= most, name, getattr(self, name), f"0 ... {most}")

    @property
    def needs_labels(self):
        return bool(self.mixup or self.cutmix)


def batch_layers(augmentation, seed):
    """What acts on batches, in its order: {"images": (B, H, W, C), "labels": (B, classes)} -> the same.

    `seed` is a function () -> integer; a layer without a seed draws other numbers in each process.

    Raises:
        ModuleNotFoundError: keras-cv is needed and not installed.
    """
    a = augmentation
    made: list = []
    with global_policy("float32"):  # pixels to 255 and labels that add up to 1 want it
        if a.rand_augment:
            # This and erasing are Keras' own: keras-cv's map over images in parallel, and draw in no fixed order.
            made.append(keras.layers.RandAugment((0, 255), a.rand_augment, a.magnitude / 10, seed=seed()))
        if a.color_jitter:
            made.append(_color_jitter(a.color_jitter, seed()))
        if a.erasing:
            made.append(keras.layers.RandomErasing(a.erasing, (0.02, 0.33), value_range=(0, 255), seed=seed()))
        mixers = [_keras_cv().MixUp(alpha=a.mixup, seed=seed())] if a.mixup else []
        mixers += [_cut_mix(a.cutmix, seed())] if a.cutmix else []
        if len(mixers) == 2:
            mixers = [_keras_cv().RandomChoice(mixers, batchwise=True, seed=seed())]
    return made + mixers


def _color_jitter(s, seed):
    # keras-cv's saturation f multiplies by f / (1 - f): 0.5 is none.
    saturation = ((1 - s) / (2 - s), (1 + s) / (2 + s))
    return _keras_cv().RandomColorJitter((0, 255), s, s, saturation, 0.0, seed=seed)


def _cut_mix(alpha, seed):
    """keras-cv's CutMix, but for its labels: they count the part of a box that lies outside of the image, too.

    A mask that holds the number of its image is cut along, and says whose each pixel is.
    """
    layer = _keras_cv().CutMix(alpha=alpha, seed=seed)

    def mix(batch, training=True):
        import tensorflow as tf

        images, labels = batch["images"], batch["labels"]
        count = tf.shape(images)[0]
        number = tf.range(count, dtype=tf.float32)[:, None, None, None]
        cut = layer({"images": images, "segmentation_masks": number + tf.zeros_like(images[..., :1], tf.float32)})
        is_own = cut["segmentation_masks"] == number
        kept = tf.reduce_mean(tf.cast(is_own, tf.float32), axis=(1, 2))
        other = tf.reduce_max(tf.where(is_own, 0.0, cut["segmentation_masks"]), axis=(1, 2, 3))
        labels = kept * labels + (1 - kept) * tf.gather(labels, tf.cast(other, tf.int32))
        return {"images": cut["images"], "labels": labels}

    return mix


def _keras_cv():
    try:
        from keras_cv import layers
    except ModuleNotFoundError as error:
        message = "colour jitter, MixUp and CutMix are keras-cv's: pip install 'vitgraph[cv]'"
        raise ModuleNotFoundError(message, name=error.name) from error
    return layers


def preview(images, augmentation, path, *, image_size=224, seed=0):
    """Draws sixteen augmented images with their labels.

    Args:
        images: `data.Images`.
        augmentation: an `Augmentation`.
        path: the picture to write; its ending is the format.
        image_size: a side, or (height, width), in pixels.
        seed: of the draws.
    """
    from matplotlib.figure import Figure

    from vitgraph.training.data import batches

    options = {"normalization": ((0.0,) * 3, (1.0,) * 3), "augmentation": augmentation, "seed": seed, "epoch": 0}
    batch = next(iter(batches(images, batch_size=16, image_size=image_size, training=True, **options)))
    pictures, labels = batch if isinstance(batch, tuple) else (batch, None)
    figure = Figure((8, 8.6))
    for i, picture in enumerate(np.asarray(pictures)):
        axes = figure.add_subplot(4, 4, i + 1)
        axes.imshow(np.clip(picture, 0, 1))
        axes.set_axis_off()
        if labels is not None:
            axes.set_title(_shares(np.asarray(labels[i]), images.class_names), size=7)
    figure.savefig(path)


def _shares(label, names):
    """ "3: 0.7, 5: 0.3"."""
    largest = [i for i in np.argsort(-label)[:2] if label[i] > 0.005]
    return ", ".join(f"{names[i] if names else i}: {label[i]:.2g}" for i in largest)
