"""Names in TNT's checkpoints: timm's and the official ones."""

import numpy as np

from vitgraph.checkpoints.source import Source, fused, inverse_of, map_to_rows


def _qkv(arrays, shape):
    """The projection to queries and keys, and the one to values -> that to all three."""
    return fused(arrays, shape)


@inverse_of(_qkv)
def _of_qkv(value, count, layer):
    return np.split(value.T, [len(value.T) // 3 * 2])


_BLOCK, _THEIRS = r"block_(\d+)_", "blocks.{0}."


def _half(ours, norm1, attention, norm2, mlp):
    """The entries of one of a block's two transformers."""
    return (
        (ours + "norm1", _THEIRS + norm1),
        *(
            (ours + f"attn_qkv/{variable}", [f"{_THEIRS}{attention}.{part}.{leaf}" for part in ("qk", "v")], _qkv)
            for variable, leaf in (("kernel", "weight"), ("bias", "bias"))
        ),
        (ours + "attn_proj", f"{_THEIRS}{attention}.proj"),
        (ours + "norm2", _THEIRS + norm2),
        (ours + r"mlp_(fc\d)", f"{_THEIRS}{mlp}.{{1}}"),
    )


def _source(embed, pixel_pos, patch_pos, norm, inner, outer, ignored=r"(?!)"):
    return Source(
        renames=(
            (r"pixel_embed", embed),
            pixel_pos,
            (r"cls_token/token", "cls_token"),
            (r"pos_embed/table", patch_pos),
            (r"patch_norm(\d)", norm),
            (r"patch_proj", "proj"),
            (_BLOCK + r"pixels_norm(\d)", _THEIRS + norm.replace("{0}", "{1}")),
            (_BLOCK + r"pixels_proj", _THEIRS + "proj"),
            *_half(_BLOCK + "inner_", *inner),
            *_half(_BLOCK, *outer),
            (r"(norm|head)", "{0}"),
        ),
        ignored=ignored,
    )


SOURCES = {
    "timm": _source(
        "pixel_embed.proj",
        (r"pixel_pos/table", "pixel_pos", map_to_rows),
        "patch_pos",
        "norm{0}_proj",
        ("norm_in", "attn_in", "norm_mlp_in", "mlp_in"),
        ("norm_out", "attn_out", "norm_mlp", "mlp"),
    ),
    "official": _source(
        "patch_embed.proj",
        (r"pixel_pos/table", "inner_pos"),
        "outer_pos",
        "proj_norm{0}",
        ("inner_norm1", "inner_attn", "inner_norm2", "inner_mlp"),
        ("outer_norm1", "outer_attn", "outer_norm2", "outer_mlp"),
        ignored=r"outer_tokens",
    ),
}
