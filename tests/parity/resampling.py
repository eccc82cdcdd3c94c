"""timm's resampling of tables -> ours."""

import numpy as np

from vitgraph.blocks.base import pair
from vitgraph.checkpoints import resample


def resampling(config, tensors):
    """Position tables of other sizes, each with the function and the arguments of its own."""
    differences = {}
    for name, case in config.items():
        table, expected = tensors[f"{name}/input"], tensors[f"{name}/output"]
        if case["function"].startswith("resample_abs_pos_embed"):
            options = {"kernel": case.get("interpolation", "bicubic"), "antialias": case.get("antialias", True)}
            ours = resample.position_table(table, case["prefix"], case["old"], case["new"], **options)
        elif case["function"].startswith("resize_rel_pos_bias_table ("):
            extra = len(table) - case.get("extra", 0)
            ours = resample.relative_bias_table(table[:extra], case["old"], case["new"])
            ours = np.concatenate([ours, table[extra:]])
        elif case["function"].startswith("resize_rel_pos_bias_table_simple"):
            sides = ([2 * n - 1 for n in case[size]] for size in ("old", "new"))
            ours = resample.position_table(table[None], 0, *sides, antialias=False)[0]
        elif case["function"].startswith("resize_rel_pos_bias_table_levit"):
            ours = resample.position_table(table[None], 0, *(pair(case[size]) for size in ("old", "new")))[0]
        elif case["function"].startswith("resample_patch_embed"):
            ours = resample.patch_kernel(table.transpose(2, 3, 1, 0), case["new"]).transpose(3, 2, 0, 1)
        elif case["function"].startswith("timm.models.nest.resize_pos_embed"):
            ours = resample.blockwise_table(table, resample.square_grid(expected.shape[2]))
        else:
            raise NotImplementedError(case["function"])
        differences[name] = float(np.max(np.abs(ours - expected)))
    return differences
