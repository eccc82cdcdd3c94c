"""Copies of a graph that differ in some layers, with weights of their own: what the surgery of this folder shares."""

import keras

from vitgraph.graphs.levels import input_of


def copied(model, layer_of, value_of, image=None):
    """A new model of the same class, layer by layer.

    Args:
        model: a Functional model; it is left as it is.
        layer_of: function (layer, the tensors it is called with) -> the new layer.
        value_of: function (layer, new layer, variable's array, new shape) -> the new variable's array; None: leave the
            new variable as it begins.
        image: the new input tensor of a model with one; None: inputs like the model's.
    """
    originals, made, inputs = {layer.name: layer for layer in model.layers}, {}, None
    if image is not None:
        inputs = keras.tree.pack_sequence_as(input_of(model), [image])

    def call(layer, *args, **kwargs):
        if layer.name not in made:
            tensors = [x for x in keras.tree.flatten((args, kwargs)) if keras.backend.is_keras_tensor(x)]
            made[layer.name] = layer_of(layer, tensors)
        return made[layer.name](*args, **kwargs)

    copy = keras.models.clone_model(model, inputs, clone_function=lambda layer: layer, call_function=call)
    for layer in copy.layers:
        original = originals.get(layer.name)
        for old, new in zip(original.weights if original else (), layer.weights, strict=True):
            value = value_of(original, layer, keras.ops.convert_to_numpy(old), tuple(new.shape))
            if value is not None:
                new.assign(value)
    return copy


def like(layer, **changes):
    """A new layer with the configuration of another, but for `changes`."""
    return type(layer).from_config({**layer.get_config(), **changes})
