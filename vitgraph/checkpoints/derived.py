"""Checkpoints that are made from one net's weights for another net."""

import numpy as np
from keras import ops


def weights_per_block(model):
    """Of a net with a shared table of relative positions, the weights of one with a table a block: {path: array}.

    They are a checkpoint for `load_weights` into a `build_beit` of the same numbers: what fine-tuning begins with.
    """
    weights = {variable.path: ops.convert_to_numpy(variable) for variable in model.weights}
    table = weights.pop("rel_pos_bias/table")
    return {**weights, **{f"{stage.name}_attn_bias/table": table for stage in model.stages}}


def plain_weights(model):
    """Of a distilled net's weights, those of the same net with distilled=False: {variable path: array}.

    They are a checkpoint for `load_weights`, also into a `build_vit` of the same numbers. What the blocks learned about
    the distillation token stays in them.
    """
    weights = {
        variable.path: ops.convert_to_numpy(variable)
        for variable in model.weights
        if not variable.path.startswith(("dist_token/", "head_dist/"))
    }
    weights["pos_embed/table"] = np.delete(weights["pos_embed/table"], 1, axis=1)
    return weights
