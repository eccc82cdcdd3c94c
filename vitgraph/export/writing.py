"""Keras' own export, plus the check that what it wrote answers like the model.

An artifact is written beside its final place, and moved there once it has been run and compared. Whatever goes wrong,
nothing half-written stays there, and what was there before is left as it was.
"""

import dataclasses
import math
import pathlib

import keras
import numpy as np

from vitgraph import contract as c
from vitgraph.export.artifacts import load, ops_of
from vitgraph.export.graphs import in_float32, input_shape, modes
from vitgraph.scratch import written

# Batch, height and width of two trials, for what the input's shape leaves open. The second isn't divisible by strides.
_TRIALS = ((1, 96, 128), (3, 130, 100))

# Relative spacing of the numbers that layers compute with. An int8 layer rounds its inputs to 127 steps.
_SPACING = {"float32": 2**-23, "float16": 2**-10, "bfloat16": 2**-7, "int8": 2**-7}


@dataclasses.dataclass(frozen=True)
class Report:
    """An artifact that was written and compared with its model.

    Attributes:
        path: its place.
        size: its size in bytes.
        difference: the largest absolute difference from the model's answers in the trials.
        ops: the names of the operations in a LiteRT or an ONNX file; () for a SavedModel.
    """

    path: pathlib.Path
    size: int
    difference: float
    ops: tuple[str, ...]


@c.public
def to_saved_model(
    model: c.ImageModel, path: c.Path, *, batch_size: c.Count | None = None, image_size: c.ImageSize | None = None
) -> Report:
    """Writes a TensorFlow SavedModel.

    Args:
        model: a built `keras.Model` with one input (B, H, W, C), of any dtype policy, quantised or not.
        path: the folder to write; a SavedModel that is there is replaced.

    Returns:
        A `Report`.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; answers that differ from the model's by more than half of
            the digits that it computes with (3e-4 of the largest value, in float32).
        OSError: the folder of `path` is missing, or `path` is something other than a SavedModel.

    Example:
        >>> net = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2, num_classes=5)
        >>> vitgraph.export.to_saved_model(net, "net").difference < 1e-4
        True
    """
    path = pathlib.Path(path)
    shape = input_shape(model, batch_size, image_size)
    if path.exists() and not (path / "saved_model.pb").is_file():
        raise FileExistsError(f"to_saved_model: {path} exists and isn't a SavedModel; it is left alone")
    return _write("to_saved_model", model, path, shape, "tf_saved_model")


@c.public
def to_litert(
    model: c.ImageModel, path: c.Path, *, batch_size: c.Count | None = None, image_size: c.ImageSize | None = None
) -> Report:
    """Writes a LiteRT file of built-in operations only, so that every LiteRT runtime can run it.

    A model in float16 or bfloat16 is written, and compared, as its float32 twin: LiteRT has no kernels for them.

    Args:
        model: a built `keras.Model` with one input (B, H, W, C), not quantised to int8.
        path: the file to write, ending in ".tflite".
        batch_size: fixes the batch size; None leaves it open. With 1, and a known image size, every shape is known in
            advance, which delegates (GPU, NPU) need.

    Returns:
        A `Report`.

    Raises:
        ValueError, TypeError: as `to_saved_model`; a model that needs operations that aren't built in, which are named.
        OSError: the folder of `path` is missing.
        ModuleNotFoundError: what it needs isn't installed; the message says how to install it.

    Example:
        >>> net = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2, num_classes=5)
        >>> "FULLY_CONNECTED" in vitgraph.export.to_litert(net, "net.tflite", batch_size=1).ops
        True
    """
    path = _file(path, ".tflite")
    c.installed("to_litert", "ai_edge_litert")
    shape = input_shape(model, batch_size, image_size)
    allowed = "the model before it was quantised, or int4: LiteRT has no operations for Keras' int8 products"
    c.require("int8" not in modes(model), "model", allowed)
    return _write("to_litert", in_float32(model), path, shape, "litert")


@c.public
def to_onnx(
    model: c.ImageModel, path: c.Path, *, batch_size: c.Count | None = None, image_size: c.ImageSize | None = None
) -> Report:
    """Writes an ONNX file.

    A model in float16 or bfloat16 is written, and compared, as its float32 twin.

    Args:
        model: a built `keras.Model` with one input (B, H, W, C).
        path: the file to write, ending in ".onnx".

    Returns:
        A `Report`.

    Raises:
        ValueError, TypeError: as `to_saved_model`; a model for which Keras' exporter writes operations that ONNX
            doesn't have, which are named.
        OSError: the folder of `path` is missing.
        ModuleNotFoundError: what it needs isn't installed; the message says how to install it.

    Example:
        >>> net = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2, num_classes=5)
        >>> "MatMul" in vitgraph.export.to_onnx(net, "net.onnx").ops
        True
    """
    path = _file(path, ".onnx")
    c.installed("to_onnx", "onnx", "onnxruntime", "tf2onnx")
    shape = input_shape(model, batch_size, image_size)
    return _write("to_onnx", in_float32(model), path, shape, "onnx")


def _write(caller, model, path, shape, kind):
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{caller}: {path}: there is no folder {path.parent}")
    with written(path) as made:
        (tensor,) = model.inputs
        signature = [keras.InputSpec(shape=shape, dtype=tensor.dtype, name=tensor.name)]
        model.export(str(made), format=kind, input_signature=signature, verbose=False)
        ops, difference = ops_of(made), _compare(caller, model, load(made), shape)
        files = made.rglob("*") if made.is_dir() else [made]
        return Report(path, sum(file.stat().st_size for file in files if file.is_file()), difference, ops)


def _compare(caller, model, answer, shape):
    """Runs model and artifact side by side.

    Returns:
        The largest absolute difference.

    Raises:
        ValueError: it is too large.
    """
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
    """The largest absolute difference; NaN if the shapes differ."""
    return float(np.abs(wanted - np.asarray(given, "float64")).max()) if wanted.shape == given.shape else math.nan


def _fill(shape, sizes):
    """The shape, with `sizes` in the place of what it leaves open."""
    return (*(n or size for n, size in zip(shape, sizes, strict=False)), shape[-1])


def _images(shape, dtype):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, shape) if "int" in dtype else random.standard_normal(shape)
    return images.astype(dtype)


def _named(outputs):
    """A model's outputs, with the names and in the order that exporters give them."""
    if isinstance(outputs, dict):
        return {name: outputs[name] for name in sorted(outputs)}
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return {f"output_{i}": value for i, value in enumerate(outputs)}


def _file(path, suffix):
    path = pathlib.Path(path)
    c.require(path.suffix == suffix, "path", f"a name that ends in {suffix!r}")
    return path
