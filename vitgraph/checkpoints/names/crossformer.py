"""Names in CrossFormer's official checkpoints."""

from vitgraph.checkpoints.source import Source

_BLOCK, _THEIRS = r"stage_(\d)_block_(\d+)_", "layers.{0:-1}.blocks.{1}."

SOURCES = {
    "official": Source(
        renames=(
            (r"stage_1_embed_(\d)", "patch_embed.projs.{0}"),
            (r"stage_1_embed_norm", "patch_embed.norm"),
            (r"pos_embed/table", "absolute_pos_embed"),
            (r"stage_(\d)_embed_(\d)", "layers.{0:-2}.downsample.reductions.{1}"),
            (r"stage_(\d)_embed_norm", "layers.{0:-2}.downsample.norm"),
            (_BLOCK + r"attn_pos_proj", _THEIRS + "attn.pos.pos_proj"),
            (_BLOCK + r"attn_(pos\d)_norm", _THEIRS + "attn.pos.{2}.0"),
            (_BLOCK + r"attn_(pos\d)_fc", _THEIRS + "attn.pos.{2}.2"),
            (_BLOCK + r"(attn|mlp)_(\w+)", _THEIRS + "{2}.{3}"),
            (_BLOCK + r"(norm\d|ex_conv|ex_ln)", _THEIRS + "{2}"),
            (r"norm", "norm"),
            (r"head", "head"),
        ),
        ignored=r".*\.(attn_mask|biases|relative_position_index)",
    ),
}
