"""What is trained: a published variant that is to be built, or a graph that is there."""

import hashlib
import inspect

import keras

from vitgraph.blocks.base import is_static, pair
from vitgraph.checkpoints.files import save_weights
from vitgraph.old.contract import is_sides
from vitgraph.create import create
from vitgraph.registry import variant

RATES = ("drop_rate", "drop_path_rate")
"""Arguments of builders that a recipe has numbers for."""


def find_net(caller, model, recipe, overrides, *, input_size, channels, weights, arguments):
    """A `Variant` or a `Graph`.

    Args:
        caller: who asks, for errors.
        model: one of `list_models()`, or a graph of this package.
        recipe: the `Recipe` whose drop rates a variant is built with, where its builder has them.
        overrides: what the recipe was told otherwise: that must be of use.
        input_size: a side or (height, width); None: the variant's, or the graph's.
        channels: of the images; a graph says itself.
        weights: as `create` takes them; None: random ones, or a graph's own.
        arguments: further ones of the variant's builder.

    Raises:
        ValueError: an unknown variant; an argument that has no meaning here.
    """
    if input_size is not None:
        if not is_sides(input_size):
            raise ValueError(f"{caller}: input_size={input_size!r}; allowed: a positive integer, or (height, width)")
        input_size = pair(input_size)
    if not isinstance(model, keras.Model):
        return Variant(caller, model, recipe, overrides, input_size, channels, weights, arguments)
    rates = {name: overrides[name] for name in RATES if name in overrides}
    for name, value in {"weights": weights, "model_arguments": arguments, **rates}.items():
        if value:
            raise ValueError(f"{caller}: {name}={value!r} goes with a variant's name; a graph is taken as it is")
    return Graph(caller, model, input_size)


class Variant:
    """A published variant, with the arguments that its builder gets."""

    def __init__(self, caller, name, recipe, overrides, input_size, channels, weights, arguments):
        build, row = variant(name)
        parameters = inspect.signature(build).parameters
        shape = row.get("input_shape", parameters["input_shape"].default)
        self.name, self.weights, self.channels, self.notes = name, weights, channels, []
        self.size = input_size or tuple(shape[:2])
        self.arguments = {"input_shape": (*self.size, channels), **arguments}
        for rate in RATES:
            value = getattr(recipe, rate)
            if value is not None and rate in parameters:
                self.arguments.setdefault(rate, value)
            elif value and rate in overrides:
                raise ValueError(f"{caller}: {rate}={value!r}; {build.__name__} has no such argument")
            elif value:
                self.notes.append(f"{build.__name__} has no {rate}: the recipe's {value} is left out")

    def describe(self, **options):
        """What decides what is built; `options` are arguments of the builder, too."""
        weights = None if self.weights is None else str(self.weights)
        return {"model": self.name, "model_arguments": {**self.arguments, **options}, "weights": weights}

    def build(self, *, load, **options):
        """The graph; with `load`, with the weights that training begins with."""
        weights = self.weights if load else None
        return create(self.name, weights, skip_head=weights is not None, **{**self.arguments, **options})

    def save_encoder(self, graph, path):
        """Writes the weights of a graph without top as `create` takes them, with `skip_head`, for one with it.

        What stands between the two, such as a norm after pooling, goes in as it begins.
        """
        whole = create(self.name, **{**self.arguments, "include_top": True, "pooling": None})
        values = {variable.path: variable for variable in graph.weights}
        for variable in whole.weights:
            if variable.path in values:
                variable.assign(values[variable.path])
        save_weights(whole, path, skip_head=True)


class Graph:
    """A graph that is there, with the weights that it has."""

    notes = ()
    weights = None

    def __init__(self, caller, graph, input_size):
        height, width, self.channels = graph.input_shape[1:]
        self.graph, self.name, self.size = graph, graph.name, input_size or (height, width)
        if not is_static(*self.size):
            raise ValueError(f"{caller}: {graph.name!r} takes images of any size; say which: input_size")

    def describe(self, **_):
        return {"model": self.name, "graph": hashlib.sha256(self.graph.to_json().encode()).hexdigest()}

    def build(self, **_):
        return self.graph

    def save_encoder(self, graph, path):
        save_weights(graph, path, skip_head=True)


def classifier(caller, graph, num_classes):
    """The same graph, ending in its logits in float32, whatever it computes in; layers and weights are shared.

    Raises:
        ValueError: a graph without a top, with one that gives no probabilities, or with another number of classes.
    """
    top = next((layer for layer in graph.layers if layer.name == "predictions"), None)
    if top is None or top.output is not graph.output:
        raise ValueError(f"{caller}: model {graph.name!r} has no top; allowed: a graph with include_top=True")
    if top.activation not in (keras.activations.linear, keras.activations.softmax):
        name = getattr(top.activation, "__name__", top.activation)
        raise ValueError(f"{caller}: classifier_activation={name!r} of {graph.name!r}; allowed: 'softmax', None")
    if top.output.shape[-1] != num_classes:
        scores = f"gives {top.output.shape[-1]} scores"
        raise ValueError(f"{caller}: {graph.name!r} {scores}, the images have {num_classes} classes")
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(top.input)
    return keras.Model(graph.input, logits, name=graph.name)
