"""Names of the published ScalableViT checkpoints."""

import numpy as np

from vitgraph.checkpoints.source import Source


def _side_by_side(arrays, shape):
    """Two linear layers -> one that gives what both give, side by side."""
    return np.concatenate([array.T for array in arrays], axis=-1)


_BLOCK, _THEIRS = r"stage_(\d)_block_(\d+)_", "stages.{0:-1}.{1}."

_BODY = (
    (r"stage_(\d)_embed", "patch_embeds.{0:-1}.proj"),
    (r"stage_(\d)_embed_norm", "patch_embeds.{0:-1}.norm"),
    (r"stage_(\d)_peg", "pos_block.{0:-1}.proj.0"),
    (_BLOCK + r"attn_lim", _THEIRS + "attn.lim_func"),
    (_BLOCK + r"attn_sr", _THEIRS + "attn.reduction.0"),
    (_BLOCK + r"attn_sr_proj", _THEIRS + "attn.reduction.1"),
    (_BLOCK + r"attn_sr_norm", _THEIRS + "attn.norm_act.0"),
    (_BLOCK + r"attn_sr_kv/kernel", (_THEIRS + "attn.k.weight", _THEIRS + "attn.v.weight"), _side_by_side),
    (_BLOCK + r"attn_sr_kv/bias", (_THEIRS + "attn.k.bias", _THEIRS + "attn.v.bias"), _side_by_side),
    (_BLOCK + r"(attn|mlp)_(\w+)", _THEIRS + "{2}.{3}"),
    (_BLOCK + r"(norm\d)", _THEIRS + "{2}"),
    (r"norm", "norm"),
)

SOURCES = {
    "official": Source(renames=((r"head_fc", "head.0"), (r"head_norm", "head.1"), (r"head", "head.3"), *_BODY)),
    "official_plain_head": Source(renames=((r"head", "head"), *_BODY)),
}
