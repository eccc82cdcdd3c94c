"""Pictures of what a graph sees (pyramid, attention), of what it draws, and of its training. They need matplotlib."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import keras
import numpy as np

from vitgraph import contract as c
from vitgraph.graphs.attention import attention_maps, rollout
from vitgraph.graphs.levels import stages_of
from vitgraph.images.preprocessing import IMAGENET_MEAN, IMAGENET_STD

_WIDTH, _TITLE, _GAP = 2.1, 0.45, 0.08  # of a panel, in inches
_DPI, _LONGEST = 100, 160  # pixels per inch, and inches along a picture's longer side
_GREY = "#666666"
_SHOWN = {"": "training", "val_": "held out", "val_ema_": "held out, averaged weights"}  # by the prefix of a curve
_CURVES = {"loss": "loss", "accuracy": "accuracy", "learning_rate": "learning rate"}  # {ending of a name: title}


def _photographs(value: Any, rank: int) -> Any:
    images = np.asarray(value)
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        raise TypeError
    images = images / 255 if images.dtype == np.uint8 else images.astype("float64")
    if images.ndim != rank or images.shape[-1] != 3 or not images.size:
        raise ValueError
    if not (images.min() >= 0 and images.max() <= 1):  # NaN isn't, either
        raise ValueError
    return images


def _can_reconstruct(value: Any) -> Any:
    if not isinstance(value, keras.Model) or not hasattr(value, "reconstruct"):
        raise TypeError
    return value


_Image = Annotated[Any, c.Conversion("(H, W, 3), uint8, or floats from 0 to 1", lambda v: _photographs(v, 3))]
_Images = Annotated[Any, c.Conversion("(B, H, W, 3), uint8, or floats from 0 to 1", lambda v: _photographs(v, 4))]
_Painter = Annotated[keras.Model, c.Conversion("a masked autoencoder or SimMIM", _can_reconstruct)]


@c.public
def plot_pyramid(image: _Image, maps: Mapping[str, Any], path: c.PicturePath) -> None:
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
    panels = [(image, "image", _size(*image.shape))]
    for level, values in maps.items():
        values = _numbers("maps", values, f"{{level: (h, w, C)}}, finite numbers, not {level!r}")
        stride = round(image.shape[0] / values.shape[0])
        panels.append((_principal_colours(values), f"{level}, stride {stride}", _size(*values.shape)))
    _draw([lambda axes, picture=picture: axes.imshow(picture) for picture, *_ in panels], panels, path, "image")


@c.public
def plot_attention(
    model: c.Graph,
    image: _Image,
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
    image: _Image, probabilities: Any, path: c.PicturePath, *, grid: tuple[c.Side, c.Side], query: int = 0
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
    values = _numbers("probabilities", probabilities, "(heads, N, N), finite numbers, not an array")
    tokens, patches = values.shape[1], values.shape[2]
    c.require(-tokens <= query < tokens, "query", f"one of {tokens} tokens")
    c.require(math.prod(grid) <= patches, "grid", f"at most {patches} patches")
    _plot_probabilities(image, values, path, grid, query)


def _plot_probabilities(image, values, path, grid, query):
    """As `plot_probabilities`, of values (heads, N, N)."""
    rows = values[:, query, -math.prod(grid) :].astype("float64").reshape(-1, *grid)
    heads = {f"head {i + 1}": row for i, row in enumerate(rows)} | {"mean of heads": rows.mean(axis=0)}
    grey = image @ np.array([0.299, 0.587, 0.114])
    extent = (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)

    def overlay(row):
        def draw(axes):
            axes.imshow(grey, cmap="gray", vmin=0, vmax=1.2)
            low, high = np.percentile(row, (1, 99))
            axes.imshow(row, cmap="inferno", vmin=low, vmax=high, alpha=0.7, interpolation="bicubic", extent=extent)

        return draw

    def ratio(row):
        return f"largest is {row.max() / row.min():.3g} x smallest" if row.min() > 0 else "smallest is not over 0"

    panels = [(image, "image", _size(*image.shape))]
    panels += [(row, title, ratio(row)) for title, row in heads.items()]
    _draw([lambda axes: axes.imshow(image), *map(overlay, heads.values())], panels, path, "image")


@c.public
def plot_reconstruction(
    model: _Painter,
    images: _Images,
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
    notes = (_size(*size), f"{mask.mean():.0%} of it is hidden", "what was hidden, by the decoder")
    panels = [(_column(x), title, note) for x, title, note in zip(shown, titles, notes, strict=True)]
    _draw([lambda axes, picture=picture: axes.imshow(picture) for picture, *_ in panels], panels, path, "images")


@c.public
def plot_history(history: Mapping[str, Sequence[float]], path: c.PicturePath) -> None:
    """Draws the curves of a training over its epochs: losses, accuracies and learning rates, in one panel each.

    Args:
        history: {"loss": [...], "val_loss": [...], "accuracy": [...], "learning_rate": [...], ...}, one value per
            epoch.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; the message says what is.
        OSError: the picture can't be written.

    Example:
        >>> history = {"loss": [2.3, 1.1], "val_loss": [2.4, 1.5]}   # as `model.fit(...).history`
        >>> vitgraph.plots.plot_history(history, "history.png")
    """
    from matplotlib.figure import Figure

    curves = {name: _curve(name, values) for name, values in history.items() if str(name).endswith(tuple(_CURVES))}
    c.require(curves, "history", f"one or more curves whose names end in {', '.join(_CURVES)}")
    panels = {kind: [name for name in curves if name.endswith(kind)] for kind in _CURVES}
    panels = {kind: names for kind, names in panels.items() if names}
    figure = Figure(figsize=(4 * len(panels), 3), dpi=_DPI, layout="constrained")
    for i, (kind, names) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), i)
        for name in names:
            epochs = range(1, len(curves[name]) + 1)
            axes.plot(epochs, curves[name], ".-", label=_SHOWN.get(name.removesuffix(kind), name))
        axes.set_title(_CURVES[kind], size=9, weight="bold")
        axes.set_xlabel("epoch", size=9, color=_GREY)
        axes.tick_params(labelsize=8, colors=_GREY)
        axes.spines[["top", "right"]].set_visible(False)
        if len(names) > 1:
            axes.legend(fontsize=8, frameon=False)
    figure.savefig(path)


def _draw(drawings, panels, path, argument):
    """One row of panels, each under a title and a line of small print; matplotlib's global state is left alone.

    `argument` is the one that is refused if the picture would be too large.
    """
    from matplotlib.figure import Figure

    rows, columns = panels[0][0].shape[:2]
    panel = (_WIDTH, _WIDTH * rows / columns)
    size = (len(panels) * (panel[0] + _GAP) + _GAP, panel[1] + _TITLE + _GAP)
    allowed = f"what makes a picture of at most {_LONGEST} inches along a side, not {max(size):.0f}"
    c.require(max(size) <= _LONGEST, argument, allowed)
    figure = Figure(figsize=size, dpi=_DPI)
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


def _numbers(argument, values, allowed):
    """An array of finite numbers with three axes, after a leading axis of 1 is dropped."""
    try:
        values = np.asarray(values, "float64")
    except Exception:  # a foreign object's own
        c.require(False, argument, allowed, error=TypeError)
    if values.ndim == 4 and values.shape[0] == 1:
        values = values[0]
    good = values.ndim == 3 and values.size and np.abs(values).max() < 1e100  # their squares are finite, too
    c.require(good, argument, f"{allowed} of shape {values.shape}")
    return values


def _curve(name, values):
    """One number per epoch, which may be NaN or infinite: a training may have got so far."""
    allowed = f"one or more numbers per curve, one per epoch, not {name!r}"
    try:
        values = np.asarray(values, "float64")
    except Exception:  # a foreign object's own
        c.require(False, "history", allowed, error=TypeError)
    c.require(values.ndim == 1 and values.size, "history", allowed)
    return values


def _size(*shape):
    return " x ".join(map(str, shape))
