"""timm's names in checkpoints of Microsoft's EfficientViT."""

from vitgraph.checkpoints.source import Source, normed

_BLOCK, _THEIRS = r"stage_(\d)_block_(\d+)_", "stages.{0:-1}.blocks.{1}."
_DOWN, _SMALLER = r"stage_(\d)_down_", "stages.{0:-1}.downsample."

SOURCES = {
    "timm": Source(
        renames=(
            *normed(r"stem_(conv\d)", "patch_embed.{0}"),
            *normed(_BLOCK + r"(\d)_dw", _THEIRS + "dw{2}.m"),
            *normed(_BLOCK + r"(\d)_(pw\d)", _THEIRS + "ffn{2}.m.{3}"),
            *normed(_BLOCK + r"attn_(\d+)_qkv", _THEIRS + "mixer.m.attn.qkvs.{2}"),
            *normed(_BLOCK + r"attn_(\d+)_q", _THEIRS + "mixer.m.attn.dws.{2}"),
            *normed(_BLOCK + "attn_proj", _THEIRS + "mixer.m.attn.proj.1"),
            (_BLOCK + "attn_bias/table", _THEIRS + "mixer.m.attn.attention_biases"),
            *normed(_DOWN + r"(\d)_dw", _SMALLER + "res{1:+1}.0.m"),
            *normed(_DOWN + r"(\d)_(pw\d)", _SMALLER + "res{1:+1}.1.m.{2}"),
            *normed(_DOWN + r"(conv\d)", _SMALLER + "patchmerge.{1}"),
            (_DOWN + r"se_(fc\d)", _SMALLER + "patchmerge.se.{1}"),
            ("head_norm", "head.bn"),
            ("head", "head.linear"),
        ),
        ignored=r".*\.attention_bias_idxs",
    )
}
