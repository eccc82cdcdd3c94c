"""ONNX files, by Keras' exporter on tf2onnx."""

import functools

from vitgraph import contract as c
from vitgraph.export.checking import Report, file_path, noise, signature_of, write_checked
from vitgraph.export.graphs import in_float32, input_shape


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
    target = file_path(path, ".onnx")
    c.installed("to_onnx", "onnx", "onnxruntime", "tf2onnx")
    shape = input_shape(model, batch_size, image_size)
    model = in_float32(model)

    def write(place):
        _know_erfc()
        model.export(str(place), format="onnx", input_signature=signature_of(model, shape), verbose=False)

    return write_checked("to_onnx", model, target, write, noise(model, shape))


@functools.cache
def _know_erfc():
    """Lets tf2onnx write `Erfc`, of TensorFlow's own exact GELU, as 1 - `Erf`: ONNX has no other."""
    from tf2onnx.handler import tf_op

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, ctx, node, **kwargs):
            dtype, shape = ctx.get_dtype(node.output[0]), ctx.get_shape(node.output[0])
            one = ctx.make_const(f"{node.name}_one", _one(ctx, node.output[0])).output[0]
            erf = ctx.make_node("Erf", [node.input[0]], shapes=[shape], dtypes=[dtype]).output[0]
            ctx.remove_node(node.name)
            ctx.make_node("Sub", [one, erf], name=node.name, outputs=node.output, shapes=[shape], dtypes=[dtype])


def _one(ctx, output):
    """1 in the dtype of an output."""
    import numpy as np
    from tf2onnx.utils import map_onnx_to_numpy_type

    return np.ones((), map_onnx_to_numpy_type(ctx.get_dtype(output)))
