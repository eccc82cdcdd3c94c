"""Graph -> graph: the attention of a model that is there already."""

from vitgraph.blocks import AttentionMap, AttentionRollout, GraphModel
from vitgraph.blocks.attention.core import AttentionCore
from vitgraph.graphs.levels import _input, _stages


def attention(model, *, predictions=False):
    """The same graph, ending in the probabilities of every attention layer.

    Args:
        model: a graph of this package, with or without its top, just built or read back from a file.
        predictions: give the model's own output beside them, of the same call.

    Returns:
        A `keras.Model` whose output is {attention layer: (B, heads, N, M)} in float32: what is multiplied with the
        values. Each row sums to 1, except where heads are mixed after the softmax. With windows the batch axis holds
        all windows of all samples. With `predictions` it is {"predictions": ..., "attention": {...}}.

    Raises:
        ValueError: the model has no softmax attention.
    """
    maps = _attention_maps("attention", model)
    outputs = {"predictions": model.output, "attention": maps} if predictions else maps
    return GraphModel(_input(model), outputs, name=model.name)


def attention_rollout(model):
    """The same graph, ending in how much of each token's input is in each token's output, over all blocks.

    Attention roll-out (Abnar & Zuidema, arXiv:2005.00928): the mean over heads, half of it the token itself for the
    residual connection, multiplied through the blocks.

    Args:
        model: a plain net of this package, with or without its top, whose tokens stay the same from block to block.

    Returns:
        A `keras.Model` whose output is (B, N, N) in float32, rows of sum 1; row 0 is the class token's, where there is
        one, and the last H W columns are the patches.

    Raises:
        ValueError: a net with windows, stages or class attention: there tokens of different blocks are not the same.
    """
    maps = list(_attention_maps("attention_rollout", model).values())
    plain = all(len(stage.output.shape) == 3 for stage in _stages(model))
    tokens = _stages(model)[0].output.shape[1]
    if not plain or any(matrix.shape[2:] != (tokens, tokens) for matrix in maps):
        kind = "a plain net, each of whose blocks attends from all tokens to all"
        raise ValueError(f"attention_rollout: model {model.name!r}; allowed: {kind}")
    return GraphModel(_input(model), AttentionRollout(dtype="float32", name="rollout")(maps), name=model.name)


def _attention_maps(caller, model):
    """{attention layer: its probabilities}."""
    cores = [layer for layer in model.layers if isinstance(layer, AttentionCore)]
    if not cores:
        raise ValueError(f"{caller}: model {model.name!r} has no attention layers")
    maps = {}
    for core in cores:
        inputs = core.input if isinstance(core.input, list) else [core.input]
        maps[core.name] = AttentionMap(core, dtype="float32", name=f"{core.name}_map")(inputs)
    return maps
