"""Names in the official checkpoints of CCT, CVT and ViT-Lite."""

from vitgraph.checkpoints.source import Source

_RENAMES = (
    (r"tokenizer_(\d+)_conv", "tokenizer.conv_layers.{0}.0"),
    (r"patch_embed", "tokenizer.conv_layers.0.0"),
    (r"cls_token/token", "classifier.class_emb"),
    (r"pos_embed/table", "classifier.positional_emb"),
    (r"block_(\d+)_attn_(\w+)", "classifier.blocks.{0}.self_attn.{1}"),
    (r"block_(\d+)_mlp_fc(\d)", "classifier.blocks.{0}.linear{1}"),
    (r"block_(\d+)_(\w+)", "classifier.blocks.{0}.{1}"),
    (r"norm", "classifier.norm"),
    (r"attn_pool", "classifier.attention_pool"),
    (r"head", "classifier.fc"),
)

_HEAD = r"classifier\.(attention_pool|fc)\..*"

SOURCES = {
    "official": Source(_RENAMES, head=_HEAD),
    "official_sine": Source(_RENAMES, head=_HEAD, ignored=r"classifier\.positional_emb"),
}
