"""Names in timm's checkpoints of MaxViT and CoAtNet."""

from vitgraph.checkpoints.source import Source, inverse_of


def _table(arrays, shape):
    """A table of biases; TensorFlow's is (heads, rows, columns), by offsets from query to key, not the reverse."""
    table = arrays[0]
    return table if table.ndim == 2 else table[:, ::-1, ::-1].reshape(len(table), -1).T


@inverse_of(_table, by_net=True)
def _of_table(value, count, layer, layers):
    """Nets of TensorFlow's authors are those that are padded as by TensorFlow."""
    if type(layers.get("stem_conv1_pad")).__name__ != "PadToSame":
        return [value]
    rows, columns = layer.window_size if hasattr(layer, "window_size") else layer.grid
    return [value.T.reshape(-1, 2 * rows - 1, 2 * columns - 1)[:, ::-1, ::-1]]


_BLOCK, _THEIRS = r"stage_(\d)_block_(\d+)_", "stages.{0:-1}.blocks.{1}."

_PARTS = (  # of a block: ours, theirs, number of groups
    (_BLOCK, _THEIRS, 2),
    (_BLOCK + "conv_", _THEIRS + "conv.", 2),
    (_BLOCK + r"conv_(\d)_", _THEIRS + "conv.{2}.", 3),
    (_BLOCK + "window_", _THEIRS + "attn_block.", 2),
    (_BLOCK + "grid_", _THEIRS + "attn_grid.", 2),
    (_BLOCK + "both_", _THEIRS + "attn.", 2),
)


def _attention(ours, theirs):
    return (
        (ours + r"_(qkv|proj)", theirs + ".#"),
        (ours + r"_pos_(fc\d)", theirs + ".rel_pos.mlp.#"),
        (ours + r"_bias/table", theirs + ".rel_pos.relative_position_bias_table", _table),
    )


_LAYERS = (  # of a part; # is the last group
    (r"(pre_norm|norm\d?|conv\d_\w+|conv_dw|shortcut)", "#"),
    (r"norm1_norm", "norm1.norm"),
    (r"shortcut_expand", "shortcut.expand"),
    (r"mlp_(fc\d)", "mlp.#"),
    (r"se_(fc\d)", "se.#"),
    (r"se_early_(fc\d)", "se_early.#"),
    (r"res(\d?)/gamma", "ls#.gamma"),
    *_attention("attn", "attn"),
    *_attention("window", "attn_block"),
    *_attention("grid", "attn_grid"),
)

SOURCES = {
    "timm": Source(
        renames=(
            (r"(stem)_(\w+)", "{0}.{1}"),
            (r"norm", "norm"),
            (r"fc_norm", "head.norm"),
            (r"head_rep", "head.pre_logits.fc"),
            (r"head", "head.fc"),
            *(
                (ours + layer, (theirs + name).replace("#", f"{{{groups}}}"), *function)
                for ours, theirs, groups in _PARTS
                for layer, name, *function in _LAYERS
            ),
        ),
        shapes=(  # those of T are convolutions there
            (r"stages\.\d+\.blocks\.\d+\.(attn\.(qkv|proj)|shortcut\.expand|mlp\.fc\d)\.weight", (..., ..., 1, 1)),
        ),
    )
}
