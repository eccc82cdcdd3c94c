"""Names in DeepViT's official checkpoints."""

from vitgraph.checkpoints.source import Source

SOURCES = {
    "official": Source(
        renames=(
            (r"patch_embed_(conv\d)", "patch_embed.{0}"),
            (r"patch_embed_conv(\d)_norm", "patch_embed.bn{0}"),
            (r"patch_embed", "patch_embed.proj"),
            (r"cls_token/token", "cls_token"),
            (r"pos_embed/table", "pos_embed"),
            (r"block_(\d+)_(attn|mlp)_(\w+)", "blocks.{0}.{1}.{2}"),
            (r"block_(\d+)_(norm\d)", "blocks.{0}.{1}"),
            (r"(norm|head)", "{0}"),
        ),
        shapes=((r".*\.reatten_matrix\.weight", (..., ..., 1, 1)),),
    ),
}
