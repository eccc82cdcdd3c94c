"""Names in timm's checkpoints of Visformer."""

from vitgraph.checkpoints.source import Source, map_to_rows

_BLOCK, _THEIRS = r"stage_(\d)_block_(\d+)_", "stage{0}.{1}."

SOURCES = {
    "timm": Source(
        renames=(
            (r"stem_conv", "stem.0"),
            (r"stem_conv_norm", "stem.1"),
            (r"stage_(\d)_embed", "patch_embed{0}.proj"),
            (r"stage_(\d)_embed_norm", "patch_embed{0}.norm"),
            (r"stage_(\d)_pos_embed/table", "pos_embed{0}", map_to_rows),
            (_BLOCK + r"(norm\d)", _THEIRS + "{2}"),
            (_BLOCK + r"attn_(qkv|proj)", _THEIRS + "attn.{2}"),
            (_BLOCK + r"mlp_fc1", _THEIRS + "mlp.conv1"),
            (_BLOCK + r"mlp_conv", _THEIRS + "mlp.conv2"),
            (_BLOCK + r"mlp_fc2", _THEIRS + "mlp.conv3"),
            (r"(norm|head)", "{0}"),
        ),
        shapes=((r"stage\d\.\d+\.(attn\.\w+|mlp\.conv[13])\.weight", (..., ..., 1, 1)),),  # convolutions there
    ),
}
