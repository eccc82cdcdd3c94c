"""Initial weights that several architectures share. The default is DeiT's and Swin's: `blocks.initializers`."""

from vitgraph.blocks.initializers import (
    InitialWeights,
    glorot_normal,
    glorot_uniform,
    he_fan_in,
    he_fan_out,
    normal,
    pytorch_uniform,
    zeros,
)

TIMM_VIT = InitialWeights(special={r"(?:cls|reg)_token/token": normal(1e-6)})
"""timm's ViT, with weight_init=""."""

PYRAMID = InitialWeights(conv=he_fan_out, conv_bias=zeros)
"""PVT v2, Twins, ScalableViT: `_init_weights` of the official code."""


def _smaller_with_depth(block, fan_in, fan_out):
    return normal(0.02 / (2 * (int(block) + 1)) ** 0.5)(fan_in, fan_out)


BEIT = InitialWeights(
    special={r"block_(\d+)_(?:attn_proj|mlp_fc2)/kernel": _smaller_with_depth, "head/kernel": normal(0.02 * 0.001)}
)
"""BEiT and EVA: `fix_init_weight` and `init_scale` of the official code."""

PYTORCH = InitialWeights(dense=pytorch_uniform, dense_bias=pytorch_uniform)
"""What PyTorch's layers begin with where a net says nothing."""

VIT_PYTORCH = InitialWeights(
    dense=pytorch_uniform, dense_bias=pytorch_uniform, token=normal(1.0), table=normal(1.0), latent=normal(1.0)
)
"""The same, with vit-pytorch's `torch.randn` for tokens and tables."""

LOCALITY = InitialWeights(special={r".*_mlp_fc\d/kernel": pytorch_uniform})
"""LocalViT, whose feed-forward layers are convolutions."""

COMPACT = InitialWeights(conv=he_fan_in, token=zeros, table=normal(0.2))
"""CCT and its relatives: `utils/tokenizer.py` and `utils/transformers.py` of the official code."""

SMALL_DATA = InitialWeights(
    dense=glorot_normal, conv=glorot_normal, conv_bias=zeros, token=normal(1.0), table=normal(1.0)
)
"""ViT and PiT for small data: `init_weights` of the official code."""

MOBILE = InitialWeights(dense=normal(0.01), conv=he_fan_out, conv_bias=zeros)
"""timm's MobileViT: `byobnet.py`."""

MAXVIT = InitialWeights(
    dense=glorot_uniform,
    conv=he_fan_out,
    conv_bias=zeros,
    special={r".*_(?:mlp|pos)_fc\d/bias": normal(1e-6), r"head(?:_rep)?/.*": pytorch_uniform},
)
"""timm's MaxViT: `_init_transformer` and `_init_conv` of `maxxvit.py`."""
