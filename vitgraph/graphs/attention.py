"""Graph -> graph: the attention of a model that is there already."""

import keras

from vitgraph import contract as c
from vitgraph.blocks import AttentionMap, AttentionRollout
from vitgraph.blocks.attention.core import AttentionCore
from vitgraph.graphs.levels import stages_of, with_ending


@c.public
def attention(model: c.Graph, *, predictions: bool = False) -> keras.Model:
    """The same graph, ending in the probabilities of every attention layer.

    Args:
        model: a graph of this package with softmax attention, with or without its top, just built or read back from a
            file.
        predictions: also return the model's own output, from the same call.

    Returns:
        A `keras.Model` whose output is {attention layer: (B, heads, N, M)} in float32: what is multiplied with the
        values. Each row sums to 1, except where heads are mixed after the softmax. With windows the batch axis holds
        all windows of all samples. With `predictions` the output is {"predictions": ..., "attention": {...}}.

    Example:
        >>> vit = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2)
        >>> vitgraph.attention(vit).output["block_0_attn"].shape  # 4 patches and a class token
        (None, 2, 5, 5)
    """
    maps = attention_maps(model)
    outputs = {"predictions": model.output, "attention": maps} if predictions else maps
    return with_ending(model, outputs)


@c.public
def attention_rollout(model: c.Graph) -> keras.Model:
    """The same graph, ending in how much of each token's input is in each token's output, over all blocks.

    Attention rollout (Abnar & Zuidema, arXiv:2005.00928): the mean over heads, half of it the token itself for the
    residual connection, multiplied through the blocks.

    Args:
        model: a plain net of this package, with or without its top, whose tokens stay the same from block to block:
            without windows, stages or class attention.

    Returns:
        A `keras.Model` whose output is (B, N, N) in float32. Each row sums to 1; row 0 is the class token's, where
        there is one, and the last H * W columns are the patches.

    Example:
        >>> vit = vitgraph.build_vit((32, 32, 3), dim=16, depth=2, num_heads=2)
        >>> vitgraph.attention_rollout(vit).output_shape
        (None, 5, 5)
    """
    return with_ending(model, rollout(model))


def rollout(model):
    """The tensor in which `attention_rollout` ends."""
    stages, maps = stages_of(model), list(attention_maps(model).values())
    plain = all(len(stage.output.shape) == 3 for stage in stages)
    same = plain and _are_of_the_same_tokens(model, [stages[0].output, *maps])
    c.require(same, "model", "a plain net, each of whose blocks attends from all tokens to all")
    return AttentionRollout(dtype="float32", name="rollout")(maps)


def _are_of_the_same_tokens(model, tensors):
    """Whether maps (B, heads, N, N) are of the tokens (B, N, C), the first; an open graph is asked at one size."""
    shapes = [tensor.shape for tensor in tensors]
    if None in model.inputs[0].shape[1:]:
        image = keras.KerasTensor((1, 256, 320, model.inputs[0].shape[-1]), model.inputs[0].dtype)
        shapes = [spec.shape for spec in keras.Model(model.inputs, tensors).compute_output_spec([image])]
    (_, tokens, _), *maps = shapes
    return all(shape[2:] == (tokens, tokens) for shape in maps)


def attention_maps(model):
    """{attention layer: the tensor of its probabilities}."""
    cores = [layer for layer in model.layers if isinstance(layer, AttentionCore)]
    c.require(cores, "model", "a graph with softmax attention")
    there = {layer.name: layer.output for layer in model.layers if isinstance(layer, AttentionMap)}
    maps = {}
    for core in cores:
        name = f"{core.name}_map"
        inputs = core.input if isinstance(core.input, list) else [core.input]
        maps[core.name] = there[name] if name in there else AttentionMap(core, dtype="float32", name=name)(inputs)
    return maps
