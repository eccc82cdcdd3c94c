"""Names in Swin V2's checkpoints: timm's and Microsoft's."""

from vitgraph.checkpoints.names.swin import sources

SOURCES = sources(
    (r"stage_(\d)_block_(\d+)_attn_cosine/(\w+)", "layers.{0:-1}.blocks.{1}.attn.{2}"),
    (r"stage_(\d)_block_(\d+)_attn_cpb_fc1", "layers.{0:-1}.blocks.{1}.attn.cpb_mlp.0"),
    (r"stage_(\d)_block_(\d+)_attn_cpb_fc2", "layers.{0:-1}.blocks.{1}.attn.cpb_mlp.2"),
    buffers="relative_position_index|relative_coords_table|attn_mask",
)
