"""Names in CvT's checkpoints: the official ones and the Hugging Face hub's."""

from vitgraph.checkpoints.names._transformers import as_in_files
from vitgraph.checkpoints.source import Source

_BLOCK = r"stage_(\d)_block_(\d+)_"
_THEIRS = "stage{0:-1}.blocks.{1}."
_HUB = "cvt.encoder.stages.{0:-1}."
_HUB_BLOCK = _HUB + "layers.{1}."


def _hub_projection(part, name):
    """One of queries, keys and values in the Hugging Face hub's checkpoints."""
    attention = _HUB_BLOCK + "attention.attention."
    convolution = f"{attention}convolution_projection_{name}.convolution_projection."
    return (
        (_BLOCK + f"attn_{part}", f"{attention}projection_{name}"),
        (_BLOCK + f"attn_{part}_conv", f"{convolution}convolution"),
        (_BLOCK + f"attn_{part}_conv_norm", f"{convolution}normalization"),
    )


SOURCES = {
    "official": Source(
        renames=(
            (r"stage_(\d)_embed", "stage{0:-1}.patch_embed.proj"),
            (r"stage_(\d)_embed_norm", "stage{0:-1}.patch_embed.norm"),
            (r"stage_(\d)_cls_token/token", "stage{0:-1}.cls_token"),
            (_BLOCK + r"(norm\d)", _THEIRS + "{2}"),
            (_BLOCK + r"attn_([qkv])", _THEIRS + "attn.proj_{2}"),
            (_BLOCK + r"attn_([qkv])_conv", _THEIRS + "attn.conv_proj_{2}.conv"),
            (_BLOCK + r"attn_([qkv])_conv_norm", _THEIRS + "attn.conv_proj_{2}.bn"),
            (_BLOCK + r"(attn|mlp)_(proj|fc\d)", _THEIRS + "{2}.{3}"),
            (r"(norm|head)", "{0}"),
        ),
    ),
    "transformers": Source(
        renames=(
            (r"stage_(\d)_embed", _HUB + "embedding.convolution_embeddings.projection"),
            (r"stage_(\d)_embed_norm", _HUB + "embedding.convolution_embeddings.normalization"),
            (r"stage_(\d)_cls_token/token", _HUB + "cls_token"),
            (_BLOCK + "norm1", _HUB_BLOCK + "layernorm_before"),
            (_BLOCK + "norm2", _HUB_BLOCK + "layernorm_after"),
            *_hub_projection("q", "query"),
            *_hub_projection("k", "key"),
            *_hub_projection("v", "value"),
            (_BLOCK + "attn_proj", _HUB_BLOCK + "attention.output.dense"),
            (_BLOCK + "mlp_fc1", _HUB_BLOCK + "intermediate.dense"),
            (_BLOCK + "mlp_fc2", _HUB_BLOCK + "output.dense"),
            (r"norm", "layernorm"),
            (r"head", "classifier"),
        ),
        head=r"(classifier|layernorm)\..*",
        prepare=as_in_files("cvt.", r"(classifier|layernorm)\."),
    ),
}
