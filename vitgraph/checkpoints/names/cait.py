"""Names in CaiT's checkpoints: timm's and the official ones."""

from vitgraph.checkpoints.source import Source, fused

_BLOCK, _STAGE, _TOKEN_ONLY = r"block_(\d+)_", r"cls_stage_(\d+)_", "blocks_token_only.{0}."

SOURCES = {
    "timm": Source(  # the official code has timm's names
        renames=(
            (r"patch_embed", "patch_embed.proj"),
            (r"pos_embed/table", "pos_embed"),
            (_BLOCK + r"res(\d)/gamma", "blocks.{0}.gamma_{1}"),
            (_BLOCK + r"(attn|mlp)_(\w+)", "blocks.{0}.{1}.{2}"),
            (_BLOCK + r"(norm\d)", "blocks.{0}.{1}"),
            (r"cls_stage_token/token", "cls_token"),
            (_STAGE + r"res(\d)/gamma", _TOKEN_ONLY + "gamma_{1}"),
            (_STAGE + r"attn_kv", (_TOKEN_ONLY + "attn.k", _TOKEN_ONLY + "attn.v"), fused),
            (_STAGE + r"(attn|mlp)_(\w+)", _TOKEN_ONLY + "{1}.{2}"),
            (_STAGE + r"(norm\d)", _TOKEN_ONLY + "{1}"),
            (r"(norm|head)", "{0}"),
        ),
        head=r"(head\.|blocks_token_only\.|cls_token).*",
    ),
}
