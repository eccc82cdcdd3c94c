"""Names in RegionViT's official checkpoints."""

from vitgraph.checkpoints.source import Source

_BLOCK, _THEIRS = r"stage_(\d)_block_(\d+)_", "layers.{0:-1}.block.{1:+1}."

SOURCES = {
    "official": Source(
        renames=(
            (r"patch_embed_conv1", "patch_embed.proj.0"),
            (r"patch_embed_norm1", "patch_embed.proj.1"),
            (r"patch_embed_conv2", "patch_embed.proj.3"),
            (r"patch_embed_norm2", "patch_embed.proj.4"),
            (r"patch_embed_conv3", "patch_embed.proj.6"),
            (r"patch_embed", "patch_embed.proj"),
            (r"regional_embed", "cls_token.proj"),
            (r"stage_(\d)_proj_norm", "layers.{0:-1}.block.0.proj.0"),
            (r"stage_(\d)_proj", "layers.{0:-1}.block.0.proj.2"),
            (r"stage_(\d)_peg", "layers.{0:-1}.peg"),
            (r"stage_(\d)_norm", "norm{0:-1}"),
            (_BLOCK + r"attn_bias/table", _THEIRS + "attn.rel_pos"),
            (_BLOCK + r"(attn|mlp)_(\w+)", _THEIRS + "{2}.{3}"),
            (_BLOCK + r"(norm\d)", _THEIRS + "{2}"),
            (r"fc_norm", "norm"),
            (r"head", "head"),
        ),
        ignored=r".*\.proj_cls\..*",  # another name of `proj`
        head=r"(head|norm)\..*",
        shapes=((r".*\.proj\.0\..*", (1, ..., 1, 1)),),
    ),
}
