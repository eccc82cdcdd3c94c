"""Names in ScalableViT's official checkpoints."""

import numpy as np

from vitgraph.checkpoints.source import Source, fused, inverse_of

_BLOCK, _THEIRS = r"stage_(\d)_block_(\d+)_", "stages.{0:-1}.{1}."


def _keys_and_values(arrays, shape):
    return fused(arrays, shape)


@inverse_of(_keys_and_values)
def _keys_apart(value, count, layer):
    """Keys are as wide as what they are made from; values may be narrower."""
    return np.split(value.T, [layer.kernel.shape[0]])


_BODY = (
    (r"stage_(\d)_embed", "patch_embeds.{0:-1}.proj"),
    (r"stage_(\d)_embed_norm", "patch_embeds.{0:-1}.norm"),
    (r"stage_(\d)_peg", "pos_block.{0:-1}.proj.0"),
    (_BLOCK + r"attn_lim", _THEIRS + "attn.lim_func"),
    (_BLOCK + r"attn_sr", _THEIRS + "attn.reduction.0"),
    (_BLOCK + r"attn_sr_proj", _THEIRS + "attn.reduction.1"),
    (_BLOCK + r"attn_sr_norm", _THEIRS + "attn.norm_act.0"),
    (_BLOCK + r"attn_sr_kv", (_THEIRS + "attn.k", _THEIRS + "attn.v"), _keys_and_values),
    (_BLOCK + r"(attn|mlp)_(\w+)", _THEIRS + "{2}.{3}"),
    (_BLOCK + r"(norm\d)", _THEIRS + "{2}"),
    (r"norm", "norm"),
)

SOURCES = {
    "official": Source(renames=((r"head_fc", "head.0"), (r"head_norm", "head.1"), (r"head", "head.3"), *_BODY)),
    "official_plain_head": Source(renames=((r"head", "head"), *_BODY)),
}
