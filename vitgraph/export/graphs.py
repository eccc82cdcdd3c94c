"""Graph -> graph, on the way to an artifact."""

import keras
import numpy as np
from keras import layers

from vitgraph import contract as c
from vitgraph.blocks.base import pair
from vitgraph.blocks.graph import layers_within
from vitgraph.images.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing

_LARGEST_INPUT = 2**26  # numbers: what an export is tried with has to fit into memory


@c.public
def with_preprocessing(
    model: c.ImageModel,
    mean: c.Mean | None = None,
    std: c.Deviation | None = None,
    *,
    preprocessing: Preprocessing | None = None,
) -> keras.Model:
    """The same graph behind the normalisation of raw pixels: uint8 (B, H, W, C) -> the model's answer.

    (pixels / 255 - mean) / std is a stock `Rescaling` layer in float32, so the model trains, saves and reloads as
    before. Images must have the model's size: of a `Preprocessing`, resize and crop aren't part of the graph.

    Args:
        model: a Functional `keras.Model` with one floating-point input (B, H, W, C).
        mean: mean per channel of pixels from 0 to 1, or one number for all channels; None: as `preprocessing` says.
            Many ViT checkpoints want 0.5.
        std: standard deviation per channel of pixels from 0 to 1, or one number for all channels; None: likewise.
        preprocessing: mean, deviation and order of the channels; None: what the model knows of itself
            (`model.about`), else ImageNet's.

    Returns:
        A new model with its own copy of the weights.

    Example:
        >>> net = vitgraph.build_pvt_v2((64, 64, 3), num_classes=5)
        >>> raw = vitgraph.export.with_preprocessing(net, mean=0.5, std=0.5)
        >>> raw.predict(numpy.zeros((1, 64, 64, 3), "uint8"), verbose=0).shape
        (1, 5)
    """
    c.require(not isinstance(model, keras.Sequential), "model", "a Functional keras.Model")
    (tensor,) = model.inputs
    c.require("float" in tensor.dtype, "model", f"a model that takes floats, not {tensor.dtype}")
    channels = tensor.shape[-1]
    known = getattr(model, "about", {}).get("preprocessing")
    wanted = preprocessing or (Preprocessing(**known) if known else None)
    mean = mean if mean is not None else wanted.mean if wanted else IMAGENET_MEAN
    std = std if std is not None else wanted.std if wanted else IMAGENET_STD
    for argument, values in (("mean", mean), ("std", std)):
        c.require(np.shape(values) in ((), (channels,)), argument, f"one number, or {channels}, one per channel")
    means, stds = np.broadcast_to(mean, channels), np.broadcast_to(std, channels)
    pixels = keras.Input(batch_shape=tensor.shape, dtype="uint8", name="pixels")
    rescale = layers.Rescaling((1 / (255 * stds)).tolist(), (-means / stds).tolist(), dtype="float32", name="normalize")
    is_reversed = wanted is not None and wanted.channel_order == "BGR"
    images = rescale(keras.ops.flip(pixels, axis=-1) if is_reversed else pixels)

    def call(layer, *args, **kwargs):
        args, kwargs = keras.tree.map_structure(lambda x: images if x is pixels else x, (args, kwargs))
        return layer(*args, **kwargs)

    entry = keras.tree.pack_sequence_as(model.input, [pixels])
    return copied(model, input_tensors=entry, call_function=call)


def input_shape(model, batch_size, image_size):
    """The shape (B, H, W, C) of the model's one input, with the sizes that are to be fixed."""
    (tensor,) = model.inputs
    *own, channels = tensor.shape
    where = f"None, or the model's own size where its input {tuple(tensor.shape)} has one"
    sides = (None, None) if image_size is None else pair(image_size)
    c.require(batch_size is None or own[0] in (None, batch_size), "batch_size", where)
    c.require(all(n is None or m in (None, n) for n, m in zip(sides, own[1:], strict=True)), "image_size", where)
    shape = (*(n or m for n, m in zip((batch_size, *sides), own, strict=True)), channels)
    numbers = np.prod([n or 1 for n in shape], dtype="int64")
    c.require(numbers <= _LARGEST_INPUT, "batch_size", f"an input of at most {_LARGEST_INPUT} numbers, not {numbers}")
    c.require(image_size is None or _takes(model, shape, tensor.dtype), "image_size", "a size that the model can take")
    return shape


def _takes(model, shape, dtype):
    """Whether the model has an answer for images of this shape."""
    try:
        model.compute_output_spec(keras.KerasTensor(shape, dtype))
    except Exception:  # whatever a layer says of a map that is too small for it
        return False
    return True


def modes(model):
    """The dtypes that its layers compute in, such as "bfloat16", and the modes that they are quantised in."""
    return {mode for layer in layers_within(model) for mode in (layer.compute_dtype, layer.quantization_mode)}


def in_float32(model):
    """The model itself if it computes in float32, else a copy that does."""
    if not modes(model) & {"float16", "bfloat16"}:
        return model
    return copied(model, lambda layer: type(layer).from_config({**layer.get_config(), "dtype": "float32"}))


def outputs_of(model):
    """The model's output tensors, in their structure; Keras has no `output` of a `Sequential` model."""
    return model.outputs[0] if isinstance(model, keras.Sequential) else model.output


def is_shaped(images, shape, dtype):
    """Whether they are an array of this shape, whose open sizes are None, and of this dtype."""
    given = getattr(images, "shape", ())
    fits = len(shape) == len(given) and all(n in (None, m) for n, m in zip(shape, given, strict=True))
    return fits and np.asarray(images).dtype == dtype


def copied(model, clone_function=None, **kwargs):
    """A new model with its own weights of the same values, and the same names."""
    copy = keras.models.clone_model(model, clone_function=clone_function, recursive=True, **kwargs)
    for layer in copy.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return copy
