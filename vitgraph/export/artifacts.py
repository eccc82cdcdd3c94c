"""Artifacts on the disk: which operations they hold, and their answers."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from vitgraph import contract as c


@c.public
def load(path: c.Path) -> Callable[[Any], dict[str, Any]]:
    """An artifact as a function: images (B, H, W, C) of the input's dtype -> {output's name: array}.

    Args:
        path: a SavedModel, or a file that ends in ".tflite" or ".onnx".

    Returns:
        The function. It raises a ValueError for images of another shape or dtype than the artifact takes.

    Raises:
        OSError: there is nothing at `path`.
        ValueError, TypeError: a file that is damaged or of another kind; an argument that isn't allowed.
        ModuleNotFoundError: the format's runtime isn't installed; the message says how to install it.

    Example:
        >>> net = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2, num_classes=5)
        >>> path = vitgraph.export.to_saved_model(net, "net").path
        >>> vitgraph.export.load(path)(numpy.zeros((2, 32, 32, 3), "float32"))["output_0"].shape
        (2, 5)
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(f"load: there is no {path}")
    c.installed("load", *{".tflite": ["ai_edge_litert"], ".onnx": ["onnxruntime"]}.get(path.suffix, []))
    read = {".tflite": _load_litert, ".onnx": _load_onnx}.get(path.suffix, _load_saved_model)
    try:
        shape, dtype, run = read(path)
    except Exception as error:  # each runtime has errors of its own
        c.require(False, "path", f"a whole SavedModel, .tflite or .onnx file: {c.shown(str(error))}")

    def answer(images: Any) -> dict[str, Any]:
        given = getattr(images, "shape", ())
        fits = len(shape) == len(given) and all(n in (None, m) for n, m in zip(shape, given, strict=True))
        array = np.asarray(images) if fits else None
        if array is None or array.dtype != dtype:
            allowed = f"an array {shape} of {np.dtype(dtype)}, as {path.name} takes"
            raise ValueError(f"load: images={c.shown(images)}; allowed: {allowed}")
        return run(array)

    return answer


def ops_of(path):
    """The names of the operations in a LiteRT or an ONNX file, sorted; () for a SavedModel.

    A model is refused if some of them aren't the format's own, so that not every runtime has them.
    """
    read = {".tflite": _litert_ops, ".onnx": _onnx_ops}.get(path.suffix)
    own, foreign = read(path) if read else ((), ())
    names = ", ".join(sorted(foreign))
    c.require(not foreign, "model", f"a model of operations that {path.suffix} files have built in, unlike {names}")
    return tuple(sorted(own))


def _litert_ops(path):
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    file = schema.Model.GetRootAs(path.read_bytes(), 0)
    codes = [file.OperatorCodes(i) for i in range(file.OperatorCodesLength())]
    foreign = {code.CustomCode().decode() for code in codes if code.CustomCode()}
    # The format's first 127 operations are in the second field, all later ones in the first.
    return {names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())] for code in codes}, foreign


def _onnx_ops(path):
    import onnx

    own = {node.op_type for node in onnx.load(path).graph.node}
    return own, {name for name in own if not onnx.defs.has(name)}


def _load_saved_model(path):
    import tensorflow as tf

    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    ((name, spec),) = serve.structured_input_signature[1].items()

    def run(images):
        return {key: value.numpy() for key, value in serve(**{name: tf.constant(images)}).items()}

    return tuple(spec.shape), spec.dtype.as_numpy_dtype, run


def _load_litert(path):
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(path)).get_signature_runner()
    ((name, details),) = runner.get_input_details().items()
    shape = tuple(int(n) if n >= 0 else None for n in details["shape_signature"])
    return shape, details["dtype"], lambda images: runner(**{name: images})


def _load_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (tensor,) = session.get_inputs()
    outputs = [output.name for output in session.get_outputs()]
    shape = tuple(n if isinstance(n, int) else None for n in tensor.shape)
    dtype = tensor.type.removeprefix("tensor(").removesuffix(")")  # such as "uint8", or C's name of a float

    def run(images):
        return dict(zip(outputs, session.run(outputs, {tensor.name: images}), strict=True))

    return shape, np.dtype({"float": "float32", "double": "float64"}.get(dtype, dtype)), run
