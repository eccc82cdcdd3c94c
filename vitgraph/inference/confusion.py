"""A confusion matrix as a picture."""

import numpy as np

from vitgraph import contract as c
from vitgraph.inference.evaluation import OTHER, Evaluation

_LEGIBLE = 40  # classes: with more, no names and no numbers are written


@c.public
def plot_confusion(evaluation: Evaluation, path: c.PicturePath) -> None:
    """Draws which classes are taken for which: a row per class, in shares of its images. It needs matplotlib.

    Args:
        evaluation: what `evaluate` returned.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; the message says what is.
        OSError: the picture can't be written.

    Example:
        >>> matrix = numpy.array([[3, 1], [0, 4]])
        >>> evaluation = vitgraph.inference.Evaluation(8, 0.875, 1.0, ("cat", "dog"), matrix)
        >>> vitgraph.inference.plot_confusion(evaluation, "confusion.png")
    """
    from matplotlib.figure import Figure

    counts = evaluation.confusion
    rows, columns = counts.shape
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    is_legible = columns <= _LEGIBLE
    side = 2.5 + 0.3 * columns if is_legible else 10
    figure = Figure((side, side * rows / columns), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_title(f"{evaluation.count} images, {evaluation.top1:.1%} right", size=10, weight="bold")
    axes.set_xlabel("taken for")
    axes.set_ylabel("class")
    axes.tick_params(labelsize=7)
    if is_legible:
        names = [*evaluation.class_names, OTHER]
        axes.set_xticks(range(columns), names[:columns], rotation=90)
        axes.set_yticks(range(rows), names[:rows])
        for i, j in np.argwhere(counts):
            colour = "white" if shares[i, j] > 0.5 else "black"
            axes.text(j, i, counts[i, j], ha="center", va="center", size=6, color=colour)
    figure.savefig(path)
