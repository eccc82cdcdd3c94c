"""vit-pytorch's parallel ViT -> ours; timm's are rows of its ViT."""

import functools

from tests.parity import Port
from tests.parity.vit import lucid_arguments, lucid_attn_proj, lucid_outputs
from vitgraph import build_parallel_vit, build_vit
from vitgraph.wiring.transformer import parallel_things_block


def lucid_parallel_vit(config, image_shape, weights):
    ours = lucid_arguments(config, ("num_parallel_branches",))
    ours["attn_proj"] = lucid_attn_proj(config)
    branches, last = config.get("num_parallel_branches", 2), f"block_{config['depth'] - 1}"
    if config.get("pool", "cls") == "mean":  # the mean includes the class token, and the norm follows it
        ours["block"] = functools.partial(parallel_things_block, num_parallel=branches)
        model = build_vit(image_shape, global_pool="avg", pool_include_prefix=True, **ours)
    else:
        model = build_parallel_vit(image_shape, num_parallel=branches, **ours)
    return Port(model, "parallel_vit/lucidrains", lucid_outputs(last))


TRANSLATIONS = {"lucid_parallel_vit": lucid_parallel_vit}
