"""A plain input side for the tests of training, where the package's own isn't there yet."""

import dataclasses
import pathlib
import sys
import types

import numpy as np


@dataclasses.dataclass(frozen=True)
class Augmentation:
    mixup: float = 0.0
    flip: bool = False


@dataclasses.dataclass
class Images:
    pixels: np.ndarray
    labels: np.ndarray | None
    class_names: tuple | None = None

    @property
    def count(self):
        return len(self.pixels)

    @property
    def num_classes(self):
        return 0 if self.labels is None else int(self.labels.max()) + 1

    def split(self, fraction, seed):
        order = np.random.default_rng(seed).permutation(self.count)
        held = round(fraction * self.count)
        parts = order[held:], order[:held]
        return tuple(
            Images(self.pixels[part], None if self.labels is None else self.labels[part], self.class_names)
            for part in parts
        )


def from_arrays(images, labels=None):
    return Images(np.asarray(images), None if labels is None else np.asarray(labels))


def from_folder(folder, *, unreadable="refuse", labelled=True):
    import tensorflow as tf

    names = sorted(path.name for path in pathlib.Path(folder).iterdir())
    pixels, labels = [], []
    for label, name in enumerate(names):
        for path in sorted(pathlib.Path(folder, name).iterdir()):
            pixels.append(tf.io.decode_png(path.read_bytes()).numpy())
            labels.append(label)
    return Images(np.stack(pixels), np.array(labels) if labelled else None, tuple(names))


def batches(
    images, *, batch_size, image_size, channels=3, augmentation=None, normalization, label_smoothing=0.0, training,
    seed, epoch,
):  # fmt: skip
    import tensorflow as tf

    mean, std = (np.array(values, "float32") for values in normalization)
    pixels = (images.pixels.astype("float32") / 255 - mean) / std
    order = np.arange(images.count)
    if training:
        random = np.random.default_rng((seed, epoch))
        order = random.permutation(order)
        pixels = pixels + 0.1 * random.standard_normal(pixels.shape, "float32")
    arrays = pixels[order]
    if images.labels is not None:
        labels = np.eye(images.num_classes, dtype="float32")[images.labels[order]]
        arrays = arrays, (1 - label_smoothing) * labels + label_smoothing / images.num_classes
    return tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size, drop_remainder=training)


if not pathlib.Path(__file__).parent.parent.joinpath("vitgraph", "training", "data.py").exists():
    for module, names in (("data", (Images, from_arrays, from_folder, batches)), ("augmentation", (Augmentation,))):
        made = types.ModuleType(f"vitgraph.training.{module}")
        made.__dict__.update({value.__name__: value for value in names})
        sys.modules[made.__name__] = made
