"""Names in timm's and the official Twins checkpoints."""

from vitgraph.checkpoints.source import Source

_BLOCK = r"stage_(\d)_block_(\d+)_"

SOURCES = {
    "timm": Source(
        renames=(
            (r"stage_(\d)_embed", "patch_embeds.{0:-1}.proj"),
            (r"stage_(\d)_embed_norm", "patch_embeds.{0:-1}.norm"),
            (r"stage_(\d)_peg", "pos_block.{0:-1}.proj.0"),
            (_BLOCK + r"(norm\d)", "blocks.{0:-1}.{1}.{2}"),
            (_BLOCK + r"(attn|mlp)_(\w+)", "blocks.{0:-1}.{1}.{2}.{3}"),
            (r"norm", "norm"),
            (r"head", "head"),
        ),
    ),
}
