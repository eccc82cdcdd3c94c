"""A picture of what a decoder makes of a masked image."""

from typing import Annotated, Any

import keras
import numpy as np

from vitgraph import contract as c
from vitgraph.images.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from vitgraph.plots.frames import Images, draw, size_of


def _can_reconstruct(value: Any) -> Any:
    if not isinstance(value, keras.Model) or not hasattr(value, "reconstruct"):
        raise TypeError
    return value


_Painter = Annotated[keras.Model, c.Conversion("a masked autoencoder or SimMIM", _can_reconstruct)]


@c.public
def plot_reconstruction(
    model: _Painter,
    images: Images,
    path: c.PicturePath,
    *,
    mean: c.Mean = IMAGENET_MEAN,
    std: c.Deviation = IMAGENET_STD,
) -> None:
    """Draws images, what an encoder is shown of them, and what its decoder makes of that, one row per image.

    Args:
        model: a masked autoencoder, or SimMIM: what can `reconstruct`.
        images: (B, H, W, 3), uint8, or floats from 0 to 1, of the size that the model takes.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; the message says what is.
        OSError: the picture can't be written.

    Example:
        >>> encoder = vitgraph.build_vit((32, 32, 3), include_top=False, patch_size=8, dim=16, depth=1, num_heads=2)
        >>> mae = vitgraph.masked_autoencoder(encoder, decoder_dim=16, decoder_depth=1, decoder_heads=2)
        >>> vitgraph.plots.plot_reconstruction(mae, numpy.random.rand(2, 32, 32, 3), "reconstruction.png")
    """
    size = tuple(model.graph.input["image"].shape[1:])
    c.require(images.shape[1:] == size, "images", f"(B, {', '.join(map(str, size))})", value=images)
    for argument, values in (("mean", mean), ("std", std)):
        c.require(np.shape(values) in ((), (3,)), argument, "one number, or 3, one per channel")
    images = images.astype("float32")
    masked, drawn, mask = model.reconstruct((images - np.array(mean, "float32")) / np.array(std, "float32"))
    shown = [images, *(np.clip(x * np.array(std) + np.array(mean), 0, 1) for x in (masked, drawn))]
    titles = ("image", "shown", "drawn")
    notes = (size_of(*size), f"{mask.mean():.0%} of it is hidden", "what was hidden, by the decoder")
    panels = [(_column(x), title, note) for x, title, note in zip(shown, titles, notes, strict=True)]
    draw([lambda axes, picture=picture: axes.imshow(picture) for picture, *_ in panels], panels, path, "images")


def _column(images):
    """(B, H, W, 3) -> one below the other, with white between them: (B H + (B - 1) gap, W, 3)."""
    _, height, width, channels = images.shape
    gap = np.ones((max(height // 24, 1), width, channels))
    return np.concatenate([part for image in images for part in (gap, image)][1:])
