"""Names in Swin V2's checkpoints: timm's, Microsoft's, and the transformers library's."""

from vitgraph.checkpoints.names._transformers import QKV
from vitgraph.checkpoints.names.swin import sources, transformers
from vitgraph.checkpoints.source import fused

SOURCES = sources(
    (r"stage_(\d)_block_(\d+)_attn_cosine/(\w+)", "layers.{0:-1}.blocks.{1}.attn.{2}"),
    (r"stage_(\d)_block_(\d+)_attn_cpb_fc1", "layers.{0:-1}.blocks.{1}.attn.cpb_mlp.0"),
    (r"stage_(\d)_block_(\d+)_attn_cpb_fc2", "layers.{0:-1}.blocks.{1}.attn.cpb_mlp.2"),
    buffers="relative_position_index|relative_coords_table|attn_mask",
)

_ATTENTION = r"stage_(\d)_block_(\d+)_attn_"
_THEIRS = "swinv2.encoder.layers.{0:-1}.blocks.{1}.attention.self."

SOURCES["transformers"] = transformers(
    "swinv2.",
    (_ATTENTION + "qkv/kernel", [f"{_THEIRS}{part}.weight" for part in QKV], fused),
    (_ATTENTION + "cosine/q_bias", _THEIRS + "query.bias"),
    (_ATTENTION + "cosine/v_bias", _THEIRS + "value.bias"),
    (_ATTENTION + "cosine/logit_scale", _THEIRS + "logit_scale"),
    (_ATTENTION + "cpb_fc1", _THEIRS + "continuous_position_bias_mlp.0"),
    (_ATTENTION + "cpb_fc2", _THEIRS + "continuous_position_bias_mlp.2"),
)
