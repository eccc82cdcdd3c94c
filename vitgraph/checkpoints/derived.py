"""Checkpoints made from one net's weights, for another net."""

import numpy as np

from vitgraph import contract as c
from vitgraph.blocks import Stage
from vitgraph.checkpoints.files import Tensors, tensors_of


@c.public
def weights_per_block(model: c.Graph) -> dict[str, np.ndarray]:
    """The weights of a net with a shared table of relative positions, as those of one with a table per block.

    They are a checkpoint for `load_weights` into a `build_beit` of the same numbers: what fine-tuning begins with.

    Args:
        model: a `build_beit` with rel_pos_bias="shared".

    Returns:
        {variable path: array}.

    Example:
        >>> net = vitgraph.build_beit((32, 32, 3), dim=16, depth=2, num_heads=2, rel_pos_bias="shared")
        >>> sorted(name for name in vitgraph.checkpoints.derived.weights_per_block(net) if "table" in name)
        ['block_0_attn_bias/table', 'block_1_attn_bias/table']
    """
    weights = tensors_of(model)
    c.require("rel_pos_bias/table" in weights, "model", "a net with a shared table of relative positions")
    table = weights.pop("rel_pos_bias/table")
    names = [f"{layer.name}_attn_bias" for layer in model.layers if isinstance(layer, Stage)]
    grids = {**weights.grids, **dict.fromkeys(names, weights.grids["rel_pos_bias"])}
    return Tensors({**weights, **{f"{name}/table": table for name in names}}, grids)


@c.public
def plain_weights(model: c.Graph) -> dict[str, np.ndarray]:
    """The weights of a distilled net, as those of the same net with distilled=False.

    They are a checkpoint for `load_weights`, also into a `build_vit` of the same numbers. The blocks keep what they
    learned about the distillation token.

    Args:
        model: a plain net with a distillation token.

    Returns:
        {variable path: array}.

    Example:
        >>> net = vitgraph.build_deit((32, 32, 3), dim=16, depth=1, num_heads=2, distilled=True)
        >>> vitgraph.checkpoints.derived.plain_weights(net)["pos_embed/table"].shape  # a class token and 4 patches
        (1, 5, 16)
    """
    weights = tensors_of(model)
    there = {"dist_token/token", "pos_embed/table"} <= set(weights)
    c.require(there, "model", "a plain net with a distillation token and a table of positions")
    kept = {path: array for path, array in weights.items() if not path.startswith(("dist_token/", "head_dist/"))}
    return Tensors({**kept, "pos_embed/table": np.delete(kept["pos_embed/table"], 1, axis=1)}, weights.grids)
