"""Graph -> graph, on the way to an artifact."""

import keras
import numpy as np
from keras import layers

from vitgraph.blocks.base import pair

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def with_preprocessing(model, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    """The same graph behind the normalisation of raw pixels: uint8 (B, H, W, C) -> what the model answers.

    (pixels / 255 - mean) / std is a stock `Rescaling` layer in float32, so the model trains, saves and reloads as
    before. Images have the model's size already: resizing is not part of it.

    Args:
        model: a Functional `keras.Model` with one floating-point input (B, H, W, C).
        mean, std: one number a channel, or one for all, for pixels in 0 ... 1. Unless said otherwise ImageNet's; many
            ViT checkpoints want 0.5.

    Returns:
        A new model with its own copy of the weights.

    Raises:
        ValueError: a model that takes integers already; numbers that don't fit its channels, or a `std` not above 0.
    """
    channels = input_shape("with_preprocessing", model)[-1]
    if isinstance(model, keras.Sequential):
        raise ValueError(f"with_preprocessing: {model.name!r} is Sequential; allowed: a Functional keras.Model")
    if "float" not in model.input.dtype:
        raise ValueError(f"with_preprocessing: {model.name!r} takes {model.input.dtype} already; allowed: floats")
    for argument, values in (("mean", mean), ("std", std)):
        if np.shape(values) not in ((), (channels,)) or (argument == "std" and np.min(values) <= 0):
            raise ValueError(f"with_preprocessing: {argument}={values!r}; allowed: {channels} numbers, std above 0")
    mean, std = np.broadcast_to(mean, channels), np.broadcast_to(std, channels)
    pixels = keras.Input(batch_shape=model.input.shape, dtype="uint8", name="pixels")
    rescale = layers.Rescaling((1 / (255 * std)).tolist(), (-mean / std).tolist(), dtype="float32", name="normalize")
    images = rescale(pixels)

    def call(layer, *args, **kwargs):
        args, kwargs = keras.tree.map_structure(lambda x: images if x is pixels else x, (args, kwargs))
        return layer(*args, **kwargs)

    return _copy(model, input_tensors=pixels, call_function=call)


def input_shape(caller, model, batch_size=None, image_size=None):
    """The shape (B, H, W, C) of the model's one input, with the sizes that are to be fixed."""
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise ValueError(f"{caller}: model={model!r}; allowed: a Functional or a built Sequential keras.Model")
    shapes = [tensor.shape for tensor in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        raise ValueError(f"{caller}: {model.name!r} has inputs {shapes}; allowed: one input (B, H, W, C)")
    *own, channels = shapes[0]
    wanted = (batch_size, *((None, None) if image_size is None else pair(image_size)))
    if any(n is not None and (n < 1 or m not in (None, n)) for n, m in zip(wanted, own, strict=True)):
        raise ValueError(
            f"{caller}: batch_size={batch_size!r}, image_size={image_size!r}; allowed: sizes of at least 1, where "
            f"the input {shapes[0]} of {model.name!r} leaves them open"
        )
    return (*(n or m for n, m in zip(wanted, own, strict=True)), channels)


def _layers(model):
    """All layers, those of models within the model too."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


def modes(model):
    """What its layers compute with, such as "float32" and "bfloat16", and how they are quantised, such as "int8"."""
    return {mode for layer in _layers(model) for mode in (layer.compute_dtype, layer.quantization_mode)}


def in_float32(model):
    """The model itself where it computes in float32, else a copy that does."""
    if not modes(model) & {"float16", "bfloat16"}:
        return model
    return _copy(model, lambda layer: type(layer).from_config({**layer.get_config(), "dtype": "float32"}))


def _copy(model, clone_function=None, **kwargs):
    """A new model with its own weights of the same values, and the same names."""
    copy = keras.models.clone_model(model, clone_function=clone_function, recursive=True, **kwargs)
    for layer in copy.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return copy
