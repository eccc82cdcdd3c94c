"""Names in PVT v2's checkpoints: timm's, the official ones, and the transformers library's."""

from vitgraph.checkpoints.names._transformers import as_in_files
from vitgraph.checkpoints.source import Source, fused

_BLOCK = r"stage_(\d)_block_(\d+)_"
_STAGE = "pvt_v2.encoder.layers.{0:-1}."
_LAYER = _STAGE + "blocks.{1}."

SOURCES = {
    "timm": Source(
        renames=(
            (r"stage_1_embed", "patch_embed.proj"),
            (r"stage_1_embed_norm", "patch_embed.norm"),
            (r"stage_(\d)_embed", "stages.{0:-1}.downsample.proj"),
            (r"stage_(\d)_embed_norm", "stages.{0:-1}.downsample.norm"),
            (r"stage_(\d)_norm", "stages.{0:-1}.norm"),
            (_BLOCK + r"(norm\d)", "stages.{0:-1}.blocks.{1}.{2}"),
            (_BLOCK + r"(attn|mlp)_(\w+)", "stages.{0:-1}.blocks.{1}.{2}.{3}"),
            (r"head", "head"),
        ),
    ),
    "official": Source(
        renames=(
            (r"stage_(\d)_embed", "patch_embed{0}.proj"),
            (r"stage_(\d)_embed_norm", "patch_embed{0}.norm"),
            (r"stage_(\d)_norm", "norm{0}"),
            (_BLOCK + r"(norm\d)", "block{0}.{1}.{2}"),
            (_BLOCK + r"mlp_dwconv", "block{0}.{1}.mlp.dwconv.dwconv"),
            (_BLOCK + r"(attn|mlp)_(\w+)", "block{0}.{1}.{2}.{3}"),
            (r"head", "head"),
        ),
    ),
    "transformers": Source(
        renames=(
            (r"stage_(\d)_embed", _STAGE + "patch_embedding.proj"),
            (r"stage_(\d)_embed_norm", _STAGE + "patch_embedding.layer_norm"),
            (r"stage_(\d)_norm", _STAGE + "layer_norm"),
            (_BLOCK + r"norm(\d)", _LAYER + "layer_norm_{2}"),
            (_BLOCK + "attn_q", _LAYER + "attention.query"),
            (_BLOCK + "attn_kv", (_LAYER + "attention.key", _LAYER + "attention.value"), fused),
            (_BLOCK + "attn_sr", _LAYER + "attention.spatial_reduction"),
            (_BLOCK + "attn_norm", _LAYER + "attention.layer_norm"),
            (_BLOCK + "attn_proj", _LAYER + "attention.proj"),
            (_BLOCK + r"mlp_fc(\d)", _LAYER + "mlp.dense{2}"),
            (_BLOCK + "mlp_dwconv", _LAYER + "mlp.dwconv.dwconv"),
            (r"head", "classifier"),
        ),
        head=r"classifier\..*",
        prepare=as_in_files("pvt_v2.", r"classifier\."),
    ),
}
