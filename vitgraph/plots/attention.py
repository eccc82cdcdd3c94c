"""Pictures of what a plain net attends to."""

import math
from typing import Any, Literal

import keras
import numpy as np

from vitgraph import contract as c
from vitgraph.graphs.attention import attention_maps, rollout
from vitgraph.graphs.levels import stages_of
from vitgraph.images.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from vitgraph.plots.frames import Image, draw, numbers, overlay, size_of


@c.public
def plot_attention(
    model: c.Graph,
    image: Image,
    path: c.PicturePath,
    *,
    layer: int | Literal["rollout"] = -1,
    query: int = 0,
    mean: c.Mean = IMAGENET_MEAN,
    std: c.Deviation = IMAGENET_STD,
) -> None:
    """Draws what one token of a plain net attends to in an image, head by head and on average.

    Args:
        model: a plain net of this package, with or without its top.
        image: (H, W, 3), uint8, or floats from 0 to 1; it is resized to the model's size, if that is known.
        layer: the number of an attention layer, from the end if negative; or "rollout", over all layers.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; the message says what is.
        OSError: the picture can't be written.

    Example:
        >>> vit = vitgraph.build_vit((32, 48, 3), patch_size=8, dim=16, depth=2, num_heads=2)
        >>> vitgraph.plots.plot_attention(vit, numpy.random.rand(32, 48, 3), "attention.png", layer=0)
    """
    stage = stages_of(model)[-1]
    c.require(stage.grid is not None, "model", "a plain net")
    shape = model.inputs[0].shape[1:]
    c.require(len(model.inputs) == 1 and shape[-1] == 3, "model", f"a net of images (H, W, 3), not {tuple(shape)}")
    for argument, values in (("mean", mean), ("std", std)):
        c.require(np.shape(values) in ((), (3,)), argument, "one number, or 3, one per channel")
    if layer == "rollout":
        probabilities = rollout(model)[:, None]
    else:
        maps = list(attention_maps(model).values())
        c.require(-len(maps) <= layer < len(maps), "layer", f"'rollout', or one of {len(maps)} layers")
        probabilities = maps[layer]
    if None not in shape:
        image = keras.ops.image.resize(image, shape[:2], data_format="channels_last")
        image = np.clip(keras.ops.convert_to_numpy(image), 0, 1)
    graph = keras.Model(model.input, [probabilities, model.get_layer(stage.grid).output])
    values, patches = graph(((image - np.array(mean)) / np.array(std))[None].astype("float32"))
    values = keras.ops.convert_to_numpy(values)
    grid, tokens = tuple(patches.shape[1:3]), values.shape[2]
    c.require(math.prod(grid) <= values.shape[3], "layer", "a layer that attends to all patches")
    c.require(-tokens <= query < tokens, "query", f"one of {tokens} tokens")
    _plot_probabilities(image, values[0], path, grid, query)


@c.public
def plot_probabilities(
    image: Image, probabilities: Any, path: c.PicturePath, *, grid: tuple[c.Side, c.Side], query: int = 0
) -> None:
    """Draws what one token of a plain net attends to, head by head and on average, over the image.

    Each panel's colours span the middle 98 percent of its weights. Its title gives the ratio of the largest to the
    smallest weight, which is near 1 for an untrained net.

    Args:
        probabilities: (heads, N, N), one attention layer's entry of `attention`; a leading axis of 1 is dropped.
        grid: rows and columns of the patches, which are the last of the N tokens.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; the message says what is.
        OSError: the picture can't be written.

    Example:
        >>> vit = vitgraph.build_vit((32, 48, 3), patch_size=8, dim=16, depth=1, num_heads=2)
        >>> image = numpy.random.rand(32, 48, 3)
        >>> values = vitgraph.attention(vit)(image[None])["block_0_attn"]
        >>> vitgraph.plots.plot_probabilities(image, values, "attention.png", grid=(4, 6))
    """
    values = numbers("probabilities", probabilities, "(heads, N, N), finite numbers, not an array")
    tokens, patches = values.shape[1], values.shape[2]
    c.require(-tokens <= query < tokens, "query", f"one of {tokens} tokens")
    c.require(math.prod(grid) <= patches, "grid", f"at most {patches} patches")
    _plot_probabilities(image, values, path, grid, query)


def _plot_probabilities(image, values, path, grid, query):
    """As `plot_probabilities`, of values (heads, N, N)."""
    rows = values[:, query, -math.prod(grid) :].astype("float64").reshape(-1, *grid)
    heads = {f"head {i + 1}": row for i, row in enumerate(rows)} | {"mean of heads": rows.mean(axis=0)}
    overlays = [overlay(image, row, *np.percentile(row, (1, 99))) for row in heads.values()]

    def ratio(row):
        return f"largest is {row.max() / row.min():.3g} x smallest" if row.min() > 0 else "smallest is not over 0"

    panels = [(image, "image", size_of(*image.shape))]
    panels += [(row, title, ratio(row)) for title, row in heads.items()]
    draw([lambda axes: axes.imshow(image), *overlays], panels, path, "image")
