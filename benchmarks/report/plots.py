"""Pictures of measured figures."""

import math

from benchmarks.report.ratios import against_peers
from benchmarks.report.store import scratch_of

_COLOURS = {"timm": "#d95f02", "kecam": "#7570b3", "zeromodels": "#1b9e77", "keras_hub": "#e7298a"}


def draw(entries, path, title):
    """Bars of the ratios of our speed to each peer's, with their spread, a group for each model.

    Args:
        entries: of one task, dtype and batch size, a model each.
        path: the picture to write; its ending is the format.
        title: what stands above it.

    Returns:
        Whether there was anything to draw.

    Raises:
        OSError: the picture can't be written.
    """
    from matplotlib.figure import Figure

    ratios = {entry["model"]: against_peers(entry["rows"]) for entry in entries}
    ratios = {model: row for model, row in ratios.items() if row}
    peers = [peer for peer in _COLOURS if any(peer in row for row in ratios.values())]
    if not peers:
        return False
    figure = Figure(figsize=(8, 1.2 + 0.22 * len(ratios) * (len(peers) + 1)), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    for i, peer in enumerate(peers):
        _bars(axes, [row.get(peer) for row in ratios.values()], i, len(peers), peer)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlim(left=0)
    axes.set_yticks(range(len(ratios)), ratios, size=8)
    axes.invert_yaxis()
    axes.set_xlabel("our images a second / theirs (above 1: ours is faster)", size=9)
    axes.set_title(title, size=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=len(peers))
    scratch = scratch_of(path)
    figure.savefig(scratch, format=path.suffix[1:])
    scratch.replace(path)
    return True


def _bars(axes, ratios, number, count, peer):
    """One peer's bars; a model that the peer hasn't leaves a gap."""
    height = 0.8 / count
    y = [i + (number - (count - 1) / 2) * height for i in range(len(ratios))]
    middle = [ratio["median"] if ratio else math.nan for ratio in ratios]
    low = [ratio["median"] - ratio["low"] if ratio else 0 for ratio in ratios]
    high = [ratio["high"] - ratio["median"] if ratio else 0 for ratio in ratios]
    style = {"error_kw": {"elinewidth": 0.8, "capsize": 2}, "color": _COLOURS[peer], "label": peer}
    axes.barh(y, middle, height, xerr=(low, high), **style)
    for row, value in zip(y, middle, strict=True):
        if not math.isnan(value):
            axes.text(0.02, row, f"{value:.2f}", size=6, color="white", va="center", transform=axes.transData)
