"""The whole state of a training in one safetensors file with plain JSON in its header. Nothing is unpickled."""

import contextlib
import json
import pathlib
import re

import keras
import numpy as np

from vitgraph.checkpoints.convert import assign
from vitgraph.checkpoints.files import check_tensors, write_tensors

FORMAT = "vitgraph training state 1"
_METRICS = "metrics/"


def snapshot(model, optimizer):
    """Copies of everything that changes in training: {key: array}.

    The model's variables include its moving statistics and the states of its random generators.
    """
    return {key: _array(variable) for key, variable in _variables(model, optimizer)}


def restore(model, optimizer, tensors):
    """Gives a model and its optimizer, which must be built, the state of a `snapshot`, or changes nothing.

    Raises:
        ValueError: the state is that of another model or optimizer; what differs is listed.
    """
    variables = dict(_variables(model, optimizer))
    problems = [f"missing: {key}" for key in variables if key not in tensors]
    problems += [f"unused: {key}" for key in tensors if key not in variables]
    for key, variable in variables.items():
        if key in tensors and tensors[key].shape != tuple(variable.shape):
            problems.append(f"misfit: {key} {tensors[key].shape}, here {tuple(variable.shape)}")
    if problems:
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        shown = "".join(f"\n  {problem}" for problem in problems[:20])
        raise ValueError(f"the checkpoint doesn't fit {model.name!r}; nothing was restored:{shown}{more}")
    assign([(variable, tensors[key]) for key, variable in variables.items()])


def snapshot_metrics(model):
    """Copies of what the metrics have counted in this epoch, as further entries of a snapshot."""
    return {f"{_METRICS}{i}": _array(variable) for i, variable in enumerate(model.metrics_variables)}


def add_metrics(model, metrics):
    """Adds what the metrics had counted, by `snapshot_metrics`, to what they have: all are sums, and counts."""
    variables = model.metrics_variables
    if len(variables) != len(metrics):
        raise ValueError(f"the checkpoint has {len(metrics)} variables of metrics, {model.name!r} {len(variables)}")
    assign([(variable, metrics[f"{_METRICS}{i}"] + _array(variable)) for i, variable in enumerate(variables)])


def split(tensors):
    """(the snapshot, the metrics' part or None) of what a file holds."""
    metrics = {key: tensors[key] for key in tensors if key.startswith(_METRICS)}
    return {key: tensors[key] for key in tensors if key not in metrics}, metrics or None


def write(path, tensors, state):
    """Writes a snapshot and `state`, a dictionary of plain values, whole or not at all."""
    write_tensors(path, tensors, {"format": FORMAT, "state": json.dumps(state)})


def read(path):
    """(snapshot, state) of a file.

    Raises:
        ValueError: not a whole file that `write` wrote.
    """
    with _opened(path) as (file, state):
        tensors = {key: file.get_tensor(key) for key in file.keys()}
        check_tensors(tensors, file.metadata())
        return tensors, state


def read_state(path):
    """The state alone; None if there is no file. Raises as `read` does."""
    if not pathlib.Path(path).exists():
        return None
    with _opened(path) as (_, state):
        return state


@contextlib.contextmanager
def _opened(path):
    """A checkpoint's (file, state), while it is open."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"it isn't of the format {FORMAT!r}")
            yield file, json.loads(metadata["state"])
    except (SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} isn't a whole checkpoint of a training: {error}") from error


def _variables(model, optimizer):
    """(key, variable) of each: the key is its path, with a number if earlier ones have the same path."""
    counts: dict = {}
    for kind, variables in (("model", model.variables), ("optimizer", optimizer.variables)):
        for variable in variables:
            # Keras numbers generators through the whole process.
            path = f"{kind}/{re.sub(r'seed_generator_[0-9]+/', 'seed_generator/', variable.path)}"
            counts[path] = counts.get(path, 0) + 1
            yield path if counts[path] == 1 else f"{path}#{counts[path]}", variable


def _array(variable):
    """A copy, as backends may return the variable's own memory. Bfloat16, which NumPy doesn't have, becomes float32."""
    array = np.array(keras.ops.convert_to_numpy(variable), order="C", copy=True)
    return array.astype("float32") if array.dtype.name == "bfloat16" else array
