"""Names in PVT's official checkpoints."""

from vitgraph.checkpoints.source import Source

_BLOCK = r"stage_(\d)_block_(\d+)_"

SOURCES = {
    "official": Source(
        renames=(
            (r"stage_(\d)_embed", "patch_embed{0}.proj"),
            (r"stage_(\d)_embed_norm", "patch_embed{0}.norm"),
            (r"stage_(\d)_pos_embed/table", "pos_embed{0}"),
            (r"cls_token/token", "cls_token"),
            (_BLOCK + r"(norm\d)", "block{0}.{1}.{2}"),
            (_BLOCK + r"(attn|mlp)_(\w+)", "block{0}.{1}.{2}.{3}"),
            (r"(norm|head)", "{0}"),
        ),
    ),
}
