"""The files of one training, in a folder of its own."""

import contextlib
import csv
import io
import json
import pathlib
from typing import NamedTuple

import numpy as np

from vitgraph.contract import differences, require
from vitgraph.scratch import clean, written
from vitgraph.training import checkpoint

LAST, BEST, RUN, TABLE = "last.safetensors", "best.safetensors", "run.json", "history.csv"
MODEL, WEIGHTS, PICTURE, TENSORBOARD = "model.keras", "weights.safetensors", "history.png", "tensorboard"
REPORT, CONFUSION, WORST = "report.html", "confusion.png", "worst.png"


class Result(NamedTuple):
    """What a training leaves.

    Args:
        history: {figure: its value after each epoch}.
        model: the graph with its weights after the last epoch, averaged if the recipe says so, as a `.keras` file.
        weights: these weights alone, as `create` and `load_weights` take them.
        best: the weights of the best epoch; None without images to validate on.
        state: what an interrupted training resumes from.
        picture: the history, drawn; None without matplotlib.
    """

    history: dict[str, list[float]]
    model: pathlib.Path
    weights: pathlib.Path
    best: pathlib.Path | None
    state: pathlib.Path
    picture: pathlib.Path | None


class Folder:
    """The folder of a training, of which nothing is written before `begin`.

    Args:
        path: the folder.
        configuration: everything that decides what comes out, as plain values under names.

    Raises:
        ValueError: the folder holds a training with another configuration; what differs is listed.
        OSError: the path is that of a file.
    """

    def __init__(self, path, configuration):
        self.path = pathlib.Path(path)
        self.configuration = _plain(configuration)
        require(_can_be_folder(self.path), "out", "a folder, or a path for one", error=NotADirectoryError)
        self.state = checkpoint.read_state(self / LAST) or {"epoch": 0, "history": {}}
        differing = differences(self.state.get("configuration", self.configuration), self.configuration)
        lines = "".join(f"\n  {line}" for line in differing)
        require(not differing, "out", f"a folder without a training that has other settings; this one has:{lines}")

    def begin(self):
        """Makes the folder, and says in it what is to come."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.clean()
        text = json.dumps(self.configuration, indent=2) + "\n"
        self.write(RUN, lambda path: path.write_text(text, encoding="utf-8"))

    def clean(self):
        """Removes what killed processes were writing."""
        for name in (LAST, BEST, RUN, TABLE, MODEL, WEIGHTS, PICTURE, REPORT, CONFUSION, WORST):
            clean(self / name)
            for stale in self.path.glob(f".{name}.*"):
                if stale.is_file():
                    stale.unlink()

    def write(self, name, save):
        """Writes a file, by `save(path)`, whole or not at all."""
        with written(self / name) as path:
            save(path)

    def __truediv__(self, name):
        return self.path / name

    @property
    def epoch(self):
        """Number of epochs that are done."""
        return self.state["epoch"]

    @property
    def step(self):
        """Number of batches of the next epoch that are done."""
        return self.state.get("step", 0)

    @property
    def history(self):
        """{figure: its value after each epoch}."""
        return self.state["history"]

    @property
    def is_finished(self):
        return (self / MODEL).exists() and self.epoch == self.configuration["recipe"]["epochs"]

    @property
    def kept(self):
        """What training can resume from, in words."""
        done = said(self.state)
        return f"the state after {done} is in {self / LAST}" if done else "no state was kept"

    @contextlib.contextmanager
    def writing(self):
        """Says in errors of writing what is left."""
        try:
            yield
        except OSError as error:
            raise OSError(f"{str(self.path)!r} can't be written to: {error}; {self.kept}") from error

    def restore(self, model, optimizer):
        """Gives them the last state, if there is one; returns that of the metrics, if it was kept inside an epoch."""
        if not said(self.state):
            return None
        tensors, metrics = checkpoint.split(checkpoint.read(self / LAST)[0])
        checkpoint.restore(model, optimizer, tensors)
        return metrics

    def keep(self, tensors, figures):
        """Writes the state after another epoch, and that epoch's figures."""
        history = {name: [*self.history.get(name, []), value] for name, value in figures.items()}
        state = {"epoch": self.epoch + 1, "history": history, "configuration": self.configuration}
        self.write(LAST, lambda path: checkpoint.write(path, tensors, state))
        self.state = state
        self.write_table()

    def keep_step(self, tensors, step):
        """Writes the state after `step` batches of the next epoch."""
        state = {**self.state, "step": step, "configuration": self.configuration}
        self.write(LAST, lambda path: checkpoint.write(path, tensors, state))
        self.state = state

    def write_table(self):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoch", *self.history])
        writer.writerows([epoch, *row] for epoch, row in enumerate(zip(*self.history.values(), strict=True), start=1))
        self.write(TABLE, lambda path: path.write_text(text.getvalue(), encoding="utf-8"))

    def finish(self, graph, save):
        """Writes the weights by `save(path)`, and last the graph, which says that all is there."""
        self.write_table()
        self.write(WEIGHTS, save)
        self.write(MODEL, graph.save)

    def result(self):
        self.clean()

        def existing(name):
            return self / name if (self / name).exists() else None

        files = self / MODEL, self / WEIGHTS, existing(BEST), self / LAST, existing(PICTURE)
        return Result(self.history, *files)


def said(state):
    """How far a training has come, in words; "" at the beginning."""
    epoch, step = state["epoch"], state.get("step", 0)
    return " and ".join(filter(None, (epoch and f"epoch {epoch}", step and f"step {step} of epoch {epoch + 1}")))


def has_matplotlib():
    import importlib.util

    return importlib.util.find_spec("matplotlib") is not None


def _can_be_folder(path):
    try:
        return path.is_dir() or not path.exists()
    except OSError:  # a name that is too long
        return False


def _plain(value):
    """As JSON has it: numpy's values as Python's, functions such as a builder's `block` by their names."""
    return json.loads(json.dumps(value, default=_described))


def _described(value):
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return getattr(value, "__qualname__", str(value))
