"""Graph -> graph: any net with the pyramid levels that a detector or a segmenter asks for."""

import itertools
import math
import re
from collections.abc import Sequence
from typing import Annotated

import keras
from keras import layers

from vitgraph import contract as c
from vitgraph.blocks import GELU, FitToStride, Stage
from vitgraph.blocks.base import is_static, pair
from vitgraph.blocks.graph import LevelsModel
from vitgraph.graphs.levels import levels_of, map_of, with_ending
from vitgraph.wiring.layers import layer_norm

_COARSEST = 9
_Level = Annotated[str, c.Rule(f'a level, "P1" to "P{_COARSEST}"', lambda v: bool(re.fullmatch("P[1-9]", v)))]
_PROBE = (256, 330)
"""Pixels along two sides: a multiple of all usual strides, and of none."""


@c.public
def with_levels(
    model: c.Graph, levels: Sequence[_Level], width: c.Width | None = None, *, norm_eps: c.Epsilon = 1e-6
) -> keras.Model:
    """The same graph, ending in the pyramid levels that are asked for, whatever levels the net has of its own.

    A level that the net has is taken as it is. A coarser one comes from the next finer level by a 3x3 convolution with
    stride 2 (as FPN makes P6: Lin et al., arXiv:1612.03144), a finer one from the net's finest by transposed
    convolutions that halve the width (as in ViTDet: Li et al., arXiv:2203.16527), each with a norm. Maps whose stride
    isn't a power of two, as of patches of 14 pixels, are resized to the nearest one that is.

    Args:
        model: any graph of this package, with or without its top, just built or read back from a file.
        levels: the wanted levels, such as ("P3", "P4", "P5", "P6"). "P3" has one position per 2 ** 3 pixels, rounded
            up.
        width: channels of each level, by a 1x1 convolution and a norm; None: as many as each has.

    Returns:
        A `keras.Model` with output {"P3": (B, H / 8, W / 8, C), ...}, which is a backbone with just these levels for
        the detectors and segmenters of keras-cv and keras-hub. The new layers' names begin with "level_".

    Example:
        >>> vit = vitgraph.build_vit((64, 64, 3), include_top=False, dim=16, depth=1, num_heads=2)
        >>> {level: x.shape for level, x in vitgraph.with_levels(vit, ("P3", "P4", "P5")).output.items()}
        {'P3': (None, 8, 8, 8), 'P4': (None, 4, 4, 16), 'P5': (None, 2, 2, 16)}
    """
    c.require(0 < len(levels) == len(set(levels)), "levels", "one or more levels, each once")
    images = len(model.inputs) == 1 and len(model.inputs[0].shape) == 4
    c.require(images, "model", "a graph of one input, images (B, H, W, C)")
    image, prefix = model.inputs[0], _unused_prefix(model)
    own, outputs = _own_maps(model, prefix), {}
    maps, finest = dict(own), min(own)
    for n in range(finest + 1, max(int(level[1:]) for level in levels) + 1):
        if n not in maps:
            maps[n] = _coarser(maps[n - 1], norm_eps, f"{prefix}{n}")
    for level in levels:
        n = int(level[1:])
        name = f"{prefix}{n}"
        x = maps[n] if n in maps else _finer(own[finest], finest, n, image, norm_eps, name)
        if width is not None:
            x = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_proj")(x)
            x = layer_norm(x, norm_eps, f"{name}_proj_norm")
        is_stage = isinstance(x._keras_history.operation, Stage)
        outputs[level] = x if is_stage else Stage(2**n, name=name)(x)
    return with_ending(model, outputs, f"{model.name}_levels", LevelsModel)


def _unused_prefix(model):
    """What the names of the new layers begin with: "level_p", or another where a net has such layers already."""
    names = [layer.name for layer in model.layers]
    prefixes = (f"level{number}_p" for number in itertools.chain([""], itertools.count(2)))
    return next(prefix for prefix in prefixes if not any(name.startswith(prefix) for name in names))


def _own_maps(model, prefix):
    """{n: the net's own map of stride 2 ** n}, as large as the image / 2 ** n, rounded up."""
    stages: dict = {}
    for stage in sorted(levels_of(model).values(), key=lambda stage: abs(_exponent(stage) - round(_exponent(stage)))):
        stages.setdefault(round(_exponent(stage)), stage)  # of two the nearer one
    maps = {n: map_of(model, stage) for n, stage in stages.items()}
    image, shapes = model.inputs[0].shape, [x.shape for x in maps.values()]
    if not is_static(*image[1:3]):
        image = (1, *_PROBE, image[-1])
        probe = keras.KerasTensor(image, model.inputs[0].dtype)
        shapes = [spec.shape for spec in keras.Model(model.inputs, list(maps.values())).compute_output_spec([probe])]
    for (n, x), shape in zip(maps.items(), shapes, strict=True):
        if tuple(shape[1:3]) != _grid(image, n):
            maps[n] = FitToStride(2**n, name=f"{prefix}{n}_own")(x, model.inputs[0])
    return maps


def _exponent(stage):
    """n of a stride 2 ** n, a fraction where it is no power of two."""
    return math.log2(math.prod(pair(stage.stride))) / 2


def _coarser(x, norm_eps, name):
    """The next coarser map, of the same width."""
    x = layers.Conv2D(x.shape[-1], 3, 2, padding="same", use_bias=False, name=f"{name}_down")(x)
    return layer_norm(x, norm_eps, f"{name}_norm")


def _finer(x, at, n, image, norm_eps, name):
    """The map x of stride 2 ** at as one of stride 2 ** n, of half the width for each step."""
    while at > n:
        at -= 1
        up = f"{name}_up_{2**at}"
        x = layers.Conv2DTranspose(max(x.shape[-1] // 2, 1), 2, 2, use_bias=False, name=up)(x)
        x = layer_norm(x, norm_eps, f"{up}_norm")
        if at > n:
            x = GELU(name=f"{up}_act")(x)
    fits = is_static(*image.shape[1:3]) and tuple(x.shape[1:3]) == _grid(image.shape, n)
    return x if fits else FitToStride(2**n, crop=True, name=f"{name}_crop")(x, image)


def _grid(image, n):
    """Rows and columns of the map of stride 2 ** n of an image (B, H, W, C)."""
    return tuple(-(-side // 2**n) for side in image[1:3])
