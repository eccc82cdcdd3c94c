"""The SegFormers of keras-cv and keras-hub count levels from "P1", as their MiT backbones do."""

from vitgraph.blocks.graph import GraphModel, MiTModel


def as_mit(model):
    """The same graph, for the SegFormers of keras-cv and keras-hub.

    Its layers and weights are the model's own, and keep their names; only its `pyramid_level_inputs` and
    `pyramid_outputs` are counted from "P1", so that what takes strides from the levels (a detector, DeepLab) must be
    given the model itself.

    Args:
        model: a graph of this package with maps of several strides, just built or read back from a file.

    Returns:
        A `keras.Model` that is saved and read back as what it is.

    Raises:
        TypeError: not a model of this package.
        ValueError: no maps; an input size that is not known; two levels of one width, after which both SegFormers name
            a layer.
    """
    if not isinstance(model, GraphModel):
        raise TypeError(f"as_mit: model={model!r}; allowed: a model that a builder of vitgraph returned")
    widths = model.embedding_dims
    if not widths or len(set(widths)) < len(widths):
        raise ValueError(
            f"as_mit: model {model.name!r} has levels of widths {widths}; allowed: one or more, all different"
        )
    if None in model.input_shape[1:3]:
        raise ValueError(f"as_mit: model {model.name!r} has input_shape={model.input_shape[1:]}; allowed: a known size")
    return MiTModel(model.input, model.output, name=model.name)
