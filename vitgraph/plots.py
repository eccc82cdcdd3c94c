"""Pictures of what a graph sees (pyramid, attention), of what it draws, and of its training. They need matplotlib."""

import math

import keras
import numpy as np

from vitgraph.blocks.base import pair
from vitgraph.export.graphs import IMAGENET_MEAN, IMAGENET_STD
from vitgraph.graphs.attention import attention, attention_rollout

_WIDTH, _TITLE, _GAP = 2.1, 0.45, 0.08  # of a panel, in inches
_GREY = "#666666"
_SHOWN = {"": "training", "val_": "held out", "val_ema_": "held out, averaged weights"}  # by a figure's prefix


def plot_pyramid(image, maps, path):
    """Draws an image beside its feature maps, each coloured by the three directions in which its channels vary most.

    Args:
        image: (H, W, 3), uint8, or floats in 0 ... 1.
        maps: {"P2": (h, w, C), ...}, arrays or tensors, as `pyramid` names them; a leading axis of 1 is dropped.
        path: the picture to write; its ending is the format.

    Raises:
        ValueError: an image or a map of another shape.
        OSError: the picture can't be written.
    """
    image = _image("plot_pyramid", image)
    panels = [(image, "image", _size(*image.shape))]
    for level, values in maps.items():
        values = _squeeze("plot_pyramid", level, values, 3)
        stride = round(image.shape[0] / values.shape[0])
        panels.append((_principal_colours(values), f"{level}, stride {stride}", _size(*values.shape)))
    _draw([lambda axes, picture=picture: axes.imshow(picture) for picture, *_ in panels], panels, path)


def plot_attention(model, image, path, *, layer=-1, query=0, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    """Draws what one token of a plain net attends to in an image, head by head and on average.

    Args:
        model: a plain net of this package, with or without its top.
        image: (H, W, 3), uint8, or floats in 0 ... 1; brought to the model's size, if it has one.
        path: the picture to write; its ending is the format.
        layer: the number of an attention layer, from the end if negative; or "rollout", over all layers.
        query: the token that looks; 0 is the class token where there is one.
        mean, std: the normalisation that the model's weights want of pixels from 0 to 1.

    Raises:
        ValueError: an image or layer that can't be, a net that is not plain.
        OSError: the picture can't be written.
    """
    image, size = _image("plot_attention", image), model.input_shape[1:3]
    if None not in size:
        image = np.clip(keras.ops.image.resize(image, size, data_format="channels_last"), 0, 1)
    stage = model.stages[-1]
    if stage.grid is None and len(stage.output.shape) == 4:
        raise ValueError(f"plot_attention: model {model.name!r}; allowed: a plain net")
    rolled = layer == "rollout"
    graph = attention_rollout(model) if rolled else attention(model)
    if not rolled:
        names = list(graph.output)
        if not -len(names) <= layer < len(names):
            raise ValueError(f"plot_attention: layer={layer!r}; allowed: 'rollout', or one of {len(names)}")
        graph = keras.Model(graph.input, graph.output[names[layer]])
    values = keras.ops.convert_to_numpy(graph(((image - np.array(mean)) / np.array(std))[None].astype("float32")))
    grid = tuple(n // step for n, step in zip(image.shape[:2], pair(stage.stride), strict=True))
    plot_probabilities(image, values[:, None] if rolled else values, path, grid=grid, query=query)


def plot_probabilities(image, probabilities, path, *, grid, query=0):
    """Draws what one token of a plain net attends to, head by head and on average, over the image.

    Each panel's colours span the middle 98 percent of its weights; above it stands how many times the largest weight
    is the smallest, which is little where the net knows nothing yet.

    Args:
        image: (H, W, 3), uint8, or floats in 0 ... 1.
        probabilities: (heads, N, N), one attention layer's entry of `attention`; a leading axis of 1 is dropped.
        path: the picture to write; its ending is the format.
        grid: rows and columns of patches, which are the last of the N tokens.
        query: the token that looks; 0 is the class token.

    Raises:
        ValueError: shapes that don't fit.
        OSError: the picture can't be written.
    """
    image = _image("plot_probabilities", image)
    rows = _squeeze("plot_probabilities", "probabilities", probabilities, 3)[:, query]
    if rows.shape[-1] < math.prod(grid):
        raise ValueError(f"plot_probabilities: grid={grid!r}; allowed: at most {rows.shape[-1]} patches")
    rows = rows[:, -math.prod(grid) :].reshape(-1, *grid)
    heads = {f"head {i + 1}": row for i, row in enumerate(rows)} | {"mean of heads": rows.mean(axis=0)}
    grey = image @ np.array([0.299, 0.587, 0.114])
    extent = (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)

    def overlay(row):
        def draw(axes):
            axes.imshow(grey, cmap="gray", vmin=0, vmax=1.2)
            low, high = np.percentile(row, (1, 99))
            axes.imshow(row, cmap="inferno", vmin=low, vmax=high, alpha=0.7, interpolation="bicubic", extent=extent)

        return draw

    panels = [(image, "image", _size(*image.shape))]
    panels += [(row, title, f"largest is {row.max() / row.min():.3g} x smallest") for title, row in heads.items()]
    _draw([lambda axes: axes.imshow(image), *map(overlay, heads.values())], panels, path)


def plot_reconstruction(model, images, path, *, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    """Draws images, what an encoder is shown of them, and what its decoder makes of that, a row an image.

    Args:
        model: a masked autoencoder, or SimMIM: what can `reconstruct`.
        images: (B, H, W, 3), uint8, or floats in 0 ... 1, of the size that the model takes.
        path: the picture to write; its ending is the format.
        mean, std: the normalisation that the model was trained with, of pixels from 0 to 1.

    Raises:
        ValueError: images of another shape, a model that draws none.
        OSError: the picture can't be written.
    """
    size = model.graph.input["image"].shape[1:] if hasattr(model, "reconstruct") else None
    if size is None:
        raise ValueError(f"plot_reconstruction: model {model.name!r}; allowed: one that can reconstruct")
    images = np.asarray(images)
    if images.shape[1:] != size or size[-1] != 3:
        raise ValueError(f"plot_reconstruction: images of shape {images.shape}; allowed: (B, H, W, 3), here {size}")
    images = np.stack([_image("plot_reconstruction", image) for image in images]).astype("float32")
    masked, drawn, mask = model.reconstruct((images - np.array(mean, "float32")) / np.array(std, "float32"))
    shown = [images, *(np.clip(x * np.array(std) + np.array(mean), 0, 1) for x in (masked, drawn))]
    titles = ("image", "shown", "drawn")
    notes = (_size(*size), f"{mask.mean():.0%} of it is hidden", "what was hidden, by the decoder")
    panels = [(_column(x), title, note) for x, title, note in zip(shown, titles, notes, strict=True)]
    _draw([lambda axes, picture=picture: axes.imshow(picture) for picture, *_ in panels], panels, path)


def plot_history(history, path):
    """Draws the figures of a training over its epochs: losses, accuracies and learning rates, a panel each.

    Args:
        history: {"loss": [...], "val_loss": [...], "accuracy": [...], "learning_rate": [...], ...}, a value an epoch.
        path: the picture to write; its ending is the format.

    Raises:
        OSError: the picture can't be written.
    """
    from matplotlib.figure import Figure

    kinds = {"loss": "loss", "accuracy": "accuracy", "learning_rate": "learning rate"}
    panels = {kind: [name for name in history if name.endswith(kind)] for kind in kinds}
    panels = {kind: names for kind, names in panels.items() if names}
    figure = Figure(figsize=(4 * len(panels), 3), dpi=100, layout="constrained")
    for i, (kind, names) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), i)
        for name in names:
            epochs = range(1, len(history[name]) + 1)
            axes.plot(epochs, history[name], ".-", label=_SHOWN.get(name.removesuffix(kind), name))
        axes.set_title(kinds[kind], size=9, weight="bold")
        axes.set_xlabel("epoch", size=9, color=_GREY)
        axes.tick_params(labelsize=8, colors=_GREY)
        axes.spines[["top", "right"]].set_visible(False)
        if len(names) > 1:
            axes.legend(fontsize=8, frameon=False)
    figure.savefig(path)


def _draw(drawings, panels, path):
    """One row of panels, each under a title and a line of small print; no global state of matplotlib's is touched."""
    from matplotlib.figure import Figure

    rows, columns = panels[0][0].shape[:2]
    panel = (_WIDTH, _WIDTH * rows / columns)
    size = (len(panels) * (panel[0] + _GAP) + _GAP, panel[1] + _TITLE + _GAP)
    figure = Figure(figsize=size, dpi=100)
    for i, (draw, (_, title, note)) in enumerate(zip(drawings, panels, strict=True)):
        left = _GAP + i * (panel[0] + _GAP)
        axes = figure.add_axes((left / size[0], _GAP / size[1], panel[0] / size[0], panel[1] / size[1]))
        draw(axes)
        axes.set_axis_off()
        axes.set_aspect("auto")
        for text, inches, weight, colour in ((title, 0.25, "bold", "black"), (note, 0.07, "normal", _GREY)):
            y = 1 - (_TITLE - inches) / size[1]
            figure.text(left / size[0], y, text, size=9, weight=weight, color=colour)
    figure.savefig(path)


def _column(images):
    """(B, H, W, 3) -> one below the other, with white between them: (B H + (B - 1) gap, W, 3)."""
    _, height, width, channels = images.shape
    gap = np.ones((max(height // 24, 1), width, channels))
    return np.concatenate([part for image in images for part in (gap, image)][1:])


def _principal_colours(values):
    """(h, w, C) -> (h, w, 3) in 0 ... 1: the first three principal components, each over its middle 98 percent."""
    height, width, channels = values.shape
    flat = values.reshape(-1, channels) - values.mean(axis=(0, 1))
    _, vectors = np.linalg.eigh(flat.T @ flat)
    vectors = vectors[:, : -min(3, channels) - 1 : -1]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    components = flat @ vectors
    low, high = np.percentile(components, (1, 99), axis=0)
    colours = np.clip((components - low) / np.maximum(high - low, 1e-12), 0, 1).reshape(height, width, -1)
    return np.concatenate([colours, np.zeros((height, width, 3 - colours.shape[-1]))], axis=-1)


def _image(caller, image):
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(f"{caller}: image of shape {image.shape}; allowed: (H, W, 3)")
    return image / 255 if image.dtype == np.uint8 else image


def _squeeze(caller, name, values, rank):
    values = np.asarray(values, "float64")
    if values.ndim == rank + 1 and values.shape[0] == 1:
        values = values[0]
    if values.ndim != rank:
        raise ValueError(f"{caller}: {name} of shape {values.shape}; allowed: {rank} axes, or a batch of one")
    return values


def _size(*shape):
    return " x ".join(map(str, shape))
