"""Names in ScalableViT's official checkpoints."""

from vitgraph.checkpoints.source import Source, fused

_BLOCK, _THEIRS = r"stage_(\d)_block_(\d+)_", "stages.{0:-1}.{1}."

_BODY = (
    (r"stage_(\d)_embed", "patch_embeds.{0:-1}.proj"),
    (r"stage_(\d)_embed_norm", "patch_embeds.{0:-1}.norm"),
    (r"stage_(\d)_peg", "pos_block.{0:-1}.proj.0"),
    (_BLOCK + r"attn_lim", _THEIRS + "attn.lim_func"),
    (_BLOCK + r"attn_sr", _THEIRS + "attn.reduction.0"),
    (_BLOCK + r"attn_sr_proj", _THEIRS + "attn.reduction.1"),
    (_BLOCK + r"attn_sr_norm", _THEIRS + "attn.norm_act.0"),
    (_BLOCK + r"attn_sr_kv", (_THEIRS + "attn.k", _THEIRS + "attn.v"), fused),
    (_BLOCK + r"(attn|mlp)_(\w+)", _THEIRS + "{2}.{3}"),
    (_BLOCK + r"(norm\d)", _THEIRS + "{2}"),
    (r"norm", "norm"),
)

SOURCES = {
    "official": Source(renames=((r"head_fc", "head.0"), (r"head_norm", "head.1"), (r"head", "head.3"), *_BODY)),
    "official_plain_head": Source(renames=((r"head", "head"), *_BODY)),
}
