"""Names in PVT's checkpoints: the official ones and the transformers library's."""

from vitgraph.checkpoints.names._transformers import as_in_files
from vitgraph.checkpoints.source import Source, fused

_BLOCK = r"stage_(\d)_block_(\d+)_"
_EMBED, _LAYER = "pvt.encoder.patch_embeddings.{0:-1}.", "pvt.encoder.block.{0:-1}.{1}."

SOURCES = {
    "official": Source(
        renames=(
            (r"stage_(\d)_embed", "patch_embed{0}.proj"),
            (r"stage_(\d)_embed_norm", "patch_embed{0}.norm"),
            (r"stage_(\d)_pos_embed/table", "pos_embed{0}"),
            (r"cls_token/token", "cls_token"),
            (_BLOCK + r"(norm\d)", "block{0}.{1}.{2}"),
            (_BLOCK + r"(attn|mlp)_(\w+)", "block{0}.{1}.{2}.{3}"),
            (r"(norm|head)", "{0}"),
        ),
    ),
    "transformers": Source(
        renames=(
            (r"stage_(\d)_embed", _EMBED + "projection"),
            (r"stage_(\d)_embed_norm", _EMBED + "layer_norm"),
            (r"stage_(\d)_pos_embed/table", _EMBED + "position_embeddings"),
            (r"cls_token/token", "pvt.encoder.patch_embeddings.3.cls_token"),
            (_BLOCK + r"norm(\d)", _LAYER + "layer_norm_{2}"),
            (_BLOCK + "attn_q", _LAYER + "attention.self.query"),
            (_BLOCK + "attn_kv", (_LAYER + "attention.self.key", _LAYER + "attention.self.value"), fused),
            (_BLOCK + "attn_sr", _LAYER + "attention.self.sequence_reduction"),
            (_BLOCK + "attn_norm", _LAYER + "attention.self.layer_norm"),
            (_BLOCK + "attn_proj", _LAYER + "attention.output.dense"),
            (_BLOCK + r"mlp_fc(\d)", _LAYER + "mlp.dense{2}"),
            (r"norm", "pvt.encoder.layer_norm"),
            (r"head", "classifier"),
        ),
        head=r"classifier\..*",
        prepare=as_in_files("pvt.", r"classifier\.", (r"\.\d\.cls_token", ".3.cls_token")),  # of the last stage
    ),
}
