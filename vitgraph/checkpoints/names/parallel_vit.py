"""Names in the checkpoints of vit-pytorch's parallel ViT."""

from vitgraph.checkpoints.source import Source, linear_to_conv

_LAYER = "transformer.layers.{0}."
_ATTENTION, _MLP = _LAYER + "0.fns.{1}.", _LAYER + "1.fns.{1}.net."

SOURCES = {  # timm's checkpoints are read by ViT's tables
    "lucidrains": Source(
        renames=(
            (r"patch_embed/kernel", "to_patch_embedding.1.weight", linear_to_conv),
            (r"patch_embed", "to_patch_embedding.1"),
            (r"pos_embed/table", "pos_embedding"),
            (r"cls_token/token", "cls_token"),
            (r"block_(\d+)_attns_(\d+)_norm", _ATTENTION + "norm"),
            (r"block_(\d+)_attns_(\d+)_attn_qkv", _ATTENTION + "to_qkv"),
            (r"block_(\d+)_attns_(\d+)_attn_proj", _ATTENTION + "to_out.0"),
            (r"block_(\d+)_ffns_(\d+)_norm", _MLP + "0"),
            (r"block_(\d+)_ffns_(\d+)_mlp_fc1", _MLP + "1"),
            (r"block_(\d+)_ffns_(\d+)_mlp_fc2", _MLP + "4"),
            (r"(?:fc_)?norm", "mlp_head.0"),
            (r"head", "mlp_head.1"),
        ),
        head=r"mlp_head\..*",
    ),
}
