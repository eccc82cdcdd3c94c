"""Graph -> graph: a net without its distillation token."""

import keras

from vitgraph import contract as c
from vitgraph.blocks import GraphModel, PrependTokens
from vitgraph.checkpoints.derived import plain_weights
from vitgraph.graphs.levels import input_of


@c.public
def without_distillation(model: keras.Model) -> keras.Model:
    """The plain net of a distilled one, with its weights: without the distillation token, its position and its head.

    Args:
        model: a model that `distill` returned, or a net that was built with a distillation token, with or without its
            top.

    Returns:
        A `keras.Model` whose class head is the distilled net's. If the student of `distill` has no such token, the
        student itself.

    Example:
        >>> net = vitgraph.build_deit((32, 32, 3), dim=32, depth=1, num_heads=2, distilled=True)
        >>> plain = vitgraph.without_distillation(net)
        >>> net.stages[-1].output.shape, plain.stages[-1].output.shape
        ((None, 6, 32), (None, 5, 32))
    """
    net = getattr(model, "student", model)
    distilled = any(_is_token(layer) for layer in getattr(net, "layers", ()))
    if isinstance(net, GraphModel) and net is not model and not distilled:
        return net
    c.require(distilled, "model", "a net with a distillation token")
    whole = GraphModel(input_of(net), net.output, name=net.name)
    plain = keras.models.clone_model(whole, clone_function=_with_one_token_less, call_function=_past_the_token)
    weights = plain_weights(net)
    for variable in plain.weights:
        variable.assign(weights[variable.path])
    return plain


def _is_token(layer):
    return isinstance(layer, PrependTokens) and layer.name == "dist_token"


def _with_one_token_less(layer):
    """A copy of a layer, which counts one token less before the patches."""
    config = layer.get_config()
    if config.get("prefix"):
        config["prefix"] -= 1
    return type(layer).from_config(config)


def _past_the_token(layer, *args, **kwargs):
    """Calls a layer: the token isn't prepended, and the mean of both tokens or heads is the class token's alone."""
    if _is_token(layer):
        return args[0]
    if layer.name in ("head_mean", "pool_mean"):
        return args[0][0]
    return layer(*args, **kwargs)
