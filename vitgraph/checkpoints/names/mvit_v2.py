"""Names in timm's checkpoints of MViT v2."""

from vitgraph.checkpoints.source import Source

_BLOCK, _THEIRS = r"stage_(\d+)_block_(\d+)_", "stages.{0:-1}.blocks.{1}."

SOURCES = {
    "timm": Source(
        renames=(
            (r"patch_embed", "patch_embed.proj"),
            (r"cls_token/token", "cls_token"),
            (r"pos_embed/table", "pos_embed"),
            (_BLOCK + r"(norm\d)", _THEIRS + "{2}"),
            (_BLOCK + r"expand", _THEIRS + "shortcut_proj_attn"),
            (_BLOCK + r"mlp_expand", _THEIRS + "shortcut_proj_mlp"),
            (_BLOCK + r"attn_rows/table", _THEIRS + "attn.rel_pos_h"),
            (_BLOCK + r"attn_columns/table", _THEIRS + "attn.rel_pos_w"),
            (_BLOCK + r"attn_([qkv])_(pool|norm)", _THEIRS + "attn.{3}_{2}"),
            (_BLOCK + r"(attn|mlp)_(qkv|proj|fc\d)", _THEIRS + "{2}.{3}"),
            (r"norm", "norm"),
            (r"head", "head.fc"),
        ),
    )
}
