"""Graph -> graph: the feature maps of a model that is there already."""

from collections.abc import Sequence

import keras

from vitgraph import contract as c
from vitgraph.graphs.levels import levels_of, map_of, stages_of, with_ending


@c.public
def pyramid(model: c.Graph, levels: Sequence[str] | None = None, *, blocks: Sequence[int] | None = None) -> keras.Model:
    """The same graph, ending in its feature maps.

    Args:
        model: a graph of this package, with or without its top, just built or read back from a file.
        levels: names of the wanted levels, such as ("P3", "P4", "P5"); None: all. "P3" has stride 2 ** 3; a stride that
            isn't a power of two is named after itself ("stride_14").
        blocks: instead of levels, numbers of the blocks of a plain net, such as (2, 5, 8, 11); negative ones count from
            the end. A hierarchical net has its stages in their place.

    Returns:
        A `keras.Model` whose output is {"P2": (B, H / 4, W / 4, C), ...}, or {"block_2": ..., ...}. The maps are the
        stream at the end of each stage, before any final norm and without prefix tokens.

    Example:
        >>> backbone = vitgraph.build_pvt_v2((64, 64, 3), include_top=False)
        >>> {level: x.shape for level, x in vitgraph.pyramid(backbone, ("P4", "P5")).output.items()}
        {'P4': (None, 4, 4, 160), 'P5': (None, 2, 2, 256)}
    """
    stages, by_level = stages_of(model), levels_of(model)
    c.require(levels is None or blocks is None, "levels", "None with `blocks`")
    if blocks is not None:
        count = len(stages)
        known = all(-count <= index < count for index in blocks)
        once = len({index % count for index in blocks}) == len(blocks) > 0
        c.require(known and once, "blocks", f"one or more of {count}, each once: {-count} to {count - 1}")
        wanted = {stages[index].name: stages[index] for index in blocks}
    else:
        wanted = by_level
        if levels is not None:
            good = 0 < len(levels) == len(set(levels)) and set(levels) <= set(by_level)
            c.require(good, "levels", f"None, or one or more of these, each once: {', '.join(by_level)}")
            wanted = {level: by_level[level] for level in levels}
    return with_ending(model, {key: map_of(model, stage) for key, stage in wanted.items()})
