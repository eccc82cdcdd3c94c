"""The layers that graphs are made of, beside Keras' own. A saved model needs nothing else of this package."""

from vitgraph.blocks.activations import GELU, GatedActivation, QuickGELU
from vitgraph.blocks.attention import (
    AttentionMap,
    AttentionRollout,
    CrossAttention,
    HeadsAttention,
    QKVAttention,
    SelfAttention,
    SplitHeads,
)
from vitgraph.blocks.base import Block
from vitgraph.blocks.contrast import CentredCrossEntropy, SwappedCosine, WeightNormDense
from vitgraph.blocks.convolution import DepthwiseConv2D, PatchConv2D
from vitgraph.blocks.cosine import CosineQKV, QVBias
from vitgraph.blocks.graph import GraphModel, Stage
from vitgraph.blocks.grid_bias import GridBias
from vitgraph.blocks.grouped import ContextAttention, ContextGate, GroupedAttention
from vitgraph.blocks.groups import GroupBias, GroupOffsets, GroupPartition, GroupReverse
from vitgraph.blocks.locality_attention import LocalitySelfAttention, QueryScale
from vitgraph.blocks.masking import (
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
from vitgraph.blocks.nesting import BlockPositions, InterleaveHeads, MaxPooling
from vitgraph.blocks.normalization import BatchNorm, LayerNorm
from vitgraph.blocks.nystrom import NystromAttention
from vitgraph.blocks.offset_attention import InterleavedCrossAttention, InterleavedSelfAttention, OffsetBias
from vitgraph.blocks.overlapping import OverlappingPatches
from vitgraph.blocks.pooling import AdaptiveAveragePooling, AveragePooling
from vitgraph.blocks.positions import PositionTable, SinCosPosition, SinCosTable
from vitgraph.blocks.random_features import RandomFeatureAttention
from vitgraph.blocks.reattention import MapAttention, MixHeads
from vitgraph.blocks.regions import (
    Alongside,
    CropTo,
    JoinRegional,
    PadCentred,
    PadToRegions,
    RegionBias,
    TakeRegional,
)
from vitgraph.blocks.residual import Residual
from vitgraph.blocks.residual_attention import AttentionScores, ScoredAttention
from vitgraph.blocks.resizing import ResizeLike, ResizeToMultiple, ScaleImage
from vitgraph.blocks.sampling import (
    ClearPadding,
    MaskedAttention,
    PatchIds,
    PickIds,
    PickTokens,
    PutBack,
    TokenSampler,
)
from vitgraph.blocks.sequence import SequencePooling, SinePosition, SinusoidTable
from vitgraph.blocks.shifting import DiagonalShifts
from vitgraph.blocks.talking_heads import HeadMixture, TalkingHeadsAttention
from vitgraph.blocks.tokens import (
    AppendToken,
    DropLast,
    DropPrefix,
    Latent,
    PadToMultiple,
    Patchify,
    PrependTokens,
    RejoinPrefix,
    SplitParallel,
    TakePrefix,
    TakeToken,
    ToMap,
    ToTokens,
)
from vitgraph.blocks.unfolding import Fold, Unfold
from vitgraph.blocks.values import TakeValues
from vitgraph.blocks.views import RandomResizedCrop
from vitgraph.blocks.windows import (
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
    "BatchNorm",
    "Block",
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
    "DepthwiseConv2D",
    "DiagonalShifts",
    "DropLast",
    "DropPrefix",
    "Fold",
    "GatedActivation",
    "GELU",
    "GraphModel",
    "GridBias",
    "GroupBias",
    "GroupedAttention",
    "GroupOffsets",
    "GroupPartition",
    "GroupReverse",
    "HeadMixture",
    "HeadsAttention",
    "InterleavedCrossAttention",
    "InterleavedSelfAttention",
    "HiddenPixelsError",
    "HideTokens",
    "InterleaveHeads",
    "JoinRegional",
    "KeepTokens",
    "Latent",
    "LayerNorm",
    "LocalitySelfAttention",
    "MapAttention",
    "MaskedAttention",
    "MaskedCrossEntropy",
    "MaskedSquaredError",
    "MaxPooling",
    "MixHeads",
    "NormalizePatches",
    "NystromAttention",
    "OffsetBias",
    "OverlappingPatches",
    "PadCentred",
    "PadToMultiple",
    "PadToRegions",
    "PatchConv2D",
    "PatchIds",
    "Patchify",
    "PatchMerging",
    "PickIds",
    "PickTokens",
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
    "SplitHeads",
    "SplitParallel",
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
    "Unfold",
    "Unpatchify",
    "WeightNormDense",
    "WindowBias",
    "WindowOffsets",
    "WindowPartition",
    "WindowReverse",
]
