"""Names in TinyViT's checkpoints: timm's and Microsoft's."""

from vitgraph.checkpoints.source import Source, normed


def _source(stem, stage, down, conv, norm, head):
    """The table; the arguments are their names of the stem's convolutions, of a stage and of its first layers, of a
    convolution and of the norms at the end."""

    block, theirs = r"stage_(\d)_block_(\d+)_", f"{stage}.{{0:-1}}.blocks.{{1}}."
    return Source(
        renames=(
            *(entry for i, name in enumerate(stem, start=1) for entry in normed(f"stem_conv{i}", name, conv)),
            *normed(r"stage_(\d)_down_(conv\d)", f"{down}.downsample.{{1}}", conv),
            *normed(block + r"(conv\d|local_conv)", theirs + "{2}", conv),
            (block + r"(attn|mlp)_(norm|qkv|proj|fc\d)", theirs + "{2}.{3}"),
            (block + "attn_bias/table", theirs + "attn.attention_biases"),
            ("fc_norm", norm),
            ("head", head),
        ),
        ignored=r".*\.attention_bias_idxs",
        head=rf"({norm}|{head})\..*",
    )


SOURCES = {
    "timm": _source(
        ("patch_embed.conv1", "patch_embed.conv2"), "stages", "stages.{0:-1}", "conv", "head.norm", "head.fc"
    ),
    "microsoft": _source(  # what makes a map smaller is the end of a stage
        ("patch_embed.seq.0", "patch_embed.seq.2"), "layers", "layers.{0:-2}", "c", "norm_head", "head"
    ),
}
