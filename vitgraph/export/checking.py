"""What was exported answers like its model, or it isn't kept.

An artifact is written beside its final place, and moved there once it has been run and compared. Whatever goes wrong,
nothing half-written stays there, and what was there before is left as it was.
"""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from vitgraph import contract as c
from vitgraph.export.artifacts import load, ops_of
from vitgraph.export.graphs import modes
from vitgraph.scratch import written

# Batch, height and width of two trials, for what the input's shape leaves open. The second isn't divisible by strides.
_TRIALS = ((1, 96, 128), (3, 130, 100))

SPACING = {"float32": 2**-23, "float16": 2**-10, "bfloat16": 2**-7, "int8": 2**-7}
"""Relative spacing of the numbers that layers compute with. An int8 layer rounds its inputs to 127 steps."""

INT8 = 0.25
"""The share of the values' root mean square that the differences' may be with int8 numbers between the layers."""


@dataclasses.dataclass(frozen=True)
class Report:
    """An artifact that was written and compared with its model.

    Attributes:
        path: its place.
        size: its size in bytes.
        difference: the largest absolute difference from the model's answers in the trials.
        ops: the names of the operations in a LiteRT, an ONNX or an OpenVINO file; () for a SavedModel.
    """

    path: pathlib.Path
    size: int
    difference: float
    ops: tuple[str, ...]


def write_checked(
    caller: str,
    model: keras.Model,
    path: pathlib.Path,
    write: Callable[[pathlib.Path], Any],
    trials: Sequence[np.ndarray],
    allowed: float | None = None,
    typical: bool = False,
) -> Report:
    """Lets `write` write an artifact, runs it beside the model, and moves it to its place.

    Args:
        caller: the public function, which errors name.
        write: function of the place where to write.
        trials: batches of images.
        allowed: the largest difference, as a share of the largest value; None: as the model's own precision has it.
        typical: compare root mean squares in their place.

    Raises:
        ValueError: the answers differ by more.
        FileNotFoundError: the folder of `path` is missing.
    """
    require_folder(caller, path)
    with written(path) as made:
        write(made)
        ops, difference = ops_of(made), compared(caller, model, load(made), trials, allowed, typical)
        return Report(path, size_of(made), difference, ops)


def compared(
    caller: str,
    model: keras.Model,
    answer: Callable[[Any], dict[str, Any]],
    trials: Sequence[np.ndarray],
    allowed: float | None = None,
    typical: bool = False,
) -> float:
    """Asks model and artifact alike; arguments and errors as `write_checked` has them.

    Returns:
        The largest absolute difference.
    """
    allowed = tolerance(modes(model)) if allowed is None else allowed
    size, off = (_root_mean_square, "typically off by") if typical else (_largest, "off by")
    differences = []
    for images in trials:
        wanted, given = named(model(images, training=False)), answer(images)
        if set(given) != set(wanted):  # ONNX keeps the order, not the names
            given = dict(zip(wanted, given.values(), strict=True))
        for name, value in wanted.items():
            value = np.asarray(keras.ops.convert_to_numpy(value), "float64")
            difference = _difference(value, given[name])
            differences.append(_largest(difference))
            if not size(difference) <= allowed * size(value):
                raise ValueError(
                    f"{caller}: the artifact of {model.name!r} answers differently: {name} for an input "
                    f"{images.shape} is {off} {size(difference):.2e}, its values reach {_largest(value):.2e}; "
                    f"allowed: {allowed:.0e} of that; nothing was written"
                )
    return max(differences)


def tolerance(precisions):
    """The share of the largest value by which answers may differ: half of the digits of the coarsest precision."""
    return math.sqrt(max(SPACING.get(precision, 2**-23) for precision in precisions))


def noise(model, shape):
    """Two batches of random images of the input's dtype, in different sizes where `shape` leaves them open."""
    dtype = model.inputs[0].dtype
    return [_images(trial, dtype) for trial in dict.fromkeys(_fill(shape, sizes) for sizes in _TRIALS)]


def named(outputs):
    """A model's outputs, with the names and in the order that exporters give them."""
    if isinstance(outputs, dict):
        return {name: outputs[name] for name in sorted(outputs)}
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return {f"output_{i}": value for i, value in enumerate(outputs)}


def signature_of(model, shape):
    """The input's shape, dtype and name, as Keras' exporters take them."""
    (tensor,) = model.inputs
    return [keras.InputSpec(shape=shape, dtype=tensor.dtype, name=tensor.name)]


def file_path(path: c.Path, suffix: str) -> pathlib.Path:
    """The argument `path`, if it has the suffix."""
    target = pathlib.Path(path)
    c.require(target.suffix == suffix, "path", f"a name that ends in {suffix!r}")
    return target


def require_folder(caller, path):
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{caller}: {path}: there is no folder {path.parent}")


def size_of(path):
    """Bytes of a file, or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _difference(wanted, given):
    """NaN if the shapes differ."""
    return wanted - np.asarray(given, "float64") if wanted.shape == given.shape else np.full(1, math.nan)


def _largest(values):
    return float(np.abs(values).max())


def _root_mean_square(values):
    return float(np.sqrt(np.mean(np.square(values))))


def _fill(shape, sizes):
    """The shape, with `sizes` in the place of what it leaves open."""
    return (*(n or size for n, size in zip(shape, sizes, strict=False)), shape[-1])


def _images(shape, dtype):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, shape) if "int" in dtype else random.standard_normal(shape)
    return images.astype(dtype)
