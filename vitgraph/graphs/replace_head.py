"""Graph -> graph: the same net for other classes."""

import keras
from keras import layers

from vitgraph import contract as c
from vitgraph.blocks import FitToStride
from vitgraph.graphs.copies import copied, like


@c.public
def replace_head(model: c.Graph, num_classes: c.Count) -> keras.Model:
    """A copy of the net with new heads for other classes, to be fine-tuned.

    Args:
        model: a graph of this package with its top, just built or read back from a file; it is left as it is.

    Returns:
        A `keras.Model` of the same layers under the same names. All weights but those of the heads are the model's; the
        heads begin as a new net's do. A net with several heads (a distillation token's, CrossViT's two) gets as many.

    Example:
        >>> vit = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2, num_classes=1000)
        >>> vitgraph.replace_head(vit, 5).output_shape
        (None, 5)
    """
    heads = heads_of(model)
    c.require(heads, "model", "a graph that ends in class scores, as with include_top=True")

    def layer_of(layer, _):
        return like(layer, units=num_classes) if layer.name in heads else like(layer)

    return copied(model, layer_of, lambda layer, new, value, shape: None if layer.name in heads else value)


def heads_of(model):
    """The names of the linear layers whose outputs are the model's scores, averaged or not."""
    if not keras.backend.is_keras_tensor(model.output):
        return set()
    found, tensors = set(), [model.output]
    while tensors:
        layer = tensors.pop()._keras_history.operation
        if isinstance(layer, layers.Dense):
            found.add(layer.name)
        elif isinstance(layer, (layers.Activation, layers.Average)):  # Keras' own: what a top ends in
            tensors += keras.tree.flatten(layer.input)
        elif isinstance(layer, FitToStride):  # SegFormer's scores and the image whose size they get
            tensors.append(layer.input[0])
        else:
            return set()
    return found
