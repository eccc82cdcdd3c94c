"""Graph -> graph: a backbone with SegFormer's decoder, which scores the classes of every pixel."""

import keras
from keras import layers

from vitgraph import contract as c
from vitgraph.blocks import FitToStride, ResizeLike
from vitgraph.blocks.base import pair
from vitgraph.blocks.graph import LevelsModel
from vitgraph.graphs.levels import with_ending
from vitgraph.wiring.layers import activation, batch_norm, dense, dropout


@c.public
def segformer_head(
    model: c.Graph,
    num_classes: c.Count,
    *,
    dim: c.Width = 256,
    full_size: bool = True,
    classifier_activation: c.Activation | None = "softmax",
    drop_rate: c.Rate = 0.1,
) -> keras.Model:
    """The same graph, ending in a score per class and pixel: a whole SegFormer (Xie et al., arXiv:2105.15203).

    Each level goes through a linear layer, is resized to the finest one and put beside the others, the coarsest first;
    a linear layer, a batch norm and ReLU make one map of them all, and a last linear layer the scores.

    Args:
        model: a hierarchical graph of this package, with or without its top, just built or read back from a file. A
            plain net has no levels; `with_levels` makes them. All its levels are read, usually four.
        num_classes: number of classes, with the background if it is one.
        dim: width of the decoder; the paper has 256 for MiT-B0 and B1, 768 for the larger ones.
        full_size: whether the scores are resized to the image's size (bilinear); False leaves them at the size of the
            finest level, where the loss is cheaper and the paper's numbers of operations are counted.
        classifier_activation: Keras activation of the scores, computed in float32 after they are resized; None gives
            logits.
        drop_rate: dropout before the last layer.

    Returns:
        A `keras.Model` with output (B, H, W, num_classes); the backbone's layers and weights are the model's own. The
        new layers' names begin with "decode_"; the last one is "head_pixels". Weights of transformers'
        `SegformerForSemanticSegmentation` go into `segformer_head(build_mit(...), ...)` by `load_weights`.

    Raises:
        ValueError, TypeError: an argument that isn't allowed.

    Example:
        >>> backbone = vitgraph.build_mit((64, 96, 3), include_top=False)
        >>> vitgraph.segformer_head(backbone, 19).output_shape
        (None, 64, 96, 19)
    """
    images = len(model.inputs) == 1 and len(model.inputs[0].shape) == 4
    c.require(images, "model", "a graph of one input, images (B, H, W, C)")
    taken = [layer.name for layer in model.layers if layer.name.startswith(("decode_", "head_pixels"))]
    c.require(not taken, "model", f"a graph without layers named as the new ones are, such as {taken[:1]}")
    maps = _finest_first(model)
    c.require(maps, "model", 'a graph with maps: with_levels(model, ("P2", "P3", "P4", "P5")) makes them')

    finest, parts = maps[0], []
    for i, x in enumerate(maps, start=1):
        x = dense(x, dim, f"decode_proj_{i}")
        parts.append(x if i == 1 else ResizeLike(name=f"decode_resize_{i}")(x, finest))
    x = layers.Concatenate(name="decode_levels")(parts[::-1]) if len(parts) > 1 else parts[0]
    x = batch_norm(dense(x, dim, "decode_fuse", use_bias=False), "decode_norm")
    x = dropout(activation(x, "relu", "decode_act"), drop_rate, "decode_drop")
    x = dense(x, num_classes, "head_pixels")
    if full_size:
        x = FitToStride(1, name="decode_full_size")(x, model.inputs[0])
    x = layers.Activation(classifier_activation or "linear", dtype="float32", name="predictions_pixels")(x)
    return with_ending(model, x, f"{model.name}_segformer")


def _finest_first(model):
    """The maps of the model's levels."""
    levels = LevelsModel(model.inputs, model.output)
    strides = {level: pair(levels.get_layer(name).stride) for level, name in levels.pyramid_level_inputs.items()}
    return [levels.pyramid_outputs[level] for level in sorted(strides, key=lambda level: strides[level])]
