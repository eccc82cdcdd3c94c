"""What is trained: a published variant that is to be built, or a graph that exists."""

import hashlib
import inspect
import json
from typing import Annotated, Any

import keras

from vitgraph import contract as c
from vitgraph.blocks.base import is_static, pair
from vitgraph.checkpoints.files import save_weights
from vitgraph.contract.fitting import fit
from vitgraph.create import create
from vitgraph.registry import Variant as VariantName
from vitgraph.registry import variant

RATES = ("drop_rate", "drop_path_rate")
"""Arguments of builders that a recipe has numbers for."""

CHOSEN = ("input_shape", "input_tensor", "include_top", "num_classes")
"""Arguments of builders that training chooses itself."""


def _net(value: Any) -> Any:
    return fit(value, VariantName) if isinstance(value, str) else fit(fit(value, c.Graph), c.ImageModel)


Net = Annotated[str | keras.Model, c.Conversion("one of vitgraph.list_models(), or a graph of this package", _net)]


def find_net(
    model: Any,
    recipe: Any,
    overrides: dict[str, Any],
    *,
    input_size: Any,
    channels: int,
    weights: Any,
    dtype: keras.DTypePolicy | None,
    arguments: Any,
) -> Any:
    """A `Variant` or a `Graph`.

    Args:
        model: one of `list_models()`, or a graph.
        recipe: the `Recipe` whose drop rates a variant is built with.
        overrides: numbers of the recipe that were given explicitly; drop rates can't be, for a graph.
        input_size: side or (height, width); None: the variant's, or the graph's.
        channels: channels of the images; a graph has its own.
        weights: as `create` takes them; None: random ones, or the graph's own.
        dtype: dtype policy of a variant's layers.
        arguments: further arguments of the variant's builder.
    """
    input_size = None if input_size is None else pair(input_size)
    arguments = {**(arguments or {}), **({} if dtype is None else {"dtype": dtype.name})}
    if not isinstance(model, keras.Model):
        return Variant(model, recipe, input_size, channels, weights, arguments)
    rates = {name: overrides[name] for name in RATES if name in overrides}
    for name, value in {"weights": weights, "model_arguments": arguments, **rates}.items():
        c.require(not value, name, "none with a graph, which is taken as it is", value=value)
    return Graph(model, input_size)


class Variant:
    """A published variant, with the arguments that its builder gets."""

    def __init__(self, name, recipe, input_size, channels, weights, arguments):
        build, row = variant(name)
        parameters = inspect.signature(build).parameters
        own = [parameter for parameter in parameters if parameter not in CHOSEN]
        for key in arguments:
            allowed = f"arguments of {build.__name__}, not {key!r}{c.nearest(str(key), own)}: {', '.join(own)}"
            c.require(key in own, "model_arguments", allowed)
        shape = row.get("input_shape", parameters["input_shape"].default)
        self.name, self.weights, self.channels = name, weights, channels
        self.size = input_size or tuple(shape[:2])
        self.arguments = {"input_shape": (*self.size, channels), **arguments}
        for rate in RATES:
            if getattr(recipe, rate) is not None:
                self.arguments.setdefault(rate, getattr(recipe, rate))

    def describe(self, **options):
        """What decides what is built, as plain values; `options` are further arguments of the builder."""
        weights = None if self.weights is None else str(self.weights)
        return {"model": self.name, "model_arguments": {**self.arguments, **options}, "weights": weights}

    def build(self, *, load, **options):
        """The graph; with `load=True` it has the weights that training begins with."""
        weights = self.weights if load else None
        return create(self.name, weights, skip_head=weights is not None, **{**self.arguments, **options})

    def save_encoder(self, graph, path):
        """Writes the weights of a graph without top so that `create` with `skip_head=True` can read them.

        Layers that only a graph with its top has, such as a norm after pooling, have their initial weights.
        """
        whole = create(self.name, **{**self.arguments, "include_top": True, "pooling": None})
        values = {variable.path: variable for variable in graph.weights}
        for variable in whole.weights:
            if variable.path in values:
                variable.assign(values[variable.path])
        save_weights(whole, path, skip_head=True)


class Graph:
    """A graph that exists, with the weights that it has."""

    weights = None

    def __init__(self, graph, input_size):
        *own, self.channels = graph.input_shape[1:]
        self.graph, self.name, self.size = graph, graph.name, input_size or tuple(own)
        c.require(is_static(*self.size), "input_size", f"a size, as {graph.name!r} takes images of any size")
        fits = all(n in (None, m) for n, m in zip(own, self.size, strict=True))
        c.require(fits, "input_size", f"{tuple(own)}, the size that {graph.name!r} takes")

    def describe(self, **_):
        config = json.loads(self.graph.to_json())
        config["config"].pop("about", None)  # which training itself adds to
        return {"model": self.name, "graph": hashlib.sha256(json.dumps(config).encode()).hexdigest()}

    def build(self, **_):
        return self.graph

    def save_encoder(self, graph, path):
        save_weights(graph, path, skip_head=True)


def classifier(graph, num_classes):
    """The same graph, ending in float32 logits, whatever it computes in; layers and weights are shared."""
    top: Any = next((layer for layer in graph.layers if layer.name == "predictions"), None)
    has_top = isinstance(top, keras.layers.Activation) and top.output is graph.output
    c.require(has_top, "model", f"a graph with include_top=True, which {graph.name!r} isn't", value=graph.name)
    is_known = top.activation in (keras.activations.linear, keras.activations.softmax)
    name = getattr(top.activation, "__name__", top.activation)
    c.require(
        is_known, "model", f'a graph with classifier_activation "softmax" or None, not {name!r}', value=graph.name
    )
    scores = top.output.shape[-1]
    allowed = f"a graph with {num_classes} scores, one per class of the images, not {scores}"
    c.require(scores == num_classes, "model", allowed, value=graph.name)
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(top.input)
    return keras.Model(graph.input, logits, name=graph.name)
