"""Names in the checkpoints of vit-pytorch's efficient ViT with a Nystroem transformer."""

from vitgraph.checkpoints.source import Source, linear_to_conv

_LAYER = "transformer.layers.{0}."

_NYSTROMFORMER = (
    (r"pos_embed/table", "pos_embedding"),
    (r"cls_token/token", "cls_token"),
    (r"block_(\d+)_norm1", _LAYER + "0.norm"),
    (r"block_(\d+)_attn_qkv", _LAYER + "0.fn.to_qkv"),
    (r"block_(\d+)_attn_conv", _LAYER + "0.fn.res_conv"),
    (r"block_(\d+)_attn_proj", _LAYER + "0.fn.to_out.0"),
    (r"block_(\d+)_norm2", _LAYER + "1.norm"),
    (r"block_(\d+)_mlp_fc1", _LAYER + "1.fn.net.0"),
    (r"block_(\d+)_mlp_fc2", _LAYER + "1.fn.net.3"),
    (r"(?:fc_)?norm", "mlp_head.0"),
    (r"head", "mlp_head.1"),
)

SOURCES = {
    "lucidrains": Source(
        renames=(
            (r"patch_norm1", "to_patch_embedding.1"),
            (r"patch_proj", "to_patch_embedding.2"),
            (r"patch_embed", "to_patch_embedding.3"),
            *_NYSTROMFORMER,
        ),
        head=r"mlp_head\..*",
    ),
    "lucidrains_2022": Source(
        renames=(
            (r"patch_embed/kernel", "to_patch_embedding.1.weight", linear_to_conv),
            (r"patch_embed", "to_patch_embedding.1"),
            *_NYSTROMFORMER,
        ),
        head=r"mlp_head\..*",
    ),
}
