"""Images a second that a training is fed with: ours beside timm's loader, and decoding alone.

JPEGs of 500 x 375 pixels become batches of 224 x 224, which nobody uses. Each loader has a process of its own, and they
take turns; timm's has as many workers as there are cores.
"""

import argparse
import os
import pathlib
import sys
import tempfile

from benchmarks import photographs
from benchmarks.children.feed_images import CANDIDATES, RECIPES
from benchmarks.options import check_words, words
from benchmarks.processes import Worker, python_of
from benchmarks.progress import Progress
from benchmarks.report import tables
from benchmarks.report.ratios import is_measured, median_of_ratios, summarise
from benchmarks.report.store import write
from benchmarks.turns import enter, take_turns

_HEAD = (
    "recipe", "images/s: ours", "timm", "x timm", "images/CPU-s: ours", "timm", "x timm", "% of decoding: ours", "timm",
)  # fmt: skip


def measure(options, recipe, folder, progress):
    """{candidate: its row}; they take turns."""
    entrants, rows = [], {}
    for name in CANDIDATES:
        progress.say(f"{recipe}: starting {name}")
        row = rows[name] = {"candidate": name}
        worker = Worker(python_of(name, options.peer_python), timeout=options.timeout, program="feed_images")
        request = {"candidate": name, "recipe": recipe, "folder": str(folder), "batch": options.batch}
        entrants += enter(worker, row, options.seconds, **request, workers=options.workers)
        progress.step()

    def turn(row, number):
        return f"{recipe}: {number}, {row['candidate']}"

    for _, row, steps, turns in take_turns(options.rounds, entrants, progress, turn):
        summarise(row, turns, options.batch, steps)
    return rows


def cells(recipe, rows):
    """A line of the table."""
    ours, timm, decoding = (rows[name] for name in ("vitgraph", "timm", "decoding"))
    missing = [row for row in (ours, timm, decoding) if not is_measured(row)]
    if missing:
        return [recipe, f"{missing[0]['candidate']}: {tables.absent(missing[0])}", *[""] * (len(_HEAD) - 2)]
    line = [recipe]
    for figure, rounds in (("images_per_s", "rounds"), ("images_per_cpu_s", "rounds_per_cpu")):
        ratio = median_of_ratios(ours[rounds], timm[rounds])
        line += [f"{ours[figure]:.0f}", f"{timm[figure]:.0f}"]
        line += [f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"]
    return line + [f"{100 * row['images_per_s'] / decoding['images_per_s']:.0f}" for row in (ours, timm)]


def parse(arguments):
    cores = os.cpu_count()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    parser.add_argument("--recipes", type=words, default=[*RECIPES], help=f"of {', '.join(RECIPES)}; with commas")
    parser.add_argument("--photographs", type=int, default=256, help="number of different files")
    parser.add_argument("--batch", type=int, default=64, help="images per batch")
    parser.add_argument("--workers", type=int, default=cores, help="processes of timm's loader; default: all cores")
    parser.add_argument("--rounds", type=int, default=5, help="turns of every loader")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a turn")
    parser.add_argument("--timeout", type=float, default=600, help="seconds until an answer counts as an error")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has timm and torchvision")
    parser.add_argument("--out", type=pathlib.Path, help="file for the table")
    options = parser.parse_args(arguments)
    check_words(parser, "--recipes", options.recipes, RECIPES)
    for name in ("photographs", "batch", "workers", "rounds", "seconds", "timeout"):
        if getattr(options, name) <= 0:
            parser.error(f"--{name}: {getattr(options, name)}; allowed: above 0")
    return options


def main(arguments=None):
    options = parse(arguments)
    progress = Progress(len(options.recipes) * (len(CANDIDATES) + options.rounds))
    with tempfile.TemporaryDirectory() as folder:
        photographs.write(pathlib.Path(folder), options.photographs)
        lines = []
        for recipe in options.recipes:
            lines.append(cells(recipe, measure(options, recipe, folder, progress)))
        progress.clear()
    table = tables.grid(_HEAD, lines)
    print(table)
    if options.out:
        write(options.out, table + "\n")


if __name__ == "__main__":
    main()
