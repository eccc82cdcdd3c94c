"""The files of one training, in a folder of its own."""

import contextlib
import csv
import io
import json
import pathlib
import shutil
from typing import NamedTuple

from vitgraph.checkpoints.files import save_model, write_atomically
from vitgraph.plots import plot_history
from vitgraph.training import checkpoint

LAST, BEST, RUN, TABLE = "last.safetensors", "best.safetensors", "run.json", "history.csv"
MODEL, WEIGHTS, PICTURE, TENSORBOARD = "model.keras", "weights.safetensors", "history.png", "tensorboard"


class Result(NamedTuple):
    """What a training leaves: the figures of each epoch, and its files; `best` and `picture` are None if there is none.

    `model` is the graph with its weights, `weights` the weights alone, as `create` and `load_weights` take them; both
    are those of the last epoch, averaged if the recipe says so. `best` are the weights of the best epoch, `state` is
    where training can go on.
    """

    history: dict
    model: pathlib.Path
    weights: pathlib.Path
    best: pathlib.Path | None
    state: pathlib.Path
    picture: pathlib.Path | None


class Folder:
    """Opens a folder for a training, made where it is missing.

    Args:
        path: the folder.
        configuration: all that decides what comes out, as plain values under names.

    Raises:
        ValueError: the folder holds a training with another configuration; what differs is listed.
        OSError: it can't be written to.
    """

    def __init__(self, path, configuration):
        self.path = pathlib.Path(path)
        self.configuration = _plain(configuration)
        self.path.mkdir(parents=True, exist_ok=True)
        for name in (LAST, BEST, RUN, TABLE, MODEL, WEIGHTS):  # what a killed process was writing
            for stale in self.path.glob(f".{name}.*"):
                shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
        self.state = checkpoint.read_state(self / LAST) or {"epoch": 0, "history": {}}
        differing = _differences(self.state.get("configuration", self.configuration), self.configuration)
        if differing:
            lines = "".join(f"\n  {line}" for line in differing)
            advice = "name another folder, or ask for the same"
            raise ValueError(f"{str(self.path)!r} holds another training; {advice}:{lines}")
        write_atomically(self / RUN, json.dumps(self.configuration, indent=2).encode() + b"\n")

    def __truediv__(self, name):
        return self.path / name

    @property
    def epoch(self):
        """How many epochs are done."""
        return self.state["epoch"]

    @property
    def history(self):
        """{figure: its value after each epoch}."""
        return self.state["history"]

    @property
    def is_finished(self):
        return (self / MODEL).exists() and self.epoch == self.configuration["recipe"]["epochs"]

    @property
    def kept(self):
        """Where training can go on, in words."""
        return f"the state after epoch {self.epoch} is in {self / LAST}" if self.epoch else "no state was kept"

    @contextlib.contextmanager
    def writing(self):
        """Says what is left, where something can't be written meanwhile."""
        try:
            yield
        except OSError as error:
            raise OSError(f"{str(self.path)!r} can't be written to: {error}; {self.kept}") from error

    def restore(self, model, optimizer):
        """The state after the last whole epoch; as they are where there is none."""
        if self.epoch:
            tensors, _ = checkpoint.read(self / LAST)
            checkpoint.restore(model, optimizer, tensors)

    def keep(self, tensors, figures):
        """Writes the state after one more epoch, with that epoch's figures."""
        history = {name: [*self.history.get(name, []), value] for name, value in figures.items()}
        state = {"epoch": self.epoch + 1, "history": history, "configuration": self.configuration}
        checkpoint.write(self / LAST, tensors, state)
        self.state = state
        self.write_table()

    def write_table(self):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoch", *self.history])
        writer.writerows([epoch, *row] for epoch, row in enumerate(zip(*self.history.values(), strict=True), start=1))
        write_atomically(self / TABLE, text.getvalue().encode())

    def finish(self, graph, save):
        """Writes what is left: the picture, the weights by `save(path)`, and last the graph: then all is there."""
        self.write_table()
        if has_matplotlib():
            plot_history(self.history, self / PICTURE)
        save(self / WEIGHTS)
        save_model(graph, self / MODEL)

    def result(self):
        def existing(name):
            return self / name if (self / name).exists() else None

        files = self / MODEL, self / WEIGHTS, existing(BEST), self / LAST, existing(PICTURE)
        return Result(self.history, *files)


def has_matplotlib():
    import importlib.util

    return importlib.util.find_spec("matplotlib") is not None


def _plain(value):
    """As JSON has it; functions, such as a builder's `block`, by their names."""
    return json.loads(json.dumps(value, default=lambda x: getattr(x, "__qualname__", str(x))))


def _differences(there, here, name=""):
    """A line for each value that differs between two plain dictionaries."""
    if isinstance(there, dict) and isinstance(here, dict):
        keys = dict.fromkeys([*there, *here])
        parts = (_differences(there.get(k), here.get(k), f"{name}.{k}" if name else k) for k in keys)
        return [line for part in parts for line in part]
    return [] if there == here else [f"{name}: {json.dumps(there)} there, {json.dumps(here)} here"]
