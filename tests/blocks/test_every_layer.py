"""Does every layer say its shapes, for sizes that are known and not, and come back from its configuration?"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.variants import value, with_random_weights
from vitgraph import blocks
from vitgraph.blocks import (
    GELU,
    AdaptiveAveragePooling,
    Alongside,
    AppendToken,
    AttentionMap,
    AttentionScores,
    AveragePooling,
    AxisOffsets,
    BatchNorm,
    BlockPositions,
    CentredCrossEntropy,
    ClearPadding,
    ColourBins,
    ContextAttention,
    ContextGate,
    ContinuousWindowBias,
    CorruptTokens,
    CosineQKV,
    CropTo,
    CrossAttention,
    CrossCovarianceAttention,
    DepthwiseConv2D,
    DiagonalShifts,
    DropLast,
    DropPrefix,
    FitToStride,
    Fold,
    Following,
    FourierPositions,
    GatedActivation,
    GatedPositionalAttention,
    GridAttention,
    GridBias,
    GridPartition,
    GridReverse,
    GroupBias,
    GroupedAttention,
    GroupedConv2D,
    GroupedDense,
    GroupNorm,
    GroupOffsets,
    GroupPartition,
    GroupReverse,
    HeadMixture,
    HeadsAttention,
    HeadwiseConv2D,
    HiddenPixelsError,
    HideTokens,
    InterleavedCrossAttention,
    InterleavedSelfAttention,
    InterleaveHeads,
    JoinChannels,
    JoinPatches,
    JoinRegional,
    KeepTokens,
    Latent,
    LayerNorm,
    LocalitySelfAttention,
    MapAttention,
    MaskedAttention,
    MaskedCrossEntropy,
    MaskedSquaredError,
    MaxPooling,
    MixedRotaryTable,
    MixHeads,
    NormalizePatches,
    NystromAttention,
    OffsetBias,
    OverlappingPatches,
    PadCentred,
    PadToMultiple,
    PadToRegions,
    PadToSame,
    PatchConv2D,
    PatchIds,
    Patchify,
    PatchMerging,
    PickIds,
    PickTokens,
    PooledAttention,
    PositionTable,
    PrependTokens,
    PutBack,
    QKVAttention,
    QueryScale,
    QuickGELU,
    QVBias,
    RandomFeatureAttention,
    RandomSubset,
    RegionBias,
    RejoinPrefix,
    ReLULinearAttention,
    Residual,
    ResizeLike,
    ResizeToMultiple,
    RestoreTokens,
    RMSNorm,
    RotaryTable,
    Rotate,
    ScaleImage,
    ScoredAttention,
    SelfAttention,
    SequencePooling,
    SinCosPosition,
    SinCosTable,
    SinePosition,
    SinusoidTable,
    SplitBias,
    SplitHeads,
    SplitParallel,
    SplitPatches,
    Stage,
    SwappedCosine,
    TakePrefix,
    TakeRegional,
    TakeToken,
    TakeValues,
    TalkingHeadsAttention,
    TokenSampler,
    ToMap,
    ToTokens,
    Unfold,
    UnitChannels,
    Unpatchify,
    WeightNormDense,
    WindowBias,
    WindowOffsetBias,
    WindowOffsets,
    WindowPartition,
    WindowReverse,
    WindowTable,
)

MAP, TOKENS = (2, 6, 10, 8), (2, 61, 8)

ROWS = [  # a layer, and the shapes of its inputs
    (GELU(), MAP),
    (GELU(approximate=True), TOKENS),
    (QuickGELU(), MAP),
    (GatedActivation(), TOKENS),
    (SelfAttention(2, scale=0.3, drop=0.5), (2, 60, 24)),
    (SelfAttention(2), (6, 20, 24), (3, 2, 20, 20)),
    (CrossAttention(2), MAP, (2, 15, 16)),
    (CrossAttention(2), MAP, (2, 3, 5, 16)),
    (QKVAttention(2), MAP, (2, 3, 5, 8), (2, 3, 5, 12)),
    (QKVAttention(2), TOKENS, (2, 15, 8), (2, 15, 8)),
    (InterleavedSelfAttention(2, 3), (2, 3, 5, 28), (1, 2, 15, 15)),
    (InterleavedCrossAttention(2), (2, 2, 3, 8), (2, 3, 5, 28), (1, 2, 6, 15)),
    (OffsetBias((3, 5), 2, 2), (2, 3, 5, 8)),
    (WindowOffsetBias((3, 5), 2), MAP),
    (SplitBias(3), (1, 3, 15, 15)),
    (SplitParallel((1, 5, 2)), MAP),
    (ReLULinearAttention(2), (2, 3, 5, 24)),
    (ReLULinearAttention(4), (2, 60, 24)),
    (AttentionMap(ReLULinearAttention(4)), (2, 60, 24)),
    (GroupedDense(2), MAP),
    (CrossAttention(2), MAP, (2, 3, 5, 14)),
    (SplitHeads(2), (2, 60, 24)),
    (HeadsAttention(2), (2, 60, 2, 4), (2, 20, 2, 4), (2, 20, 2, 4)),
    (RandomFeatureAttention(5), (2, 3, 5, 24)),
    (RandomFeatureAttention(5, num_heads=2, scale=0.5), (2, 60, 24)),
    (NystromAttention(2, 5), (2, 61, 24)),
    (NystromAttention(2, 5, pinv_shared=True), (2, 60, 24)),
    (AttentionMap(NystromAttention(2, 5)), (2, 61, 24)),
    (AttentionScores(2), (2, 60, 24)),
    (AttentionScores(2), (2, 60, 24), (2, 2, 60, 60)),
    (ScoredAttention(2), (2, 60, 24), (2, 2, 60, 60)),
    (AttentionMap(ScoredAttention(2)), (2, 60, 24), (2, 2, 60, 60)),
    (GroupedAttention(2), (2, 4, 15, 24)),
    (ContextAttention(drop=0.5), (2, 4, 15, 17)),
    (ContextGate(), (2, 4, 15, 17), (2, 4, 1, 8)),
    (AttentionMap(GroupedAttention(2)), (2, 4, 15, 24)),
    (AttentionMap(ContextAttention()), (2, 4, 15, 17)),
    (HeadMixture(2), TOKENS),
    (TalkingHeadsAttention(2), (2, 60, 24), (3, 2), (3, 2)),
    (MixHeads(), (2, 2, 60, 60), (3, 2)),
    (MapAttention(2, 0.3), (2, 60, 24), (2, 2, 60, 60)),
    (AttentionMap(MapAttention(2)), (2, 60, 24), (2, 2, 60, 60)),
    (AttentionMap(SelfAttention(2)), (2, 60, 24)),
    (AttentionMap(TalkingHeadsAttention(2)), (2, 60, 24), (3, 2), (3, 2)),
    (AttentionMap(CrossAttention(2)), MAP, (2, 15, 16)),
    (AdaptiveAveragePooling(7), MAP),
    (AveragePooling(3, 2, 1), (2, 7, 10, 8)),
    (DepthwiseConv2D(3), MAP),
    (DepthwiseConv2D((3, 5), strides=2, use_bias=False), (2, 7, 10, 8)),
    (PatchConv2D(5, (2, 3), (2, 3)), (2, 7, 10, 8)),
    (PositionTable((6, 10), 1), TOKENS, MAP),
    (PositionTable((4, 4)), (2, 60, 8), MAP),
    (PositionTable((4, 4), kernel="bilinear", antialias=False), MAP, MAP),
    (SinCosPosition(), (2, 60, 8), MAP),
    (SinCosTable((6, 10), 1), TOKENS, MAP),
    (SinePosition(), (2, 61, 7)),
    (SinusoidTable((6, 10), 1), TOKENS, MAP),
    (SinusoidTable((4, 4), 1, antialias=False), TOKENS, MAP),
    (WindowTable((2, 4)), MAP),
    (RotaryTable(8, prefix=1), MAP),
    (RotaryTable(8, centred=True, halves=True), MAP),
    (RotaryTable(8, reference=(3, 4), x_first=True), MAP),
    (MixedRotaryTable(8, 2, 3, prefix=1), MAP),
    (Rotate(), (2, 61, 2, 4), (1, 61, 1, 8)),
    (Rotate(1, halves=True), (2, 61, 2, 4), (3, 61, 2, 8)),
    (SequencePooling(), TOKENS, (2, 61, 1)),
    (ScaleImage(0.8), MAP),
    (ScaleImage(0.5, crop=True), (2, 7, 10, 8)),
    (FitToStride(2), (2, 3, 4, 5), MAP),
    (FitToStride(2, crop=True), (2, 7, 8, 5), MAP),
    (ResizeLike(), (2, 3, 4, 5), MAP),
    (Residual(0.1, 0.5, 0.5), MAP, MAP),
    (Residual(), TOKENS, TOKENS),
    (Stage(16, 1, "patch_embed"), TOKENS),
    (BatchNorm(), MAP),
    (GroupNorm(1), MAP),
    (RMSNorm(), TOKENS),
    (LayerNorm(), MAP),
    (LayerNorm(1e-5), TOKENS),
    (ToTokens(), MAP),
    (ToMap(1), TOKENS, MAP),
    (RejoinPrefix(2), MAP, TOKENS),
    (PrependTokens(3), TOKENS),
    (AppendToken(), TOKENS),
    (DropLast(), TOKENS),
    (Latent(2), TOKENS),
    (TakePrefix(2), TOKENS),
    (TakeToken(), TOKENS),
    (TakeValues(), (2, 6, 10, 24)),
    (DropPrefix(1), TOKENS),
    (PadToMultiple(4), MAP),
    (PadToSame(3, 2), (2, 7, 10, 8)),
    (Patchify((2, 5)), MAP),
    (Patchify((4, 3)), MAP),
    (Patchify((2, 5)), (2, 7, 11, 8)),
    (OverlappingPatches(3, 2, 1), (2, 7, 10, 8)),
    (OverlappingPatches(2, 2), MAP),
    (SplitParallel((5, 3), bias=True), TOKENS),
    (WindowPartition((4, 5), (2, 2)), MAP),
    (WindowPartition(8, 4, clip=False), MAP),
    (WindowReverse((4, 5), (2, 2)), (8, 20, 8), MAP),
    (WindowBias((4, 5), 2, (2, 2)), MAP),
    (WindowBias(16, 2, 8), MAP),
    (WindowOffsets((4, 5), (6, 6)), MAP),
    (WindowOffsets(16), MAP),
    (ContinuousWindowBias((4, 5), (2, 2)), (1, 63, 2), MAP),
    (ContinuousWindowBias(16, 8), (1, 11 * 19, 2), MAP),
    (CosineQKV(2), (6, 20, 24)),
    (GridPartition((4, 5)), MAP),
    (GridReverse((4, 5)), (8, 20, 8), MAP),
    (PatchMerging(), (2, 7, 10, 8)),
    (GroupPartition(3), MAP),
    (GroupPartition(2, 2, centre=True), (2, 7, 10, 8)),
    (GroupPartition(6, 2), MAP),
    (GroupReverse(2, 2, centre=True), (24, 4, 8), (2, 7, 10, 8)),
    (GroupReverse(3, None), (16, 9, 8), (2, 7, 10, 8)),
    (GroupOffsets(3, 2), MAP),
    (GroupOffsets(8), MAP),
    (GroupBias(2, 2, centre=True), (1, 9, 2), (2, 7, 10, 8)),
    (GroupBias(3, mask=False), (1, 25, 2), (2, 7, 10, 8)),
    (GroupBias(3, None), (1, 25, 2), (2, 7, 10, 8)),
    (PadCentred(6), MAP),
    (PadCentred(2), MAP),
    (PadToRegions(3), MAP, (2, 3, 4, 8)),
    (CropTo(), MAP, (2, 6, 9, 4)),
    (JoinRegional(), (2, 3, 4, 8), (24, 9, 8)),
    (TakeRegional(), (24, 10, 8), (2, 3, 4, 8)),
    (RegionBias(3, 2), MAP, (2, 3, 4, 8)),
    (Alongside(), (2, 3, 4, 8), MAP),
    (Unfold((3, 2)), MAP),
    (Fold((3, 2)), (2, 6, 10, 8), MAP),
    (ResizeToMultiple((4, 3)), MAP),
    (ResizeToMultiple(4, align_corners=True), MAP),
    (BlockPositions(4, (3, 5)), (8, 15, 8)),
    (InterleaveHeads(2), (2, 60, 8)),
    (MaxPooling(3, 2, padding=1), (2, 7, 10, 8)),
    (PatchIds(), MAP),
    (MaskedAttention(2), (2, 61, 24), (2, 60)),
    (MaskedAttention(2), (2, 61, 24), (2, 60), (2, 20)),
    (AttentionMap(MaskedAttention(2)), (2, 61, 24), (2, 60)),
    (AttentionMap(MaskedAttention(2)), (2, 61, 24), (2, 60), (2, 20)),
    (TokenSampler(2), (2, 61, 24), (2, 60)),
    (TokenSampler(2, num_tokens=21, drop_tokens=True), (2, 61, 24), (2, 60)),
    (PickTokens(), TOKENS, (2, 20)),
    (PickIds(), (2, 60), (2, 20)),
    (ClearPadding(), TOKENS, (2, 60)),
    (PutBack(), (2, 21, 8), (2, 20), MAP),
    (DiagonalShifts((1, 2)), MAP),
    (QueryScale(2), (2, 60, 24)),
    (LocalitySelfAttention(2), (2, 60, 24)),
    (AttentionMap(LocalitySelfAttention(2)), (2, 60, 24)),
    (Unpatchify((1, 4)), (2, 60, 8), MAP),
    (RandomSubset(0.3), (2, 60)),
    (RandomSubset(7), (2, 60)),
    (KeepTokens(20, 1), TOKENS, (2, 60)),
    (RestoreTokens(1), (2, 21, 8), (2, 60)),
    (GridBias((6, 10), 2), MAP),
    (GridBias((4, 4), 2), MAP),
    (QVBias(), (2, 61, 24)),
    (SwappedCosine(), (4, 8), (4, 8)),
    (CentredCrossEntropy(3), (6, 8), (4, 8)),
    (WeightNormDense(5), (4, 8)),
    (HideTokens(), MAP, (2, 6, 10)),
    (HiddenPixelsError(), MAP, MAP, (2, 3, 5)),
    (NormalizePatches(), TOKENS),
    (MaskedSquaredError(), TOKENS, TOKENS, (2, 61)),
    (CorruptTokens(0.5, 0.3), TOKENS, (2, 61), (2, 61), (2, 61), (2, 61)),
    (ColourBins(2, bits=1, mean=(0.1, 0.2)), MAP),
    (MaskedCrossEntropy(), TOKENS, (2, 61), (2, 61)),
    (UnitChannels(2), (2, 6, 10, 24)),
    (CrossCovarianceAttention(2, drop=0.5), (2, 4, 2, 60), (2, 4, 2, 60), (2, 4, 2, 60)),
    (AttentionMap(CrossCovarianceAttention(2)), (2, 4, 2, 60), (2, 4, 2, 60), (2, 4, 2, 60)),
    (JoinChannels(), (2, 4, 2, 60), MAP),
    (FourierPositions(4), MAP),
    (AxisOffsets(0, (6, 1)), (2, 60, 2, 4), MAP, (2, 3, 5, 8)),
    (AxisOffsets(1, (1, 4), 1), (2, 61, 2, 4), MAP, (2, 3, 5, 8)),
    (HeadwiseConv2D(2, 3), MAP),
    (HeadwiseConv2D(2, 3, 2), (2, 7, 10, 8)),
    (PooledAttention(2), (2, 60, 2, 4), (2, 20, 2, 4), (2, 20, 2, 4)),
    (PooledAttention(2, 1), (2, 61, 2, 4), *[(2, 16, 2, 4)] * 2, (2, 60, 2, 3), (2, 60, 2, 5), (2, 3, 5, 8)),
    (AttentionMap(PooledAttention(2)), (2, 60, 2, 4), *[(2, 15, 2, 4)] * 2, (2, 60, 2, 3), (2, 60, 2, 5), (2, 3, 5, 8)),
    (SplitPatches((2, 3)), (2, 6, 10, 48)),
    (Following(), TOKENS, MAP),
    (JoinPatches(), (120, 4, 8), MAP),
    (GridAttention(5), MAP),
    (GridAttention(4, 0.5), MAP),
    (GatedPositionalAttention(2), (2, 60, 16), (2, 60, 8), (1, 2, 60, 60), (1, 2, 1, 1)),
    (AttentionMap(GatedPositionalAttention(2)), (2, 60, 16), (2, 60, 8), (1, 2, 60, 60), (1, 2, 1, 1)),
    (GroupedConv2D(6, 3, padding="same", groups=2), MAP),
]

rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{type(row[0]).__name__}-{row[1:]}")


def call(layer, inputs):
    return layer(inputs) if isinstance(layer, AttentionMap) else layer(*inputs)


def opened(layer, shapes):
    """The shapes with no size known but the width: heads' number and width, where they are split."""
    known = 2 if isinstance(layer, (AxisOffsets, HeadsAttention, Rotate)) else 1
    return [(None,) * (len(shape) - known) + shape[-known:] for shape in shapes]


def arrays(shapes):
    random = np.random.default_rng(0)
    return [random.standard_normal(shape).astype("float32") for shape in shapes]


def built(layer, inputs):
    call(layer, inputs)
    return with_random_weights(layer)


def test_every_layer_is_asked():
    elsewhere = {"AttentionRollout", "GraphModel", "Layer", "RandomResizedCrop"}  # a list of inputs; random sizes
    assert {type(row[0]).__name__ for row in ROWS} == set(blocks.__all__) - elsewhere


@rows
def test_shape(row):
    """The shape that a layer says is the shape that it returns, with as many sizes unknown as possible."""
    layer, *shapes = row
    inputs = arrays(shapes)
    actual = [tuple(y.shape) for y in keras.tree.flatten(call(layer, inputs))]
    for known, planned in ((True, [(None, *shape[1:]) for shape in shapes]), (False, opened(layer, shapes))):
        symbolic = call(layer, [keras.Input(batch_shape=shape) for shape in planned])
        for said, is_so in zip(keras.tree.flatten(symbolic), actual, strict=True):
            assert len(said.shape) == len(is_so)
            assert all(a in (None, b) for a, b in zip(said.shape, is_so, strict=True))
            assert not known or None not in said.shape[1:]


@rows
def test_unknown_sizes_compute_the_same(row):
    layer, *shapes = row
    inputs = arrays(shapes)
    expected = call(built(layer, inputs), inputs)
    signature = [tf.TensorSpec(shape) for shape in opened(layer, shapes)]
    function = tf.function(lambda *x: call(layer, x), input_signature=signature)
    for one, other in zip(keras.tree.flatten(function(*inputs)), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@rows
def test_config(row):
    layer, *shapes = row
    inputs = arrays(shapes)
    expected = call(built(layer, inputs), inputs)
    twin = type(layer).from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    call(twin, inputs)
    twin.set_weights(layer.get_weights())
    for one, other in zip(keras.tree.flatten(call(twin, inputs)), keras.tree.flatten(expected), strict=True):
        np.testing.assert_array_equal(value(one), value(other))


@rows
def test_half_precision(row):
    """What goes in as float16 comes out so, except for probabilities, which are float32, and numbers of tokens."""
    layer, *shapes = row
    config = {**layer.get_config(), "dtype": "mixed_float16", "name": "half"}
    half = type(layer).from_config(config)
    for y in keras.tree.flatten(call(half, arrays(shapes))):
        losses = (CentredCrossEntropy, SwappedCosine, HiddenPixelsError, MaskedCrossEntropy, MaskedSquaredError)
        expected = dict.fromkeys((AttentionMap, *losses), "float32")
        expected |= dict.fromkeys((ColourBins, PatchIds, PickIds, TokenSampler), "int32")
        assert keras.backend.standardize_dtype(y.dtype) == expected.get(type(layer), "float16")
