"""Graph -> graph: a feature pyramid from the last map of a plain net."""

import keras
from keras import layers

from vitgraph import contract as c
from vitgraph.blocks import GELU, Stage
from vitgraph.graphs.levels import map_of, stages_of, with_ending
from vitgraph.wiring.layers import layer_norm

_STRIDES = (4, 8, 16, 32)


@c.public
def simple_feature_pyramid(model: c.Graph, dim: c.Width = 256, *, norm_eps: c.Epsilon = 1e-6) -> keras.Model:
    """Levels P2 to P5 from the last map of a plain net, for detectors (ViTDet: Li et al., arXiv:2203.16527).

    Transposed convolutions, identity and pooling bring the one map to strides 4, 8, 16 and 32; a 1x1 and a 3x3
    convolution follow, each with a norm.

    Args:
        model: a plain net of this package whose patches are 4, 8, 16 or 32 pixels wide.
        dim: channels of each level.

    Returns:
        A `keras.Model` with output {"P2": (B, H / 4, W / 4, dim), ...} that detectors take as a backbone.

    Example:
        >>> vit = vitgraph.build_vit((64, 64, 3), include_top=False, dim=16, depth=1, num_heads=2)
        >>> vitgraph.simple_feature_pyramid(vit, dim=8).output["P2"].shape
        (None, 16, 16, 8)
    """
    stage = stages_of(model)[-1]
    c.require(stage.stride in _STRIDES, "model", f"a net whose last map has stride 4, 8, 16 or 32, not {stage.stride}")
    taken = [layer.name for layer in model.layers if layer.name.startswith(("p2_", "p3_", "p4_", "p5_"))]
    c.require(not taken, "model", f"a net without layers named as the new ones are, such as {taken[:1]}")
    last, outputs = map_of(model, stage), {}
    _check_map(last.shape[1:], stage.stride)
    for stride in _STRIDES:
        level = f"p{stride.bit_length() - 1}"
        x = _resized(last, stage.stride, stride, norm_eps, level)
        for kernel in (1, 3):
            x = layers.Conv2D(dim, kernel, padding="same", use_bias=False, name=f"{level}_conv{kernel}")(x)
            x = layer_norm(x, norm_eps, f"{level}_norm{kernel}")
        outputs[level.upper()] = Stage(stride, name=level)(x)
    return with_ending(model, outputs, f"{model.name}_pyramid")


def _check_map(shape, stride):
    """Enough positions for the coarsest level, enough channels for the finest."""
    *sides, channels = shape
    enough = all(n is None or n * stride >= _STRIDES[-1] for n in sides)
    c.require(enough, "model", f"a net of images of at least 32 x 32, not one with a last map {tuple(sides)}")
    c.require(channels * _STRIDES[0] >= stride, "model", f"a net at least {stride // _STRIDES[0]} wide")


def _resized(x, at, stride, norm_eps, level):
    """The map x of stride `at` as one of `stride`."""
    while at > stride:
        at //= 2
        name = f"{level}_up_{at}"
        x = layers.Conv2DTranspose(x.shape[-1] // 2, 2, 2, name=name)(x)
        if at > stride:
            x = GELU(name=f"{name}_act")(layer_norm(x, norm_eps, f"{name}_norm"))
    return layers.MaxPooling2D(stride // at, name=f"{level}_down")(x) if at < stride else x
