"""OpenVINO's files, by Keras' exporter: Intel's runtime, the fastest one for these graphs on many processors."""

import contextlib
import dataclasses
import io
import logging
import shutil
from typing import Literal

from vitgraph import contract as c
from vitgraph.blocks.normalization import plain_norms
from vitgraph.export.checking import (
    INT8,
    Report,
    file_path,
    named,
    noise,
    require_folder,
    signature_of,
    size_of,
    tolerance,
    write_checked,
)
from vitgraph.export.graphs import in_float32, input_shape, outputs_of
from vitgraph.export.representative import ImageSource, representative, trials_of
from vitgraph.scratch import written


@c.public
def to_openvino(
    model: c.ImageModel,
    path: c.Path,
    *,
    precision: Literal["float32", "float16", "bfloat16", "int8"] = "float32",
    images: ImageSource | None = None,
    batch_size: c.Count | None = None,
    image_size: c.ImageSize | None = None,
) -> Report:
    """Writes a model for Intel's OpenVINO: a file .xml with the graph, and beside it one .bin with the weights.

    A model in float16 or bfloat16 is written, and compared, as its float32 twin.

    Args:
        model: a built `keras.Model` with one input (B, H, W, C), not quantised.
        path: the file to write, ending in ".xml".
        precision: "float32"; "float16": weights are stored in it, half the size; "bfloat16": `load` computes in it
            where the processor can, and other programs do with the hint INFERENCE_PRECISION_HINT; "int8": quantised
            by NNCF: products in int8, what is between them in float32.
        images: for "int8" some hundred images such as the model will see, from which ranges are taken: an array
            (N, H, W, C) as the model takes it, a `tf.data.Dataset` of such batches or, for a model that takes uint8
            pixels, a folder.

    Returns:
        A `Report`.

    Raises:
        ValueError, TypeError: as `to_saved_model`; in "int8" answers may differ, on
            `images`, by a root mean square of 25 % of the values'.
        OSError: the folder of `path` is missing.
        ModuleNotFoundError: what it needs isn't installed; the message says how to install it.

    Example:
        >>> net = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2, num_classes=5)
        >>> vitgraph.export.to_openvino(net, "net.xml").difference < 1e-4
        True
    """
    target = file_path(path, ".xml")
    c.installed("to_openvino", "openvino", *(["nncf"] if precision == "int8" else []))
    shape = input_shape(model, batch_size, image_size)
    c.require((images is not None) == (precision == "int8"), "images", 'given with precision="int8", and only then')
    require_folder("to_openvino", target)
    model = in_float32(model)
    samples = None if images is None else representative(model, images, shape)
    allowed = INT8 if precision == "int8" else tolerance({precision})

    def write(place):
        import openvino

        graph = _graph(model, shape, place.with_name("plain.xml"), precision == "int8")
        if samples is not None:
            graph = _quantized(graph, samples)
        graph.set_rt_info(precision, ["vitgraph", "precision"])
        openvino.save_model(graph, place, compress_to_fp16=precision == "float16")
        shutil.copyfile(place.with_suffix(".bin"), weights)

    with written(target.with_suffix(".bin")) as weights:
        trials = noise(model, shape) if samples is None else trials_of(samples, shape)
        report = write_checked("to_openvino", model, target, write, trials, allowed, typical=precision == "int8")
        return dataclasses.replace(report, size=report.size + size_of(weights))


def _graph(model, shape, place, in_int8):
    """OpenVINO's graph of the model.

    Keras' exporter writes it with an open batch size, which is fixed afterwards: of many nets that are traced with a
    fixed one, OpenVINO's reader infers wrong shapes ("Argument shapes are inconsistent").
    """
    import openvino

    signature = signature_of(model, (None, *shape[1:]))
    with plain_norms() if in_int8 else contextlib.nullcontext():
        model.export(str(place), format="openvino", input_signature=signature, verbose=False)
    graph = openvino.Core().read_model(place)
    graph.reshape([-1 if n is None else n for n in shape])
    # What nothing reads has become an output, too. The model's own ones have the names that TensorFlow gives them.
    own: dict[str, str] = {}
    for i, name in enumerate(named(outputs_of(model))):
        own |= {f"Identity_{i}:0" if i else "Identity:0": name, name: name}
    for result, output in zip(graph.get_results(), graph.outputs, strict=True):
        name = next((own[given] for given in output.names if given in own), None)
        if name is None:
            graph.remove_result(result)
        else:
            output.tensor.set_names({name})
    return graph


def _quantized(graph, samples):
    """The graph in int8, with weights of 7 bits: sums of products of 8 overflow on processors without VNNI.

    NNCF's correction of biases is left out: with it a small ViT classifies 94.1 % of held-out digits as before, without
    it 98.6 %.
    """
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

    nncf.set_log_level(logging.ERROR)
    advanced = AdvancedQuantizationParameters(overflow_fix=OverflowFix.ENABLE, disable_bias_correction=True)
    options = {"subset_size": len(samples), "model_type": nncf.ModelType.TRANSFORMER, "advanced_parameters": advanced}
    with contextlib.redirect_stdout(io.StringIO()):  # bars of progress
        return nncf.quantize(graph, nncf.Dataset(samples), **options)
