"""Names in CrossViT's checkpoints: timm's and IBM's."""

from vitgraph.checkpoints.source import Source, fused


def _fusion(ours, theirs):
    """The entries of one cross attention."""
    return (
        (ours + "attn_kv", (theirs + "attn.wk", theirs + "attn.wv"), fused),
        (ours + "attn_q", theirs + "attn.wq"),
        (ours + "attn_proj", theirs + "attn.proj"),
        (ours + "norm1", theirs + "norm1"),
    )


def _source(table):
    return Source(
        renames=(
            (r"(cls_token|pos_embed)_(\d)/\w+", table),
            (r"patch_embed_(\d)_conv(\d)", "patch_embed.{0}.proj.{1}"),
            (r"patch_embed_(\d)", "patch_embed.{0}.proj"),
            (r"block_(\d+)_branch_(\d)_(\d+)_(attn|mlp)_(\w+)", "blocks.{0}.blocks.{1}.{2}.{3}.{4}"),
            (r"block_(\d+)_branch_(\d)_(\d+)_(norm\d)", "blocks.{0}.blocks.{1}.{2}.{3}"),
            (r"block_(\d+)_(proj|revert_proj)_(\d)_norm", "blocks.{0}.{1}s.{2}.0"),
            (r"block_(\d+)_(proj|revert_proj)_(\d)", "blocks.{0}.{1}s.{2}.2"),
            *_fusion(r"block_(\d+)_fusion_(\d)_", "blocks.{0}.fusion.{1}."),
            *_fusion(r"block_(\d+)_fusion_(\d)_(\d+)_", "blocks.{0}.fusion.{1}.{2}."),  # several in a row
            (r"(norm|head)_(\d)", "{0}.{1}"),
        ),
    )


SOURCES = {"timm": _source("{0}_{1}"), "ibm": _source("{0}.{1}")}
