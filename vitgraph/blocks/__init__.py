"""The layers of the graphs, in addition to Keras' own. A saved model needs nothing else of this package."""

from vitgraph.blocks.activations import GELU, GatedActivation, QuickGELU
from vitgraph.blocks.attention.core import (
    AttentionMap,
    AttentionRollout,
    CrossAttention,
    HeadsAttention,
    QKVAttention,
    SelfAttention,
    SplitHeads,
)
from vitgraph.blocks.attention.cosine import CosineQKV, QVBias
from vitgraph.blocks.attention.grouped import ContextAttention, ContextGate, GroupedAttention
from vitgraph.blocks.attention.heads import InterleaveHeads, SplitBias, TakeValues
from vitgraph.blocks.attention.interleaved import (
    InterleavedCrossAttention,
    InterleavedSelfAttention,
    OffsetBias,
    WindowOffsetBias,
)
from vitgraph.blocks.attention.linear import RandomFeatureAttention, ReLULinearAttention
from vitgraph.blocks.attention.locality import LocalitySelfAttention, QueryScale
from vitgraph.blocks.attention.nystrom import NystromAttention
from vitgraph.blocks.attention.reattention import MapAttention, MixHeads
from vitgraph.blocks.attention.residual import AttentionScores, ScoredAttention
from vitgraph.blocks.attention.talking_heads import HeadMixture, TalkingHeadsAttention
from vitgraph.blocks.attention_forms.cross_covariance import CrossCovarianceAttention, JoinChannels, UnitChannels
from vitgraph.blocks.attention_forms.gated import GatedPositionalAttention, GridAttention
from vitgraph.blocks.attention_forms.pooled import AxisOffsets, HeadwiseConv2D, PooledAttention
from vitgraph.blocks.base import Layer
from vitgraph.blocks.convolution.convolution import DepthwiseConv2D, GroupedConv2D, PatchConv2D
from vitgraph.blocks.convolution.grouped import GroupedDense
from vitgraph.blocks.convolution.overlapping import OverlappingPatches
from vitgraph.blocks.convolution.padding import PadToSame
from vitgraph.blocks.convolution.pooling import AdaptiveAveragePooling, AveragePooling, MaxPooling
from vitgraph.blocks.convolution.resizing import FitToStride, ResizeLike, ResizeToMultiple, ScaleImage
from vitgraph.blocks.convolution.shifting import DiagonalShifts
from vitgraph.blocks.convolution.unfolding import Fold, Unfold
from vitgraph.blocks.graph import GraphModel, Stage
from vitgraph.blocks.normalization import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from vitgraph.blocks.positions.fourier import FourierPositions
from vitgraph.blocks.positions.grid_bias import GridBias
from vitgraph.blocks.positions.image_blocks import BlockPositions
from vitgraph.blocks.positions.rotary import MixedRotaryTable, RotaryTable, Rotate
from vitgraph.blocks.positions.sinusoids import SinePosition, SinusoidTable
from vitgraph.blocks.positions.tables import PositionTable, SinCosPosition, SinCosTable, WindowTable
from vitgraph.blocks.pretraining.contrast import CentredCrossEntropy, SwappedCosine, WeightNormDense
from vitgraph.blocks.pretraining.masking import (
    ColourBins,
    CorruptTokens,
    HiddenPixelsError,
    HideTokens,
    KeepTokens,
    MaskedCrossEntropy,
    MaskedSquaredError,
    NormalizePatches,
    RandomSubset,
    RestoreTokens,
    Unpatchify,
)
from vitgraph.blocks.pretraining.views import RandomResizedCrop
from vitgraph.blocks.residual import Residual
from vitgraph.blocks.tokens.sampling import (
    ClearPadding,
    MaskedAttention,
    PatchIds,
    PickIds,
    PickTokens,
    PutBack,
    TokenSampler,
)
from vitgraph.blocks.tokens.sequence_pooling import SequencePooling
from vitgraph.blocks.tokens.tokens import (
    AppendToken,
    DropLast,
    DropPrefix,
    Following,
    JoinPatches,
    Latent,
    PadToMultiple,
    Patchify,
    PrependTokens,
    RejoinPrefix,
    SplitParallel,
    SplitPatches,
    TakePrefix,
    TakeToken,
    ToMap,
    ToTokens,
)
from vitgraph.blocks.windows.grids import GridPartition, GridReverse
from vitgraph.blocks.windows.groups import GroupBias, GroupOffsets, GroupPartition, GroupReverse
from vitgraph.blocks.windows.regions import (
    Alongside,
    CropTo,
    JoinRegional,
    PadCentred,
    PadToRegions,
    RegionBias,
    TakeRegional,
)
from vitgraph.blocks.windows.windows import (
    ContinuousWindowBias,
    PatchMerging,
    WindowBias,
    WindowOffsets,
    WindowPartition,
    WindowReverse,
)

__all__ = [
    "AdaptiveAveragePooling",
    "Alongside",
    "AppendToken",
    "AttentionMap",
    "AttentionRollout",
    "AttentionScores",
    "AveragePooling",
    "AxisOffsets",
    "BatchNorm",
    "BlockPositions",
    "CentredCrossEntropy",
    "ClearPadding",
    "ColourBins",
    "ContextAttention",
    "ContextGate",
    "ContinuousWindowBias",
    "CorruptTokens",
    "CosineQKV",
    "CropTo",
    "CrossAttention",
    "CrossCovarianceAttention",
    "DepthwiseConv2D",
    "DiagonalShifts",
    "DropLast",
    "DropPrefix",
    "FitToStride",
    "Fold",
    "Following",
    "FourierPositions",
    "GatedActivation",
    "GatedPositionalAttention",
    "GELU",
    "GraphModel",
    "GridAttention",
    "GridBias",
    "GridPartition",
    "GridReverse",
    "GroupBias",
    "GroupedConv2D",
    "GroupNorm",
    "GroupedAttention",
    "GroupedDense",
    "GroupOffsets",
    "GroupPartition",
    "GroupReverse",
    "HeadMixture",
    "HeadsAttention",
    "HeadwiseConv2D",
    "InterleavedCrossAttention",
    "InterleavedSelfAttention",
    "HiddenPixelsError",
    "HideTokens",
    "InterleaveHeads",
    "JoinChannels",
    "JoinPatches",
    "JoinRegional",
    "KeepTokens",
    "Latent",
    "Layer",
    "LayerNorm",
    "LocalitySelfAttention",
    "MapAttention",
    "MaskedAttention",
    "MaskedCrossEntropy",
    "MaskedSquaredError",
    "MaxPooling",
    "MixHeads",
    "MixedRotaryTable",
    "NormalizePatches",
    "NystromAttention",
    "OffsetBias",
    "OverlappingPatches",
    "PadCentred",
    "PadToMultiple",
    "PadToRegions",
    "PadToSame",
    "PatchConv2D",
    "PatchIds",
    "Patchify",
    "PatchMerging",
    "PickIds",
    "PickTokens",
    "PooledAttention",
    "PositionTable",
    "PrependTokens",
    "PutBack",
    "QKVAttention",
    "QVBias",
    "QueryScale",
    "QuickGELU",
    "RandomFeatureAttention",
    "RandomResizedCrop",
    "RandomSubset",
    "RegionBias",
    "RejoinPrefix",
    "ReLULinearAttention",
    "RMSNorm",
    "RotaryTable",
    "Rotate",
    "Residual",
    "ResizeLike",
    "ResizeToMultiple",
    "RestoreTokens",
    "ScaleImage",
    "ScoredAttention",
    "SelfAttention",
    "SequencePooling",
    "SinCosPosition",
    "SinCosTable",
    "SinePosition",
    "SinusoidTable",
    "SplitBias",
    "SplitHeads",
    "SplitParallel",
    "SplitPatches",
    "Stage",
    "SwappedCosine",
    "TakePrefix",
    "TakeRegional",
    "TakeToken",
    "TakeValues",
    "TalkingHeadsAttention",
    "TokenSampler",
    "ToMap",
    "ToTokens",
    "UnitChannels",
    "Unfold",
    "Unpatchify",
    "WeightNormDense",
    "WindowBias",
    "WindowOffsetBias",
    "WindowOffsets",
    "WindowPartition",
    "WindowReverse",
    "WindowTable",
]
