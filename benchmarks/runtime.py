"""OpenVINO's runtime on a net of any framework: what "openvino" and "openvino_int8" time."""

import pathlib
import tempfile

import numpy as np

from benchmarks import steps

_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def openvino_step(network, dtype, images, in_int8):
    """A `Step` of inference on OpenVINO: of ours as `to_openvino` writes it, of peers as converters have it.

    Args:
        network: a `keras.Model`, or a `torch.nn.Module`.
        dtype: what OpenVINO is told to compute in, where the processor can.
        images: (B, H, W, C) float32; int8 takes its ranges from them, too.
        in_int8: whether it is quantised.
    """
    import openvino

    if hasattr(network, "count_params"):
        graph, given = _of_keras(network, images, in_int8), images
    else:
        given = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        graph = _of_torch(network, given)
    if in_int8 and not _is_ours(network):
        graph = _quantized(graph, given)
    run = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": _HINTS[dtype]})
    return steps.Step(lambda: run(given), lambda answer: np.asarray(next(iter(answer.values())), "float32"), lambda: ())


def _is_ours(network):
    return type(network).__module__.startswith("vitgraph")


def _of_keras(network, images, in_int8):
    import keras
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "net.xml")
        if _is_ours(network):
            from vitgraph import export

            options = {"precision": "int8", "images": images} if in_int8 else {}
            export.to_openvino(network, path, batch_size=len(images), **options)
        else:
            (tensor,) = network.inputs
            signature = [keras.InputSpec(shape=tensor.shape, dtype="float32", name="images")]
            network.export(str(path), format="openvino", input_signature=signature, verbose=False)
        core = openvino.Core()
        core.set_property({"ENABLE_MMAP": False})  # the folder goes
        graph = core.read_model(path)
    if not _is_ours(network):
        graph.reshape(images.shape)
    return graph


def _of_torch(network, images):
    import openvino
    import torch

    example = torch.from_numpy(images)
    return openvino.convert_model(network.eval(), example_input=example, input=list(images.shape))


def _quantized(graph, images):
    import nncf

    data = nncf.Dataset([images])
    return nncf.quantize(graph, data, subset_size=1, model_type=nncf.ModelType.TRANSFORMER)
