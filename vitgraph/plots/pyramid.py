"""A picture of a graph's feature maps."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from vitgraph import contract as c
from vitgraph.plots.frames import Image, draw, numbers, size_of


@c.public
def plot_pyramid(image: Image, maps: Mapping[str, Any], path: c.PicturePath) -> None:
    """Draws an image beside its feature maps, each coloured by the three directions in which its channels vary most.

    Args:
        maps: {"P2": (h, w, C), ...}, arrays or tensors, as the graph that `pyramid` returns gives them; a leading axis
            of 1 is dropped.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; the message says what is.
        OSError: the picture can't be written.

    Example:
        >>> backbone = vitgraph.build_pvt_v2((64, 96, 3), include_top=False)
        >>> image = numpy.random.rand(64, 96, 3)
        >>> vitgraph.plots.plot_pyramid(image, vitgraph.pyramid(backbone)(image[None]), "pyramid.png")
    """
    panels = [(image, "image", size_of(*image.shape))]
    for level, values in maps.items():
        values = numbers("maps", values, f"{{level: (h, w, C)}}, finite numbers, not {level!r}")
        stride = round(image.shape[0] / values.shape[0])
        panels.append((_principal_colours(values), f"{level}, stride {stride}", size_of(*values.shape)))
    draw([lambda axes, picture=picture: axes.imshow(picture) for picture, *_ in panels], panels, path, "image")


def _principal_colours(values):
    """(h, w, C) -> (h, w, 3) from 0 to 1: the first three principal components, each over its middle 98 percent."""
    height, width, channels = values.shape
    flat = values.reshape(-1, channels) - values.mean(axis=(0, 1))
    _, vectors = np.linalg.eigh(flat.T @ flat)
    vectors = vectors[:, : -min(3, channels) - 1 : -1]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    components = flat @ vectors
    low, high = np.percentile(components, (1, 99), axis=0)
    colours = np.clip((components - low) / np.maximum(high - low, 1e-12), 0, 1).reshape(height, width, -1)
    return np.concatenate([colours, np.zeros((height, width, 3 - colours.shape[-1]))], axis=-1)
