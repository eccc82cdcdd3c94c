"""A picture of what a segmenter found."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vitgraph import contract as c
from vitgraph.plots.frames import Image, array, colour, draw, name_of, size_of

_ALPHA = 0.6


@c.public
def plot_masks(
    image: Image, masks: Mapping[str, Any], path: c.PicturePath, *, class_names: Sequence[str] | None = None
) -> None:
    """Draws an image beside maps of its pixels' classes, each over the image in the classes' colours.

    Args:
        masks: {"truth": (h, w), "predicted": (h, w), ...}, the class of each pixel, an integer; or its scores
            (h, w, classes), of which the largest counts. A mask may be smaller than the image. Class 0 is background,
            and pixels of a class below 0 are left as they are, too.
        class_names: names of the classes, in order; None: their numbers.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; the message says what is.
        OSError: the picture can't be written.

    Example:
        >>> image, mask = numpy.random.rand(64, 96, 3), numpy.eye(64, 96, dtype="int32")
        >>> vitgraph.plots.plot_masks(image, {"diagonal": mask}, "masks.png")
    """
    drawings, panels = [lambda axes: axes.imshow(image)], [(image, "image", size_of(*image.shape))]
    for title, values in masks.items():
        allowed = f"{{title: (h, w) of integers, or (h, w, classes) of numbers}}, not {title!r}"
        values = array("masks", values, allowed)
        c.require(values.ndim in (2, 3) and values.size, "masks", allowed)
        if values.ndim == 3:
            values = values.argmax(axis=-1)
        c.require((values == np.floor(values)).all(), "masks", allowed)
        values = values.astype("int64")
        drawings.append(_drawing(image, values))
        kinds = [kind for kind in np.unique(values) if kind > 0]
        shares = [f"{name_of(kind, class_names)} {np.mean(values == kind):.0%}" for kind in kinds[:3]]
        panels.append((image, str(title), ", ".join(shares) or "background"))
    draw(drawings, panels, path, "image")


def _drawing(image, mask):
    colours = np.zeros((*mask.shape, 4))
    for kind in np.unique(mask[mask > 0]):
        colours[mask == kind] = (*colour(kind), _ALPHA)
    extent = (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)

    def drawing(axes):
        axes.imshow(image)
        axes.imshow(colours, interpolation="nearest", extent=extent)

    return drawing
