"""The layers that graphs are made of, beside Keras' own. A saved model needs nothing else of this package."""

from vitgraph.blocks.activations import GELU, GatedActivation, QuickGELU
from vitgraph.blocks.attention import AttentionMap, CrossAttention, HeadsAttention, SelfAttention, SplitHeads
from vitgraph.blocks.base import Block
from vitgraph.blocks.convolution import DepthwiseConv2D
from vitgraph.blocks.graph import GraphModel, Stage
from vitgraph.blocks.normalization import LayerNorm
from vitgraph.blocks.pooling import AdaptiveAveragePooling
from vitgraph.blocks.positions import PositionTable, SinCosPosition
from vitgraph.blocks.residual import Residual
from vitgraph.blocks.scaling import ResizeLike, ScaleImage
from vitgraph.blocks.sequence import SequencePooling, SinePosition
from vitgraph.blocks.tokens import (
    DropPrefix,
    Latent,
    PadToMultiple,
    Patchify,
    PrependTokens,
    SplitParallel,
    TakePrefix,
    TakeToken,
    ToMap,
    ToTokens,
)
from vitgraph.blocks.windows import PatchMerging, WindowBias, WindowPartition, WindowReverse

__all__ = [
    "AdaptiveAveragePooling",
    "AttentionMap",
    "Block",
    "CrossAttention",
    "DepthwiseConv2D",
    "DropPrefix",
    "GELU",
    "GatedActivation",
    "GraphModel",
    "HeadsAttention",
    "Latent",
    "LayerNorm",
    "PadToMultiple",
    "PatchMerging",
    "Patchify",
    "PositionTable",
    "PrependTokens",
    "QuickGELU",
    "Residual",
    "ResizeLike",
    "ScaleImage",
    "SelfAttention",
    "SequencePooling",
    "SinCosPosition",
    "SinePosition",
    "SplitHeads",
    "SplitParallel",
    "Stage",
    "TakePrefix",
    "TakeToken",
    "ToMap",
    "ToTokens",
    "WindowBias",
    "WindowPartition",
    "WindowReverse",
]
