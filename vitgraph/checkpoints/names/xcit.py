"""Names in XCiT's checkpoints: timm's and the official ones."""

from vitgraph.checkpoints.source import Source, fused

_BLOCK, _STAGE, _TOKEN_ONLY = r"block_(\d+)_", r"cls_stage_(\d+)_", "cls_attn_blocks.{0}."


def _queries(arrays, shape):
    """The first third of a projection to queries, keys and values."""
    return arrays[0][: len(arrays[0]) // 3].T


def _keys_and_values(arrays, shape):
    return arrays[0][len(arrays[0]) // 3 :].T


def _source(positions, class_attention):
    return Source(
        renames=(
            *((rf"patch_embed_{i}", f"patch_embed.proj.{2 * i}.0") for i in range(4)),
            *((rf"patch_embed_{i}_norm", f"patch_embed.proj.{2 * i}.1") for i in range(4)),
            (r"pos_embed", positions + ".token_projection"),
            (_BLOCK + r"res(\d)/gamma", "blocks.{0}.gamma{1}"),
            (_BLOCK + r"(norm\d)", "blocks.{0}.{1}"),
            (_BLOCK + r"attn_unit/scale", "blocks.{0}.attn.temperature"),
            (_BLOCK + r"(attn|mlp)_(\w+)", "blocks.{0}.{1}.{2}"),
            (_BLOCK + r"local_norm", "blocks.{0}.local_mp.bn"),
            (_BLOCK + r"local_(conv\d)", "blocks.{0}.local_mp.{1}"),
            (r"cls_stage_token/token", "cls_token"),
            (_STAGE + r"res(\d)/gamma", _TOKEN_ONLY + "gamma{1}"),
            *class_attention,
            (_STAGE + r"(attn|mlp)_(\w+)", _TOKEN_ONLY + "{1}.{2}"),
            (_STAGE + r"(norm\d)", _TOKEN_ONLY + "{1}"),
            (r"(norm|head)", "{0}"),
        ),
        shapes=((r".*\.temperature", (..., 1, 1)),),
    )


SOURCES = {
    "timm": _source("pos_embed", [(_STAGE + r"attn_kv", (_TOKEN_ONLY + "attn.k", _TOKEN_ONLY + "attn.v"), fused)]),
    "official": _source(
        "pos_embeder",
        [
            (_STAGE + rf"attn_{ours}/{variable}", f"{_TOKEN_ONLY}attn.qkv.{theirs}", function)
            for ours, function in (("q", _queries), ("kv", _keys_and_values))
            for variable, theirs in (("kernel", "weight"), ("bias", "bias"))
        ],
    ),
}
