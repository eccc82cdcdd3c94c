"""A picture of which classes are taken for which."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vitgraph import contract as c
from vitgraph.plots.frames import DPI, GREY, array, name_of

_WRITTEN = 20  # classes up to which each cell has its number written into it


@c.public
def plot_confusion(
    truth: Any, predicted: Any, path: c.PicturePath, *, class_names: Sequence[str] | None = None
) -> None:
    """Draws the confusion matrix: how many images of each class were taken for which.

    A row is a true class, and its colours are shares of that class' images. Right answers are on the diagonal.

    Args:
        truth: (N,), the classes, integers from 0.
        predicted: (N,), what they were taken for; or scores (N, classes), of which the largest counts.
        class_names: names of the classes, in order; None: their numbers.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; the message says what is.
        OSError: the picture can't be written.

    Example:
        >>> truth, predicted = [0, 0, 1, 2], [0, 1, 1, 2]
        >>> vitgraph.plots.plot_confusion(truth, predicted, "confusion.png", class_names=("a", "b", "c"))
    """
    from matplotlib.figure import Figure

    matrix = confusion_matrix(truth, predicted, len(class_names or ()))
    count, right = len(matrix), np.trace(matrix) / matrix.sum()
    side = min(2.2 + 0.32 * count, 12)
    figure = Figure(figsize=(side, side), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_title(f"{right:.1%} of {matrix.sum()} right", size=9, weight="bold")
    axes.set_xlabel("predicted", size=9, color=GREY)
    axes.set_ylabel("true", size=9, color=GREY)
    places = range(0, count, -(-count // 40))
    names = [name_of(i, class_names) for i in places]
    axes.set_xticks(places, names, rotation=90, size=7)
    axes.set_yticks(places, names, size=7)
    if count <= _WRITTEN:
        for row, column in np.argwhere(matrix > 0):
            shade = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, matrix[row, column], ha="center", va="center", size=7, color=shade)
    figure.savefig(path)


def confusion_matrix(truth, predicted, least=0):
    """(classes, classes): the number of images of each true class, by what they were taken for; `least` classes."""
    allowed = "(N,), integers from 0 to 9999, one or more"
    truth, predicted = array("truth", truth, allowed, "integers"), array("predicted", predicted, "numbers")
    if predicted.ndim == 2 and predicted.shape[1] and truth.ndim == 1:
        predicted = predicted.argmax(axis=1)
    for argument, values in (("truth", truth), ("predicted", predicted)):
        good = values.ndim == 1 and values.size and values.min() >= 0 and values.max() < 10_000
        c.require(good and (values == np.floor(values)).all(), argument, allowed)
    c.require(truth.shape == predicted.shape, "predicted", f"as many as in truth, {len(truth)}")
    predicted = predicted.astype("int64")
    matrix = np.zeros((max(least, truth.max() + 1, predicted.max() + 1),) * 2, "int64")
    np.add.at(matrix, (truth, predicted), 1)
    return matrix
