"""Artifacts as they lie on the disk: what operations they hold, and their answers."""

import pathlib


def load(path):
    """An artifact as a function: images (B, H, W, C) of the input's dtype -> {output's name: array}.

    Raises:
        OSError: there is nothing at `path`.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(f"load: there is no {path}")
    return {".tflite": _load_litert, ".onnx": _load_onnx}.get(path.suffix, _load_saved_model)(path)


def ops_of(path):
    """The names of the operations in a LiteRT or an ONNX file, sorted; of a SavedModel: ().

    Raises:
        ValueError: some of them are not the format's own, so that not every runtime has them.
    """
    read = {".tflite": _litert_ops, ".onnx": _onnx_ops}.get(path.suffix)
    own, foreign = read(path) if read else ((), ())
    if foreign:
        names = ", ".join(sorted(foreign))
        raise ValueError(f"{path.name}: needs operations that are not built into its format: {names}; it is not kept")
    return tuple(sorted(own))


def _litert_ops(path):
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    file = schema.Model.GetRootAs(path.read_bytes(), 0)
    codes = [file.OperatorCodes(i) for i in range(file.OperatorCodesLength())]
    foreign = {code.CustomCode().decode() for code in codes if code.CustomCode()}
    # Operations of old are in the second field, those numbered above 126 in the first.
    return {names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())] for code in codes}, foreign


def _onnx_ops(path):
    import onnx

    own = {node.op_type for node in onnx.load(path).graph.node}
    return own, {name for name in own if not onnx.defs.has(name)}


def _load_saved_model(path):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))

    def answer(images):
        serve = loaded.signatures["serving_default"]
        (name,) = serve.structured_input_signature[1]
        return {key: value.numpy() for key, value in serve(**{name: tf.constant(images)}).items()}

    return answer


def _load_litert(path):
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(path)).get_signature_runner()
    ((name, details),) = runner.get_input_details().items()

    def answer(images):
        shape = tuple(int(n) if n >= 0 else None for n in details["shape_signature"])
        if len(shape) != images.ndim or any(n not in (None, m) for n, m in zip(shape, images.shape, strict=True)):
            raise ValueError(f"load: {path.name} takes {shape}; given: {images.shape}")
        return runner(**{name: images})

    return answer


def _load_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]

    def answer(images):
        return dict(zip(outputs, session.run(outputs, {session.get_inputs()[0].name: images}), strict=True))

    return answer
