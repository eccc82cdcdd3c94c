"""What training does to images: a record of numbers, and the operations on an image and on a batch that they describe.

Pixels are float32 from 0 to 255 in all of them.
"""

import dataclasses
from typing import Annotated

import keras

from vitgraph import contract as c

_Area = Annotated[float, c.Rule("a number from 1e-6 to 1", lambda v: 1e-6 <= v <= 1)]
_Proportion = Annotated[float, c.Rule("a number from 0.01 to 100", lambda v: 0.01 <= v <= 100)]
_Magnitude = Annotated[float, c.Rule("a number from 0 to 10", lambda v: 0 <= v <= 10)]
_Alpha = Annotated[float, c.Rule("a number from 0 to 100", lambda v: 0 <= v <= 100)]


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The numbers of an augmentation; by default nothing is done.

    Args:
        crop_scale: (least, most) share of the image's area of a random crop, which is resized; None: no random crop.
        crop_ratio: (least, most) width / height of that crop.
        flip: probability of a horizontal flip.
        rand_augment: number of random operations on each image (RandAugment, arXiv:1909.13719), at most 8.
        magnitude: strength of these operations, 0 to 10.
        color_jitter: strength s of random brightness, contrast and saturation, 0 to 1: up to the share s of white is
            added or subtracted, contrast and saturation are multiplied by 1 - s to 1 + s.
        mixup: alpha of MixUp (arXiv:1710.09412), which blends images and their labels; 0: no MixUp.
        cutmix: alpha of CutMix (arXiv:1905.04899), which pastes a box of another image; 0: no CutMix. With both, each
            batch gets one of the two at random.
        erasing: probability that a box of an image becomes noise (arXiv:1708.04896).
    """

    crop_scale: tuple[_Area, _Area] | None = None
    crop_ratio: tuple[_Proportion, _Proportion] = (3 / 4, 4 / 3)
    flip: c.Share = 0.0
    rand_augment: Annotated[int, c.between(0, 8)] = 0
    magnitude: _Magnitude = 9.0
    color_jitter: c.Share = 0.0
    mixup: _Alpha = 0.0
    cutmix: _Alpha = 0.0
    erasing: c.Share = 0.0

    def __post_init__(self) -> None:
        with c.checked_fields(self):
            for name in ("crop_scale", "crop_ratio"):
                least, most = getattr(self, name) or (0, 0)
                c.require(least <= most, name, "(least, most), in this order")


def random_flip(pixels, probability, seed):
    """Turned from left to right, or not: (H, W, C) -> (H, W, C). Equal seeds, two integers, give equal flips."""
    import tensorflow as tf

    turned = tf.random.stateless_uniform((), seed) < probability
    return tf.where(turned, pixels[:, ::-1], pixels)


def batch_layers(augmentation, seed):
    """What is done to batches, in this order: {"images": (B, H, W, C), "labels": (B, classes)} -> the same.

    Args:
        augmentation: an `Augmentation`.
        seed: function () -> integer. Every layer needs one: without, it draws other numbers in each process.

    Raises:
        ModuleNotFoundError: keras-cv is needed and not installed.
    """
    a = augmentation
    made: list = []
    with c.global_policy("float32"):  # lower precisions can't hold pixels up to 255, or labels that add up to 1
        if a.rand_augment:
            # This and erasing are Keras' own: keras-cv's run over images in parallel, and draw in no fixed order.
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


def check_channels(augmentation, channels):
    """Refuses operations on colours that there aren't."""
    if augmentation is not None:
        c.require(not augmentation.rand_augment or channels in (1, 3), "channels", "1 or 3 with rand_augment")
        c.require(not augmentation.color_jitter or channels == 3, "channels", "3 with color_jitter")


def _color_jitter(s, seed):
    # keras-cv multiplies saturation by f / (1 - f): f = 0.5 leaves it.
    saturation = ((1 - s) / (2 - s), (1 + s) / (2 + s))
    return _keras_cv().RandomColorJitter((0, 255), s, s, saturation, 0.0, seed=seed)


def _cut_mix(alpha, seed):
    """keras-cv's CutMix with labels of its own: keras-cv's also count the part of a box outside of the image.

    A mask that holds the number of each image is cut together with the images, and shows whose each pixel is.
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
        message = "colour jitter, MixUp and CutMix are keras-cv's: pip install keras-cv"
        raise ModuleNotFoundError(message, name=error.name) from error
    return layers
