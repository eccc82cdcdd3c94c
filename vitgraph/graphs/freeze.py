"""Layers of a graph that training leaves alone."""

import keras

from vitgraph import contract as c
from vitgraph.graphs.truncate import stage_named


@c.public
def freeze(model: c.Graph, until: str) -> keras.Model:
    """Freezes all layers up to the end of a stage: their weights, and the statistics of their batch norms.

    A layer is frozen by itself, so that it stays so wherever it is called: in another model, and when it is read back
    from a file. Frozen batch norms use their moving statistics in training too. Dropout goes on. The function changes
    the model that it is given; compile it afterwards. `model.trainable = True` makes all layers trainable again.

    Args:
        model: a graph of this package, with or without its top, just built or read back from a file.
        until: the last stage that is frozen, such as "stage_2"; a plain net's block, such as "block_5"; or a pyramid
            level, such as "P4".

    Returns:
        The model itself.

    Example:
        >>> net = vitgraph.freeze(vitgraph.build_pvt_v2((32, 32, 3)), until="stage_3")
        >>> net.get_layer("stage_3_norm").trainable, net.get_layer("stage_4_embed").trainable
        (False, True)
    """
    for layer in _before(stage_named(model, until, "until").output):
        layer.trainable = False
    return model


def _before(tensor):
    """All layers that a tensor depends on."""
    found: dict = {}
    tensors = [tensor]
    while tensors:
        layer, node, _ = tensors.pop()._keras_history
        if (layer, node) not in found and isinstance(layer, keras.layers.Layer):
            found[layer, node] = layer
            tensors += layer._inbound_nodes[node].input_tensors
    return list(found.values())
