"""Graph -> graph: a backbone for the SegFormers of keras-cv and keras-hub, which count levels from "P1"."""

import keras

from vitgraph import contract as c
from vitgraph.blocks.graph import MiTModel


@c.public
def as_mit(model: c.Graph) -> keras.Model:
    """The same graph, for the SegFormers of keras-cv and keras-hub.

    Its layers and weights are the model's own, and keep their names. Only its `pyramid_level_inputs` and
    `pyramid_outputs` are counted from "P1", as the MiT backbones of both libraries count them. What derives strides
    from the levels (a detector, DeepLab) must be given the model itself.

    Args:
        model: a graph of this package with maps and a known image size, just built or read back from a file. A plain
            net has none; `with_levels` makes them.

    Returns:
        A `keras.Model` that can be saved and read back as it is.

    Example:
        >>> backbone = vitgraph.build_pvt_v2((64, 64, 3), include_top=False)
        >>> list(vitgraph.interop.as_mit(backbone).pyramid_level_inputs)
        ['P1', 'P2', 'P3', 'P4']
    """
    shape = model.inputs[0].shape[1:]
    c.require(None not in shape, "model", f"a graph of images of a known size, here {tuple(shape)}")
    adapted = MiTModel(model.input, model.output, name=model.name)
    remedy = 'with_levels(model, ("P2", "P3", "P4", "P5")) makes them'
    c.require(adapted.pyramid_level_inputs, "model", f"a graph with maps, which this one isn't: {remedy}")
    return adapted
