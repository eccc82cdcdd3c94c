"""A picture of what an augmentation does."""

from typing import Any

import numpy as np

from vitgraph import contract as c
from vitgraph.images.augmentation import Augmentation
from vitgraph.images.collection import Images
from vitgraph.images.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from vitgraph.training.pipeline import batches

_COUNT = 16


@c.public
def preview(
    images: Images,
    augmentation: Augmentation,
    path: c.PicturePath,
    *,
    image_size: c.ImageSize = 224,
    seed: c.Seed = 0,
) -> None:
    """Draws sixteen augmented images, each under its label.

    Args:
        images: the images, as `from_folder` and `from_arrays` return them; at least 16.
        augmentation: what is done to them.
        image_size: side or (height, width) in pixels.
        seed: seed of what is drawn.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; the message says what is.
        OSError: the picture can't be written.

    Example:
        >>> images = vitgraph.images.from_arrays(numpy.zeros((16, 8, 8, 3), "uint8"))
        >>> vitgraph.training.preview(images, vitgraph.images.Augmentation(flip=0.5), "sheet.png", image_size=32)
    """
    from matplotlib.figure import Figure

    c.require(images.count >= _COUNT, "images", f"at least {_COUNT} images, not {images.count}")
    normalization = IMAGENET_MEAN, IMAGENET_STD  # of which erased boxes and what is outside of an image are made
    options: dict[str, Any] = {"normalization": normalization, "augmentation": augmentation, "seed": seed, "epoch": 0}
    batch = next(iter(batches(images, batch_size=_COUNT, image_size=image_size, training=True, **options)))
    pictures, labels = batch if isinstance(batch, tuple) else (batch, None)
    figure = Figure((8, 8.6))
    for i, picture in enumerate(np.asarray(pictures) * IMAGENET_STD + IMAGENET_MEAN):
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
