"""Names in Swin's checkpoints: timm's, Microsoft's and SimMIM's."""

from vitgraph.checkpoints.source import Source, within


def sources(*attention, buffers):
    """The tables of timm's and Microsoft's checkpoints, which count a merging to different stages.

    Args:
        *attention: entries of what only this Swin has in its attention.
        buffers: pattern of the names of tensors that aren't weights.
    """
    common = (
        *attention,
        (r"stage_(\d)_block_(\d+)_(attn|mlp)_(\w+)", "layers.{0:-1}.blocks.{1}.{2}.{3}"),
        (r"stage_(\d)_block_(\d+)_(norm\d)", "layers.{0:-1}.blocks.{1}.{2}"),
        (r"pos_embed/table", "absolute_pos_embed"),
        (r"patch_embed", "patch_embed.proj"),
        (r"patch_norm", "patch_embed.norm"),
        (r"norm", "norm"),
    )
    merge = r"stage_(\d)_merge_(\w+)"
    shared: dict = {"ignored": rf".*\.({buffers})", "shapes": ((r".*\.logit_scale", (..., 1, 1)),)}
    return {
        "timm": Source(((merge, "layers.{0:-1}.downsample.{1}"), (r"head", "head.fc"), *common), **shared),
        "microsoft": Source(((merge, "layers.{0:-2}.downsample.{1}"), (r"head", "head"), *common), **shared),
    }


SOURCES = sources(
    (r"stage_(\d)_block_(\d+)_attn_bias/table", "layers.{0:-1}.blocks.{1}.attn.relative_position_bias_table"),
    buffers="relative_position_index|attn_mask",
)

SOURCES["simmim"] = within(SOURCES["microsoft"], "encoder.", ignored=r"encoder\.mask_token|decoder\..*")
