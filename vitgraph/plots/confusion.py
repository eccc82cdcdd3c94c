"""A picture of which classes are taken for which."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

from vitgraph import contract as c
from vitgraph.plots.frames import DPI, GREY, name_of

_WRITTEN = 20  # classes up to which each cell has its number written into it


def _counts(value: Any) -> Any:
    counts = np.asarray(value)
    if counts.dtype.kind not in "iu":
        raise TypeError
    rows, columns = counts.shape
    if columns not in (rows, rows + 1) or not 0 < rows <= 10_000 or counts.min() < 0 or not counts.sum():
        raise ValueError
    return counts


_Confusion = Annotated[
    Any, c.Conversion("counts (classes, classes) or (classes, classes + 1), integers from 0, of one or more", _counts)
]


@c.public
def plot_confusion(confusion: _Confusion, path: c.PicturePath, *, class_names: Sequence[str] | None = None) -> None:
    """Draws a confusion matrix: how many images of each class were taken for which.

    A row is a true class, and its colours are shares of that class' images. Right answers are on the diagonal.

    Args:
        confusion: (classes, classes), integers: images of the row's class that were taken for the column's; with one
            column more for any other class. `evaluate(...).confusion` is one.
        class_names: names of the classes, in order; None: their numbers.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; the message says what is.
        OSError: the picture can't be written.

    Example:
        >>> matrix = numpy.array([[3, 1], [0, 4]])
        >>> vitgraph.plots.plot_confusion(matrix, "confusion.png", class_names=("cat", "dog"))
    """
    from matplotlib.figure import Figure

    rows, columns = confusion.shape
    named = class_names is None or len(class_names) == rows
    c.require(named, "class_names", f"None, or {rows} names")
    side = min(2.2 + 0.32 * columns, 12)
    figure = Figure(figsize=(side, side), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_title(f"{np.trace(confusion) / confusion.sum():.1%} of {confusion.sum()} right", size=9, weight="bold")
    axes.set_xlabel("predicted", size=9, color=GREY)
    axes.set_ylabel("true", size=9, color=GREY)
    places = range(0, rows, -(-rows // 40))
    names = [name_of(i, class_names) for i in places]
    others = [(rows, "any other class")] if columns > rows else []
    axes.set_xticks([*places, *(place for place, _ in others)], [*names, *(n for _, n in others)], rotation=90, size=7)
    axes.set_yticks(places, names, size=7)
    if columns <= _WRITTEN:
        for row, column in np.argwhere(confusion > 0):
            shade = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, confusion[row, column], ha="center", va="center", size=7, color=shade)
    figure.savefig(path)
