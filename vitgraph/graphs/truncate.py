"""Graph -> graph: the first part of a net."""

import keras

from vitgraph import contract as c
from vitgraph.graphs.levels import map_of, stages_of, with_ending


@c.public
def truncate(model: c.Graph, at: str) -> keras.Model:
    """The same graph, ending in the map of one of its stages; what comes later is no longer part of it.

    Args:
        model: a graph of this package, with or without its top, just built or read back from a file.
        at: a stage, such as "stage_3"; a plain net's block, such as "block_5"; or a pyramid level, such as "P4".

    Returns:
        A `keras.Model` whose output is the map (B, H', W', C) at the end of that stage, before any norm and without
        prefix tokens. Its layers and weights are the model's.

    Example:
        >>> net = vitgraph.build_pvt_v2((64, 64, 3))
        >>> vitgraph.truncate(net, at="stage_3").output_shape
        (None, 4, 4, 160)
    """
    return with_ending(model, map_of(model, stage_named(model, at, "at")))


def stage_named(model, name, argument):
    """The `Stage` of this name, or the last one of the pyramid level of this name."""
    stages = stages_of(model)
    by_name = {stage.level: stage for stage in stages} | {stage.name: stage for stage in stages}
    c.require(name in by_name, argument, f"one of {', '.join(by_name)}")
    return by_name[name]
