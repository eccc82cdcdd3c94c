"""Where published LeViT checkpoints keep what `build_levit` makes: timm, and Facebook's own."""

from vitgraph.checkpoints.source import Source


def _normed(pattern, module, linear):
    """A linear layer or convolution, and the batch norm behind it: one module of theirs."""
    return (pattern, f"{module}.{linear}"), (f"{pattern}_norm", f"{module}.bn")


def _transformer(ours, attention, mlp, *, linear, inner, fc1, fc2):
    """What a block and a downsampling are made of.

    Args:
        ours, attention, mlp: beginnings of our names, and of their attention's and feed-forward layer's.
        linear: their name for the linear layer beside a norm.
        inner: their name for what follows an activation or a subsampling.
        fc1, fc2: their names for the parts of the feed-forward layer.
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


def _source(*renames, head):
    heads = (r"(head|head_dist)_norm", "{0}.bn"), (r"(head|head_dist)", f"{{0}}.{head}")
    return Source(renames=(*renames, *heads), ignored=r".*\.attention_bias_idxs", head=r"head(_dist)?\..*")


def _timm():
    names = {"linear": "linear", "inner": "ln", "fc1": "ln1", "fc2": "ln2"}
    block, down = "stages.{0:-1}.blocks.{1}.", "stages.{0:-1}.downsample."
    return _source(
        *_normed(r"stem_conv(\d)", "stem.conv{0}", "linear"),
        *_transformer(r"stage_(\d)_block_(\d+)", f"{block}attn", f"{block}mlp", **names),
        *_transformer(r"stage_(\d)_down", f"{down}attn_downsample", f"{down}mlp", **names),
        head="linear",
    )


def _facebook(depths):
    """Attention and feed-forward layers of all stages are counted in one row, so names follow from the depths."""
    names = {"linear": "c", "inner": "1", "fc1": "0", "fc2": "2"}
    renames, at = [], 0
    for i in range(4):
        renames += _normed(f"stem_conv{i + 1}", f"patch_embed.{2 * i}", "c")
    for i, depth in enumerate(depths, start=1):
        if i > 1:  # `m` is what has a residual connection around it
            renames += _transformer(f"stage_{i}_down", f"blocks.{at}", f"blocks.{at + 1}.m", **names)
            at += 2
        for j in range(depth):
            renames += _transformer(f"stage_{i}_block_{j}", f"blocks.{at}.m", f"blocks.{at + 1}.m", **names)
            at += 2
    return _source(*renames, head="l")


SOURCES = {"timm": _timm(), "facebook": _facebook((4, 4, 4)), "facebook_128s": _facebook((2, 3, 4))}
