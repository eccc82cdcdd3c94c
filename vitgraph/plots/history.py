"""A picture of a training's curves."""

from collections.abc import Mapping, Sequence

import numpy as np

from vitgraph import contract as c
from vitgraph.plots.frames import DPI, GREY

_SHOWN = {"": "training", "val_": "held out", "val_ema_": "held out, averaged weights"}  # by the prefix of a curve
_CURVES = {"loss": "loss", "accuracy": "accuracy", "learning_rate": "learning rate"}  # {ending of a name: title}


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
    from matplotlib.ticker import MaxNLocator

    curves = {name: _curve(name, values) for name, values in history.items() if str(name).endswith(tuple(_CURVES))}
    c.require(curves, "history", f"one or more curves whose names end in {', '.join(_CURVES)}")
    panels = {kind: [name for name in curves if name.endswith(kind)] for kind in _CURVES}
    panels = {kind: names for kind, names in panels.items() if names}
    figure = Figure(figsize=(4 * len(panels), 3), dpi=DPI, layout="constrained")
    for i, (kind, names) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), i)
        for name in names:
            epochs = range(1, len(curves[name]) + 1)
            axes.plot(epochs, curves[name], ".-", label=_SHOWN.get(name.removesuffix(kind), name))
        axes.set_title(_CURVES[kind], size=9, weight="bold")
        axes.set_xlabel("epoch", size=9, color=GREY)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(labelsize=8, colors=GREY)
        axes.spines[["top", "right"]].set_visible(False)
        if len(names) > 1:
            axes.legend(fontsize=8, frameon=False)
    figure.savefig(path)


def _curve(name, values):
    """One number per epoch, which may be NaN or infinite: a training may have got so far."""
    allowed = f"one or more numbers per curve, one per epoch, not {name!r}"
    try:
        values = np.asarray(values, "float64")
    except Exception:  # a foreign object's own
        c.require(False, "history", allowed, error=TypeError)
    c.require(values.ndim == 1 and values.size, "history", allowed)
    return values
