"""Artifacts on the disk: which operations they hold, and their answers."""

import functools
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from vitgraph import contract as c
from vitgraph.contract.rules import Broken
from vitgraph.export.graphs import is_shaped


@c.public
def load(path: c.Path, *, signature: str = "serving_default") -> Callable[[Any], dict[str, Any]]:
    """An artifact as a function: images (B, H, W, C) of the input's dtype -> {output's name: array}.

    Args:
        path: a SavedModel, or a file that ends in ".tflite", ".onnx" or, of OpenVINO, ".xml".
        signature: which one of a SavedModel, such as "features".

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
    runtimes = {".tflite": "ai_edge_litert", ".onnx": "onnxruntime", ".xml": "openvino"}
    c.installed("load", *(runtime for suffix, runtime in runtimes.items() if suffix == path.suffix))
    c.require(path.is_dir() or signature == "serving_default", "signature", f"the default for the file {path.name}")
    readers = {".tflite": _load_litert, ".onnx": _load_onnx, ".xml": _load_openvino}
    try:
        read = readers.get(path.suffix, functools.partial(_load_saved_model, signature=signature))
        shape, dtype, run = read(path)
    except Broken:
        raise
    except Exception as error:  # each runtime has errors of its own
        c.require(False, "path", f"a whole SavedModel, .tflite, .onnx or .xml file: {c.shown(str(error))}")

    def answer(images: Any) -> dict[str, Any]:
        if not is_shaped(images, shape, dtype):
            allowed = f"an array {shape} of {np.dtype(dtype)}, as {path.name} takes"
            raise ValueError(f"load: images={c.shown(images)}; allowed: {allowed}")
        return run(np.asarray(images))

    return answer


def ops_of(path):
    """The names of the operations in a LiteRT, an ONNX or an OpenVINO file, sorted; () for a SavedModel.

    A model is refused if some of them aren't the format's own, so that not every runtime has them.
    """
    read = {".tflite": _litert_ops, ".onnx": _onnx_ops, ".xml": _openvino_ops}.get(path.suffix)
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


def _openvino_ops(path):
    import openvino

    return {op.get_type_name() for op in openvino.Core().read_model(path).get_ops()}, set()


def _load_saved_model(path, signature):
    import tensorflow as tf

    signatures = tf.saved_model.load(str(path)).signatures
    c.require(signature in signatures, "signature", f"one that {path.name} has: {', '.join(sorted(signatures))}")
    serve = signatures[signature]
    ((name, spec),) = serve.structured_input_signature[1].items()

    def run(images):
        return {key: value.numpy() for key, value in serve(**{name: tf.constant(images)}).items()}

    return tuple(spec.shape), spec.dtype.as_numpy_dtype, run


def _load_litert(path):
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(path)).get_signature_runner()
    ((name, details),) = runner.get_input_details().items()
    outputs = runner.get_output_details()
    shape = tuple(int(n) if n >= 0 else None for n in details["shape_signature"])
    dtype = np.float32 if details["quantization"][0] else details["dtype"]

    def run(images):
        given = runner(**{name: _in_integers(images, details)})
        return {key: _in_floats(value, outputs[key]) for key, value in given.items()}

    return shape, dtype, run


def _in_integers(values, details):
    """Floats as a quantised file takes them: value / scale + zero point; others as they are."""
    scale, zero = details["quantization"]
    if not scale:
        return values
    range_ = np.iinfo(details["dtype"])
    return np.clip(np.round(values / scale) + zero, range_.min, range_.max).astype(details["dtype"])


def _in_floats(values, details):
    """What a quantised file gives, in floats; other values as they are."""
    scale, zero = details["quantization"]
    return (values.astype("float32") - zero) * np.float32(scale) if scale else values


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


def _load_openvino(path):
    import openvino

    core = openvino.Core()
    graph = core.read_model(path)
    precision = (
        graph.get_rt_info(["vitgraph", "precision"]).value if graph.has_rt_info(["vitgraph", "precision"]) else ""
    )
    hint = {"bfloat16": "bf16", "float16": "f16"}.get(precision, "f32")
    run = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": hint})
    (tensor,) = graph.inputs
    names = [output.any_name for output in graph.outputs]
    shape = tuple(n.get_length() if n.is_static else None for n in tensor.partial_shape)
    return shape, tensor.element_type.to_dtype(), lambda images: dict(zip(names, run(images).values(), strict=True))
