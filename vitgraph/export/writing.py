"""Keras' own export, plus the check that what it wrote answers like the model.

An artifact is written beside its final place and moved there when it has been run and compared; whatever goes wrong,
nothing half-written stays, and what was there before is as it was.
"""

import dataclasses
import math
import pathlib
import tempfile

import keras
import numpy as np

from vitgraph.export.artifacts import load, ops_of
from vitgraph.export.graphs import in_float32, input_shape, modes

# What is left open in the input's shape, in two trials: batch, height, width. Sizes that strides don't divide, too.
_TRIALS = ((1, 96, 128), (3, 130, 100))

# Relative spacing of the numbers that layers compute with; an int8 layer rounds its inputs to 127 steps.
_SPACING = {"float32": 2**-23, "float16": 2**-10, "bfloat16": 2**-7, "int8": 2**-7}


@dataclasses.dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        path: where it is.
        size: in bytes.
        difference: the largest absolute difference from the model's answers in the trials.
        ops: the names of the operations in a LiteRT or an ONNX file.
    """

    path: pathlib.Path
    size: int
    difference: float
    ops: tuple[str, ...]


def to_saved_model(model, path, *, batch_size=None, image_size=None):
    """Writes a TensorFlow SavedModel.

    Args:
        model: a built `keras.Model` with one input (B, H, W, C), of any dtype policy, quantised or not.
        path: the folder to write; a SavedModel that is there is replaced.
        batch_size: fixes the batch; None: any.
        image_size: (height, width) in pixels, fixes the size of a model whose size is open; None: leaves it open.

    Returns:
        A `Report`.

    Raises:
        ValueError: a shape that the model hasn't, or answers that differ from the model's by more than half of the
            digits of what it computes with (3e-4 of the largest value, in float32).
        OSError: the folder of `path` is missing, or `path` is something else than a SavedModel.
    """
    path = pathlib.Path(path)
    if path.exists() and not (path / "saved_model.pb").is_file():
        raise FileExistsError(f"to_saved_model: {path} exists and is no SavedModel; it is left alone")
    shape = input_shape("to_saved_model", model, batch_size, image_size)
    return _write("to_saved_model", model, path, shape, "tf_saved_model")


def to_litert(model, path, *, batch_size=None, image_size=None):
    """Writes a LiteRT file of built-in operations only, so that every LiteRT runtime can run it.

    A model in float16 or bfloat16 is written, and compared, as its float32 twin: LiteRT has no kernels for them.

    Args:
        model: a built `keras.Model` with one input (B, H, W, C).
        path: the file to write, ending in ".tflite".
        batch_size: fixes the batch; None: any. With 1, and a known image size, no shape is left to run time, which is
            what delegates (GPU, NPU) want.
        image_size: (height, width) in pixels, fixes the size of a model whose size is open; None: leaves it open.

    Returns:
        A `Report`.

    Raises:
        ValueError: as `to_saved_model`; a model that needs other than built-in operations, which are named; an int8
            model.
        OSError: the folder of `path` is missing.
    """
    path = _file("to_litert", path, ".tflite")
    shape = input_shape("to_litert", model, batch_size, image_size)
    if "int8" in modes(model):
        raise ValueError(
            f"to_litert: {model.name!r} is quantised to int8, and LiteRT has no operations for Keras' int8 products; "
            "allowed: the model before it was quantised, or int4"
        )
    return _write("to_litert", in_float32(model), path, shape, "litert")


def to_onnx(model, path, *, batch_size=None, image_size=None):
    """Writes an ONNX file, as its float32 twin where the model is in float16 or bfloat16.

    Args, Returns: as `to_litert`; the file ends in ".onnx".

    Raises:
        ValueError: as `to_saved_model`; a model that Keras' exporter writes operations for which ONNX hasn't.
        OSError: the folder of `path` is missing.
    """
    path = _file("to_onnx", path, ".onnx")
    shape = input_shape("to_onnx", model, batch_size, image_size)
    return _write("to_onnx", in_float32(model), path, shape, "onnx")


def _write(caller, model, path, shape, kind):
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{caller}: {path}: there is no folder {path.parent}")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        made = pathlib.Path(scratch, path.name)
        (tensor,) = model.inputs
        signature = [keras.InputSpec(shape=shape, dtype=tensor.dtype, name=tensor.name)]
        model.export(str(made), format=kind, input_signature=signature, verbose=False)
        ops, difference = ops_of(made), _compare(caller, model, load(made), shape)
        files = made.rglob("*") if made.is_dir() else [made]
        report = Report(path, sum(file.stat().st_size for file in files if file.is_file()), difference, ops)
        if made.is_dir() and path.exists():
            path.rename(pathlib.Path(scratch, "replaced"))
        made.replace(path)
    return report


def _compare(caller, model, answer, shape):
    """Runs model and artifact side by side: the largest absolute difference, or a ValueError if it is too large."""
    allowed = math.sqrt(max(_SPACING.get(mode, 2**-23) for mode in modes(model)))
    differences = []
    for trial in dict.fromkeys(_fill(shape, sizes) for sizes in _TRIALS):
        images = _images(trial, model.inputs[0].dtype)
        wanted, given = _named(model(images, training=False)), answer(images)
        if set(given) != set(wanted):  # ONNX keeps the order, not the names
            given = dict(zip(wanted, given.values(), strict=True))
        for name, value in wanted.items():
            value = np.asarray(keras.ops.convert_to_numpy(value), "float64")
            differences.append(_difference(value, given[name]))
            if not differences[-1] <= allowed * np.abs(value).max():
                raise ValueError(
                    f"{caller}: the artifact of {model.name!r} answers differently: {name} for an input {trial} is "
                    f"off by {differences[-1]:.2e}, its values reach {np.abs(value).max():.2e}; allowed: "
                    f"{allowed:.0e} of that; nothing was written"
                )
    return max(differences)


def _difference(wanted, given):
    """The largest absolute difference; no number where the shapes differ."""
    return float(np.abs(wanted - np.asarray(given, "float64")).max()) if wanted.shape == given.shape else math.nan


def _fill(shape, sizes):
    """The shape with `sizes` where it is open."""
    return (*(n or size for n, size in zip(shape, sizes, strict=False)), shape[-1])


def _images(shape, dtype):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, shape) if "int" in dtype else random.standard_normal(shape)
    return images.astype(dtype)


def _named(outputs):
    """What a model returns, named and in the order in which exporters do it."""
    if isinstance(outputs, dict):
        return {name: outputs[name] for name in sorted(outputs)}
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return {f"output_{i}": value for i, value in enumerate(outputs)}


def _file(caller, path, suffix):
    path = pathlib.Path(path)
    if path.suffix != suffix:
        raise ValueError(f"{caller}: path={str(path)!r}; allowed: a name that ends in {suffix!r}")
    return path
