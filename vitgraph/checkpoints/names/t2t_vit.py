"""Names in T2T-ViT's official checkpoints, by the kind of attention in its tokens-to-token module."""

from vitgraph.checkpoints.source import Source

_TOKENS, _THEIRS = r"tokens_(\d)_", "tokens_to_token.attention{0}."

_COMMON = (
    (_TOKENS + r"(norm\d)", _THEIRS + "{1}"),
    (r"patch_embed", "tokens_to_token.project"),
    (r"cls_token/token", "cls_token"),
    (r"pos_embed/table", "pos_embed"),
    (r"block_(\d+)_(attn|mlp)_(\w+)", "blocks.{0}.{1}.{2}"),
    (r"block_(\d+)_(norm\d)", "blocks.{0}.{1}"),
    (r"(norm|head)", "{0}"),
)

SOURCES = {
    "transformer": Source(renames=((_TOKENS + r"(attn|mlp)_(\w+)", _THEIRS + "{1}.{2}"), *_COMMON)),
    "performer": Source(
        renames=(
            (_TOKENS + r"attn/vectors", _THEIRS + "w"),
            (_TOKENS + r"attn_(\w+)", _THEIRS + "{1}"),
            (_TOKENS + r"mlp_fc1", _THEIRS + "mlp.0"),
            (_TOKENS + r"mlp_fc2", _THEIRS + "mlp.2"),
            *_COMMON,
        )
    ),
}
