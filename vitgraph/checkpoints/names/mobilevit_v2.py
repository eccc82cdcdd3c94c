"""Names in MobileViT v2's checkpoints: timm's, Apple's (ml-cvnets), and the transformers library's."""

from vitgraph.checkpoints.names.mobilevit import (
    BLOCK,
    CVNETS_INVERTED,
    LAYER,
    TIMM,
    cvnets_convolution,
    transformers,
)
from vitgraph.checkpoints.source import Source

_LAYER = "mobilevitv2.encoder.layer.{0:-1}.transformer.layer.{2}."

SOURCES = {
    "timm": Source(
        renames=(
            (LAYER + r"attn_qkv", "stages.{0:-1}.{1}.transformer.{2}.attn.qkv_proj"),
            (LAYER + r"attn_proj", "stages.{0:-1}.{1}.transformer.{2}.attn.out_proj"),
            *TIMM,
        ),
        shapes=((r".*\.transformer\.\d+\.(attn\.(qkv|out)_proj|mlp\.fc\d)\.weight", (..., ..., 1, 1)),),
    ),
    "cvnets": Source(
        renames=(
            *cvnets_convolution("stem", "conv_1"),
            *CVNETS_INVERTED,
            *cvnets_convolution(BLOCK + "conv_kxk", "layer_{0}.{1}.local_rep.0"),
            *cvnets_convolution(BLOCK + "conv_1x1", "layer_{0}.{1}.local_rep.1"),
            *cvnets_convolution(BLOCK + "conv_proj", "layer_{0}.{1}.conv_proj"),
            (LAYER + r"norm", "layer_{0}.{1}.global_rep.{2}"),
            (LAYER + r"norm1", "layer_{0}.{1}.global_rep.{2}.pre_norm_attn.0"),
            (LAYER + r"attn_qkv", "layer_{0}.{1}.global_rep.{2}.pre_norm_attn.1.qkv_proj.block.conv"),
            (LAYER + r"attn_proj", "layer_{0}.{1}.global_rep.{2}.pre_norm_attn.1.out_proj.block.conv"),
            (LAYER + r"norm2", "layer_{0}.{1}.global_rep.{2}.pre_norm_ffn.0"),
            (LAYER + r"mlp_fc1", "layer_{0}.{1}.global_rep.{2}.pre_norm_ffn.1.block.conv"),
            (LAYER + r"mlp_fc2", "layer_{0}.{1}.global_rep.{2}.pre_norm_ffn.3.block.conv"),
            (r"head", "classifier.1"),
        ),
        head=r"classifier\..*",
        shapes=((r".*\.pre_norm_(attn|ffn)\..*\.conv\.weight", (..., ..., 1, 1)),),
    ),
    "transformers": transformers(
        "mobilevitv2.",
        {"conv_kxk": "conv_kxk", "conv_1x1": "conv_1x1", "conv_proj": "conv_projection"},
        (LAYER + "norm1", _LAYER + "layernorm_before"),
        (LAYER + "norm2", _LAYER + "layernorm_after"),
        (LAYER + "attn_qkv", _LAYER + "attention.qkv_proj.convolution"),
        (LAYER + "attn_proj", _LAYER + "attention.out_proj.convolution"),
        (LAYER + r"mlp_fc(\d)", _LAYER + "ffn.conv{3}.convolution"),
    ),
}
