"""A training's report: one HTML file with its curves, its confusion matrix and the most wrong images."""

import base64
import functools
import html
import json

import numpy as np

from vitgraph.plots import plot_confusion, plot_history
from vitgraph.training.folder import CONFUSION, PICTURE, REPORT, WORST

_COUNT = 16

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse }} td {{ padding: .15rem 1rem .15rem 0 }} img {{ max-width: 100% }}
pre {{ background: #f4f4f4; padding: 1rem; overflow-x: auto }}
</style>
<h1>{title}</h1>
{parts}
</html>
"""


def write_report(folder, model, held_out, prepared, normalization):
    """Writes the report of a training that is done into its folder.

    Args:
        folder: the `Folder`.
        model: what was trained: image -> logits, or anything without `held_out`.
        held_out: the `Images` to validate on, with labels; None: no more than the curves is shown.
        prepared: a `tf.data.Dataset` of them, in order, with labels (B, classes).
        normalization: (mean, standard deviation) of the images in it.
    """
    last = {name: values[-1] for name, values in folder.history.items()}
    parts = [_section("After the last epoch", _table(last))]
    parts.append(_section("Curves", _picture(folder, PICTURE, lambda path: plot_history(folder.history, path))))
    if held_out is not None and held_out.labels is not None:
        logits, truth = np.asarray(model.predict(prepared, verbose=0), "float64"), np.asarray(held_out.labels)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        names = held_out.class_names
        counts = np.zeros((shares.shape[1],) * 2, "int64")
        np.add.at(counts, (truth, shares.argmax(axis=1)), 1)
        confusion = functools.partial(plot_confusion, counts, class_names=names)
        parts.append(_section("What is taken for what", _picture(folder, CONFUSION, confusion)))
        worst = functools.partial(_draw_worst, prepared, shares, truth, names, normalization)
        parts.append(_section("The most wrong", _picture(folder, WORST, worst)))
    settings = html.escape(json.dumps(folder.configuration, indent=2))
    parts.append(_section("Settings", f"<pre>{settings}</pre>"))
    title = html.escape(f"{folder.configuration['model']}: {folder.epoch} epochs")
    text = _PAGE.format(title=title, parts="\n".join(parts))
    folder.write(REPORT, lambda path: path.write_text(text, encoding="utf-8"))


def _draw_worst(prepared, shares, truth, names, normalization, path):
    """The images whose true classes have the smallest probabilities, each under what it is and is taken for."""
    from matplotlib.figure import Figure

    worst = np.argsort(shares[np.arange(len(truth)), truth])[:_COUNT]
    chosen: dict = dict.fromkeys(worst.tolist())
    start, (mean, std) = 0, (np.asarray(values, "float32") for values in normalization)
    for images, _ in prepared:
        for number in [n for n in chosen if start <= n < start + len(images)]:
            chosen[number] = np.clip(np.asarray(images[number - start]) * std + mean, 0, 1)
        start += len(images)
    figure = Figure((8, 2.2 * -(-len(worst) // 4)), layout="constrained")
    for place, (number, image) in enumerate(chosen.items(), start=1):
        axes = figure.add_subplot(-(-len(worst) // 4), 4, place)
        axes.imshow(image if image.shape[-1] == 3 else image[..., 0], cmap="gray", vmin=0, vmax=1)
        axes.set_axis_off()
        taken = int(shares[number].argmax())
        true, seen = (names[n] if names else str(n) for n in (int(truth[number]), taken))
        axes.set_title(f"{true}, taken for {seen} ({shares[number, taken]:.0%})", size=7)
    figure.savefig(path)


def _section(title, content):
    return f"<h2>{title}</h2>\n{content}"


def _picture(folder, name, save):
    """Writes a picture into the folder, and gives it as a part of the page."""
    folder.write(name, save)
    data = base64.b64encode((folder / name).read_bytes()).decode("ascii")
    return f'<img alt="{name}" src="data:image/png;base64,{data}">'


def _table(figures):
    rows = "".join(f"<tr><td>{html.escape(name)}<td>{value:.4g}</tr>" for name, value in figures.items())
    return f"<table>{rows}</table>"
