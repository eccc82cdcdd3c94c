"""Names in PiT's checkpoints: timm's and the official ones."""

from vitgraph.checkpoints.source import Source, map_to_rows

_NAMES = (
    (r"stage_(\d)_block_(\d+)_(norm\d)", "transformers.{0:-1}.blocks.{1}.{2}"),
    (r"stage_(\d)_block_(\d+)_(attn|mlp)_(\w+)", "transformers.{0:-1}.blocks.{1}.{2}.{3}"),
    (r"patch_embed", "patch_embed.conv"),
    (r"pos_embed/table", "pos_embed", map_to_rows),
    (r"cls_token/token", "cls_token"),
    (r"fc_norm", "norm"),
    (r"(head|head_dist)", "{0}"),
)

_HEAD = r"(norm|head|head_dist)\..*"

SOURCES = {
    "timm": Source(renames=((r"stage_(\d)_pool_(\w+)", "transformers.{0:-1}.pool.{1}"), *_NAMES), head=_HEAD),
    "official": Source(renames=((r"stage_(\d)_pool_(\w+)", "pools.{0:-2}.{1}"), *_NAMES), head=_HEAD),
}
