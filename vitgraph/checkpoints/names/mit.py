"""Names in MiT's checkpoints on the Hugging Face hub; NVIDIA's own files are read by PVT v2's table."""

from vitgraph.checkpoints.names._transformers import as_in_files
from vitgraph.checkpoints.source import Source, fused

_BLOCK = r"stage_(\d)_block_(\d+)_"
_ENCODER = "segformer.encoder."
_THEIRS = _ENCODER + "block.{0:-1}.{1}."
_KEYS_AND_VALUES = [f"{_THEIRS}attention.self.{part}" for part in ("key", "value")]

SOURCES = {
    "transformers": Source(
        renames=(
            (r"stage_(\d)_embed", _ENCODER + "patch_embeddings.{0:-1}.proj"),
            (r"stage_(\d)_embed_norm", _ENCODER + "patch_embeddings.{0:-1}.layer_norm"),
            (r"stage_(\d)_norm", _ENCODER + "layer_norm.{0:-1}"),
            (_BLOCK + r"norm(\d)", _THEIRS + "layer_norm_{2}"),
            (_BLOCK + "attn_q", _THEIRS + "attention.self.query"),
            (_BLOCK + "attn_kv/kernel", [f"{part}.weight" for part in _KEYS_AND_VALUES], fused),
            (_BLOCK + "attn_kv/bias", [f"{part}.bias" for part in _KEYS_AND_VALUES], fused),
            (_BLOCK + "attn_sr", _THEIRS + "attention.self.sr"),
            (_BLOCK + "attn_norm", _THEIRS + "attention.self.layer_norm"),
            (_BLOCK + "attn_proj", _THEIRS + "attention.output.dense"),
            (_BLOCK + r"mlp_fc(\d)", _THEIRS + "mlp.dense{2}"),
            (_BLOCK + "mlp_dwconv", _THEIRS + "mlp.dwconv.dwconv"),
            (r"head", "classifier"),
            (r"decode_proj_(\d)", "decode_head.linear_c.{0:-1}.proj"),
            (r"decode_fuse", "decode_head.linear_fuse"),
            (r"decode_norm", "decode_head.batch_norm"),
            (r"head_pixels", "decode_head.classifier"),
        ),
        head=r"(classifier|decode_head)\..*",
        shapes=((r"decode_head\.(linear_fuse|classifier)\.weight", (..., ..., 1, 1)),),  # convolutions there
        prepare=as_in_files("segformer.", r"(classifier|decode_head)\."),
    ),
}
