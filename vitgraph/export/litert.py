"""LiteRT files, in float or quantised, by TensorFlow's converter."""

import contextlib
import tempfile
from typing import Literal

import keras

from vitgraph import contract as c
from vitgraph.blocks.normalization import plain_norms
from vitgraph.export.checking import INT8, Report, file_path, noise, signature_of, tolerance, write_checked
from vitgraph.export.graphs import in_float32, input_shape, modes
from vitgraph.export.representative import ImageSource, representative, trials_of
from vitgraph.export.saved_model import write_frozen

Form = Literal["float32", "float16", "dynamic_int8", "int8", "int16x8"]

_ALLOWED = {
    "float32": None,
    "float16": tolerance({"float16"}),
    "dynamic_int8": tolerance({"int8"}),
    "int8": INT8,
    "int16x8": tolerance({"int8"}),
}
"""By form, how far answers may be from the model's, as a share of the values; None: as its own precision has it."""


@c.public
def to_litert(
    model: c.ImageModel,
    path: c.Path,
    *,
    form: Form = "float32",
    images: ImageSource | None = None,
    int8_io: bool = False,
    batch_size: c.Count | None = None,
    image_size: c.ImageSize | None = None,
) -> Report:
    """Writes a LiteRT file of built-in operations only, so that every LiteRT runtime can run it.

    A model in float16 or bfloat16 is written, and compared, as its float32 twin: LiteRT has no kernels for them. In
    forms with ranges norms are written without the guard that flat parts of an image have in float: it divides by
    numbers that are 0 in int8.

    Args:
        model: a built `keras.Model` with one input (B, H, W, C), not quantised to int8.
        path: the file to write, ending in ".tflite".
        form: "float32"; "float16": weights in it, half the size; "dynamic_int8": weights of products in int8, a
            quarter; "int8": all numbers in int8, with ranges from `images`, for processors and NPUs that compute in it;
            "int16x8": weights in int8, all else in int16, the more exact form. Operations that have no kernel in the
            form stay in float32.
        images: for "int8" and "int16x8" some hundred images such as the model will see: an array (N, H, W, C) as the
            model takes it, a `tf.data.Dataset` of such batches or, for a model that takes uint8 pixels, a folder.
        int8_io: with "int8", input and output are int8 as well, each with a scale that the file says; `load` takes and
            gives floats. Else they are as the model's.
        batch_size: fixes the batch size; None leaves it open. With 1, and a known image size, every shape is known in
            advance, which delegates (GPU, NPU) need.

    Returns:
        A `Report`.

    Raises:
        ValueError, TypeError: as `to_saved_model`; a model that needs operations that aren't built in, which are named.
            Answers may differ from the model's by 3 % of the largest value in "float16", 9 % in "dynamic_int8" and
            "int16x8"; in "int8", on `images`, by a root mean square of 25 % of the values'.
        OSError: the folder of `path` is missing.
        ModuleNotFoundError: what it needs isn't installed; the message says how to install it.

    Example:
        >>> net = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2, num_classes=5)
        >>> "FULLY_CONNECTED" in vitgraph.export.to_litert(net, "net.tflite", batch_size=1).ops
        True
    """
    target = file_path(path, ".tflite")
    c.installed("to_litert", "ai_edge_litert")
    shape = input_shape(model, batch_size, image_size)
    allowed = "the model before it was quantised, or int4: LiteRT has no operations for Keras' int8 products"
    c.require("int8" not in modes(model), "model", allowed)
    has_ranges = form in ("int8", "int16x8")
    c.require((images is not None) == has_ranges, "images", 'given with form="int8" and "int16x8", and only then')
    takes_floats = "float" in model.inputs[0].dtype
    c.require(
        not int8_io or (form == "int8" and takes_floats), "int8_io", 'False, but with form="int8" and float input'
    )
    model = in_float32(model)
    samples = representative(model, images, shape) if has_ranges else []

    def write(place):
        with plain_norms(form == "int8") if has_ranges else contextlib.nullcontext():
            options = _converter_options(form, samples, int8_io)
            if keras.backend.backend() == "tensorflow":
                place.write_bytes(_converted(model, shape, options))
            else:
                signature = signature_of(model, shape)
                model.export(str(place), format="litert", input_signature=signature, verbose=False, **options)

    trials = trials_of(samples, shape) if has_ranges else noise(model, shape)
    return write_checked("to_litert", model, target, write, trials, _ALLOWED[form], typical=form == "int8")


def _converted(model, shape, options):
    """The file's bytes. As `model.export`, but of constants: the converter needs half the time for them."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        write_frozen({"serving_default": model}, shape, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        # What isn't built in is written, too, so that it can be named.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
        for name, value in options.pop("target_spec", {}).items():
            setattr(converter.target_spec, name, value)
        for name, value in options.items():
            setattr(converter, name, value)
        return converter.convert()


def _converter_options(form, samples, int8_io):
    """What the converter is told. What has no kernel in a form stays float."""
    import tensorflow as tf

    if form == "float32":
        return {}
    ops = tf.lite.OpsSet
    options = {"optimizations": [tf.lite.Optimize.DEFAULT]}
    if form == "float16":
        return {**options, "target_spec": {"supported_types": [tf.float16]}}
    if form == "dynamic_int8":
        return options
    if int8_io:
        options |= {"inference_input_type": tf.int8, "inference_output_type": tf.int8}
    kernels = {
        "int8": ops.TFLITE_BUILTINS_INT8,
        "int16x8": ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
    }
    spec = {"supported_ops": [kernels[form], ops.TFLITE_BUILTINS]}
    return {**options, "target_spec": spec, "representative_dataset": lambda: ([batch] for batch in samples)}
