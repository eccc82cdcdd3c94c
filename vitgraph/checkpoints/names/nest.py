"""Names in timm's NesT checkpoints."""

from vitgraph.checkpoints.source import Source

_BLOCK = r"stage_(\d)_block_(\d+)_"

SOURCES = {
    "timm": Source(
        renames=(
            (r"patch_embed", "patch_embed.proj"),
            (r"stage_(\d)_pos_embed/table", "levels.{0:-1}.pos_embed"),
            (r"stage_(\d)_pool_(\w+)", "levels.{0:-1}.pool.{1}"),
            (_BLOCK + r"(norm\d)", "levels.{0:-1}.transformer_encoder.{1}.{2}"),
            (_BLOCK + r"(attn|mlp)_(\w+)", "levels.{0:-1}.transformer_encoder.{1}.{2}.{3}"),
            (r"norm", "norm"),
            (r"head", "head"),
        ),
    ),
}
