"""Names in ConViT's checkpoints."""

from vitgraph.checkpoints.source import Source

_BLOCK = r"block_(\d+)_"

SOURCES = {
    "timm": Source(  # the official code has timm's names
        renames=(
            (r"patch_embed", "patch_embed.proj"),
            (r"cls_token/token", "cls_token"),
            (r"pos_embed/table", "pos_embed"),
            (_BLOCK + r"attn_pos/gate", "blocks.{0}.attn.gating_param"),
            (_BLOCK + r"attn_pos/kernel", "blocks.{0}.attn.pos_proj.weight"),
            (_BLOCK + r"attn_pos/bias", "blocks.{0}.attn.pos_proj.bias"),
            (_BLOCK + r"(attn|mlp)_(\w+)", "blocks.{0}.{1}.{2}"),
            (_BLOCK + r"(norm\d)", "blocks.{0}.{1}"),
            (r"(norm|head)", "{0}"),
        ),
    )
}
