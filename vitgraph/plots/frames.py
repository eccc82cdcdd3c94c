"""What the pictures share: images as arguments, panels in a row, an overlay in colours."""

from typing import Annotated, Any

import numpy as np

from vitgraph import contract as c

_WIDTH, _TITLE, _GAP = 2.1, 0.45, 0.08  # of a panel, in inches
DPI, _LONGEST = 100, 160  # pixels per inch, and inches along a picture's longer side
GREY = "#666666"


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


Image = Annotated[Any, c.Conversion("(H, W, 3), uint8, or floats from 0 to 1", lambda v: _photographs(v, 3))]
Images = Annotated[Any, c.Conversion("(B, H, W, 3), uint8, or floats from 0 to 1", lambda v: _photographs(v, 4))]


def draw(drawings, panels, path, argument, scale=1):
    """One row of panels, each under a title and a line of small print; matplotlib's global state is left alone.

    `argument` is the one that is refused if the picture would be too large.
    """
    from matplotlib.figure import Figure

    rows, columns = panels[0][0].shape[:2]
    panel = (scale * _WIDTH, scale * _WIDTH * rows / columns)
    size = (len(panels) * (panel[0] + _GAP) + _GAP, panel[1] + _TITLE + _GAP)
    allowed = f"what makes a picture of at most {_LONGEST} inches along a side, not {max(size):.0f}"
    c.require(max(size) <= _LONGEST, argument, allowed)
    figure = Figure(figsize=size, dpi=DPI)
    for i, (drawing, (_, title, note)) in enumerate(zip(drawings, panels, strict=True)):
        left = _GAP + i * (panel[0] + _GAP)
        axes = figure.add_axes((left / size[0], _GAP / size[1], panel[0] / size[0], panel[1] / size[1]))
        drawing(axes)
        axes.set_axis_off()
        axes.set_aspect("auto")
        for text, inches, weight, colour in ((title, 0.25, "bold", "black"), (note, 0.07, "normal", GREY)):
            y = 1 - (_TITLE - inches) / size[1]
            figure.text(left / size[0], y, text, size=9, weight=weight, color=colour)
    figure.savefig(path)


def overlay(image, values, low, high):
    """A function that draws an image (H, W, 3) in grey under a map (h, w), in colours from `low` to `high`."""
    grey = image @ np.array([0.299, 0.587, 0.114])
    extent = (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)

    def draw(axes):
        axes.imshow(grey, cmap="gray", vmin=0, vmax=1.2)
        axes.imshow(values, cmap="inferno", vmin=low, vmax=high, alpha=0.7, interpolation="bicubic", extent=extent)

    return draw


def numbers(argument, values, allowed):
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


def size_of(*shape):
    return " x ".join(map(str, shape))


def array(argument, values, allowed, kind=None):
    """An array of numbers, of integers with kind="integers"."""
    try:
        values = np.asarray(values)
        good = values.dtype.kind in "iuf" and np.isfinite(values).all() and (np.abs(values) < 1e9).all()
        good = good and (kind is None or (values == np.floor(values)).all())
    except Exception:  # a foreign object's own
        good = False
    c.require(good, argument, allowed, error=TypeError)
    return values.astype("int64") if kind else values.astype("float64")


def colour(number):
    """The colour of a class, (3,), from 0 to 1; the same one in all pictures."""
    import matplotlib

    return matplotlib.colormaps["tab20"]((2 * int(number) + (int(number) // 10) % 2) % 20)[:3]


def name_of(number, class_names):
    """A class by its name, where it has one, else by its number."""
    return class_names[number] if class_names and 0 <= number < len(class_names) else str(number)
