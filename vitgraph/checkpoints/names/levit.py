"""Names in LeViT's checkpoints: timm's and Facebook's."""

from vitgraph.checkpoints.source import Source


def _normed(pattern, module, linear):
    """The entries of a linear layer or convolution and of the batch norm after it, which are one module of theirs."""
    return (pattern, f"{module}.{linear}"), (f"{pattern}_norm", f"{module}.bn")


def _transformer(ours, attention, mlp, *, linear, inner, fc1, fc2):
    """The entries of a block or of a downsampling.

    Args:
        ours, attention, mlp: prefixes of our names, and of theirs of the attention and the feed-forward layer.
        linear: their name of the linear layer before a norm.
        inner: their name of what follows an activation or a subsampling.
        fc1, fc2: their names of the two layers of the feed-forward layer.
    """
    return (
        (f"{ours}_attn_bias/table", f"{attention}.attention_biases"),
        *_normed(f"{ours}_attn_qkv", f"{attention}.qkv", linear),
        *_normed(f"{ours}_attn_kv", f"{attention}.kv", linear),
        *_normed(f"{ours}_attn_q", f"{attention}.q.{inner}", linear),
        *_normed(f"{ours}_attn_proj", f"{attention}.proj.{inner}", linear),
        *_normed(f"{ours}_mlp_fc1", f"{mlp}.{fc1}", linear),
        *_normed(f"{ours}_mlp_fc2", f"{mlp}.{fc2}", linear),
    )


def _source(*renames, head, **options):
    heads = (r"(head|head_dist)_norm", "{0}.bn"), (r"(head|head_dist)", f"{{0}}.{head}")
    return Source((*renames, *heads), ignored=r".*\.attention_bias_idxs", head=r"head(_dist)?\..*", **options)


def _timm(**options):
    names = {"linear": "linear", "inner": "ln", "fc1": "ln1", "fc2": "ln2"}
    block, down = "stages.{0:-1}.blocks.{1}.", "stages.{0:-1}.downsample."
    return _source(
        *_normed(r"stem_conv(\d)", "stem.conv{0}", "linear"),
        *_transformer(r"stage_(\d)_block_(\d+)", f"{block}attn", f"{block}mlp", **names),
        *_transformer(r"stage_(\d)_down", f"{down}attn_downsample", f"{down}mlp", **names),
        head="linear",
        **options,
    )


def _facebook(depths):
    """The table of Facebook's checkpoints, which number the layers of all stages in one row: it depends on `depths`."""
    names = {"linear": "c", "inner": "1", "fc1": "0", "fc2": "2"}
    renames, at = [], 0
    for i in range(4):
        renames += _normed(f"stem_conv{i + 1}", f"patch_embed.{2 * i}", "c")
    for i, depth in enumerate(depths, start=1):
        if i > 1:  # `m` is the module inside a residual connection
            renames += _transformer(f"stage_{i}_down", f"blocks.{at}", f"blocks.{at + 1}.m", **names)
            at += 2
        for j in range(depth):
            renames += _transformer(f"stage_{i}_block_{j}", f"blocks.{at}.m", f"blocks.{at + 1}.m", **names)
            at += 2
    return _source(*renames, head="l")


SOURCES = {
    "timm": _timm(),
    "timm_conv": _timm(shapes=((r"stages\..*\.linear\.weight", (..., ..., 1, 1)),)),  # the same in convolutions
    "facebook": _facebook((4, 4, 4)),
    "facebook_128s": _facebook((2, 3, 4)),
}
