"""Names in PVT v2's checkpoints: timm's and the official ones."""

from vitgraph.checkpoints.source import Source

_BLOCK = r"stage_(\d)_block_(\d+)_"

SOURCES = {
    "timm": Source(
        renames=(
            (r"stage_1_embed", "patch_embed.proj"),
            (r"stage_1_embed_norm", "patch_embed.norm"),
            (r"stage_(\d)_embed", "stages.{0:-1}.downsample.proj"),
            (r"stage_(\d)_embed_norm", "stages.{0:-1}.downsample.norm"),
            (r"stage_(\d)_norm", "stages.{0:-1}.norm"),
            (_BLOCK + r"(norm\d)", "stages.{0:-1}.blocks.{1}.{2}"),
            (_BLOCK + r"(attn|mlp)_(\w+)", "stages.{0:-1}.blocks.{1}.{2}.{3}"),
            (r"head", "head"),
        ),
    ),
    "official": Source(
        renames=(
            (r"stage_(\d)_embed", "patch_embed{0}.proj"),
            (r"stage_(\d)_embed_norm", "patch_embed{0}.norm"),
            (r"stage_(\d)_norm", "norm{0}"),
            (_BLOCK + r"(norm\d)", "block{0}.{1}.{2}"),
            (_BLOCK + r"mlp_dwconv", "block{0}.{1}.mlp.dwconv.dwconv"),
            (_BLOCK + r"(attn|mlp)_(\w+)", "block{0}.{1}.{2}.{3}"),
            (r"head", "head"),
        ),
    ),
}
