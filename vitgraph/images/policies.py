"""Random operations on an image by the names of timm: "rand-m9-mstd0.5-inc1", "original-mstd0.5", "3a", "trivial", ...

A policy is a list of operations, and a law by which one image gets some of them. timm's `auto_augment.py` is the
reference for what a level from 0 to 10 means, torchvision's `TrivialAugmentWide` for that of TrivialAugment.
"""

import dataclasses
import functools
import re
from typing import Any

import numpy as np

from vitgraph.images import operations as op
from vitgraph.images import seeds

MOST = 8  # operations on one image


@dataclasses.dataclass(frozen=True)
class Policy:
    """What may happen to an image.

    Args:
        names: the operations among which is chosen, of `OPERATIONS`.
        steps: each row is one possible choice, {"operation": number in `names`, "level", "share": probability that it
            is done} of the operations that follow each other; arrays (choices, steps). None: `count` single operations
            are drawn.
        count: number of operations that are drawn, where there are no rows.
        weights: how often each operation is drawn, each at most once; None: equally often, and again.
        level: strength of operations that are drawn, 0 to 10.
        share: probability that an operation that was drawn is done.
        deviation: standard deviation of the level; infinite: all levels up to it are equally likely.
        most: highest level.
        wide: TrivialAugment's level, one of 0, 1/3, 2/3, ..., 10; its nearest pixel, and black outside of the image.
    """

    names: tuple[str, ...]
    steps: dict[str, np.ndarray] | None = None
    count: int = 2
    weights: tuple[float, ...] | None = None
    level: float = 10.0
    share: float = 0.5
    deviation: float = 0.0
    most: float = 10.0
    wide: bool = False


def apply(policy, pixels, seed, interpolation, fill):
    """(H, W, C), uint8 -> the same; equal seeds, two integers, give equal operations.

    Args:
        policy: a `Policy`.
        pixels: the image.
        seed: two integers.
        interpolation: "bicubic" or "bilinear", for operations on the shape.
        fill: the colour outside of the image, 0 to 255 per channel.
    """
    import tensorflow as tf

    shape = tuple(pixels.shape)
    interpolation, fill = ("nearest", (0,) * shape[-1]) if policy.wide else (interpolation, tuple(fill))
    step = _step(policy.names, shape, interpolation, fill)
    for number, done, level, draw in zip(*_drawn(policy, seed), strict=True):
        pixels = step(pixels, tf.where(done, number, len(policy.names)), level, draw)
    return pixels


@functools.cache
def _step(names, shape, interpolation, fill):
    """A function of one operation, which takes seconds to trace, and so is kept for the next epoch."""
    import tensorflow as tf

    numbers = [tf.TensorSpec((), kind) for kind in (tf.int32, tf.float64, tf.float64)]

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8), *numbers], autograph=False)
    def step(pixels, number, level, draw):
        branches = [functools.partial(operate, name, pixels, level, draw, interpolation, fill) for name in names]
        return tf.ensure_shape(tf.switch_case(number, [*branches, lambda: pixels]), shape)

    return step


def operate(name, pixels, level, draw, interpolation, fill):
    """One of `OPERATIONS` at a level from 0 to 10; `draw`, from 0 to 1, decides what is random in it."""
    function, argument = OPERATIONS[name]
    values = () if argument is None else (argument(level, draw, pixels.shape),)
    return function(pixels, *values, *((interpolation, fill) if function in _SHAPE else ()))


def _drawn(policy, seed):
    """(numbers in `names`, whether each is done, levels, further draws), each a list with an entry per step."""
    import tensorflow as tf

    count = policy.count if policy.steps is None else policy.steps["operation"].shape[1]
    uniform = tf.random.stateless_uniform((4, max(count, len(policy.names))), seed, dtype=tf.float64)
    done, level, draw = (uniform[k, :count] for k in (1, 2, 3))
    if policy.steps is not None:
        row = tf.cast(uniform[0, 0] * len(policy.steps["operation"]), tf.int32)
        numbers, shares, levels = (tf.gather(policy.steps[name], row) for name in ("operation", "share", "level"))
    elif policy.weights is not None:  # the largest of weighted exponential draws are a draw without replacement
        first = tf.math.log(uniform[0, : len(policy.weights)]) / np.asarray(policy.weights)
        numbers, shares, levels = tf.math.top_k(first, count).indices, policy.share, policy.level
    else:
        numbers = tf.cast(uniform[0, :count] * len(policy.names), tf.int32)
        shares, levels = policy.share, policy.level
    levels = tf.broadcast_to(tf.cast(levels, tf.float64), (count,))
    if policy.wide:
        levels = tf.floor(level * 31) / 3
    elif policy.deviation == np.inf:
        levels *= level
    elif policy.deviation:
        levels += policy.deviation * tf.random.stateless_normal((count,), seeds.part(seed, 10), dtype=tf.float64)
    levels = tf.clip_by_value(levels, 0, policy.most)
    return tf.unstack(numbers), tf.unstack(done < shares), tf.unstack(levels), tf.unstack(draw)


@functools.cache
def find(name):
    """The `Policy` of a name; None for None.

    Raises:
        ValueError: there is none; it says what is allowed.
    """
    if name is None:
        return None
    first, *parts = name.split("-")
    if first == "rand":
        return _rand(_numbers(parts, {**_NOISE, **_RAND}, name))
    if first in _POLICIES:
        return _rows(first, _numbers(parts, _NOISE, name))
    if name == "trivial":
        return Policy(tuple(name for name in OPERATIONS if name.startswith("Wide")), count=1, share=1.0, wide=True)
    return _refuse(_ALLOWED)


def _refuse(allowed):
    raise ValueError(allowed)


def _numbers(parts, known, name):
    """{key: value} of "m9", "mstd0.5", ..."""
    values: dict[str, Any] = {}
    for part in parts:
        key = part.rstrip("0123456789.-") if not part.startswith("t") else "t"
        text = part[len(key) :]
        if key not in known:
            _refuse(f"in {name!r} parts of {', '.join(known)}, each with its value, not {part!r}")
        if key in values:
            _refuse(f"in {name!r} each part once, not {key!r} again")
        allowed, convert = known[key]
        try:
            values[key] = convert(text)
        except ValueError:
            _refuse(f"in {name!r} as {key} {allowed}, not {text!r}")
    return values


def _integer(least, most):
    return _bounded("an integer", r"[0-9]{1,9}", int, least, most)


def _number(least, most):
    return _bounded("a number", r"[0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9}", float, least, most)


def _bounded(what, pattern, kind, least, most):
    def convert(text):
        if not re.fullmatch(pattern, text) or not least <= kind(text) <= most:
            raise ValueError
        return kind(text)

    return f"{what} from {least} to {most}", convert


def _choice(*names):
    def convert(text):
        if text not in names:
            raise ValueError
        return text

    return f"one of {', '.join(names)}", convert


_NOISE = {"mstd": _number(0, 1e9)}
_RAND = {
    "m": _integer(0, 30),
    "n": _integer(1, MOST),
    "p": _number(0, 1),
    "mmax": _integer(1, 30),
    "inc": _integer(0, 1),
    "t": _choice("weights", "3a", "3aw"),
}
_ALLOWED = (
    "None, or rand, and parts of m9 (level), n2 (operations), p0.5 (share that is done), mstd0.5 (deviation of the "
    "level), mmax10 (highest level), inc1 (all grow with the level), tweights (set of operations), joined by -; "
    "original, originalr, v0, v0r, 3a, or one of these with -mstd0.5; trivial"
)


def _rand(given):
    kind = given.get("t", "inc" if given.get("inc") else "plain")
    operations = _SETS[kind]
    weights = tuple(operations.values()) if isinstance(operations, dict) else None
    count, level, most = given.get("n", 2), float(given.get("m", 10)), float(given.get("mmax", 10))
    if weights is not None and count > len(weights):
        _refuse(f"at most {len(weights)} operations of t{kind}, not n{count}")
    if level > most:
        _refuse(f"a level of at most {most:g}, not m{level:g}; or mmax{level:g} as well")
    deviation = _deviation(given)
    return Policy(tuple(operations), None, count, weights, level, given.get("p", 0.5), deviation, most)


def _rows(name, given):
    lines = [line.split() for line in _POLICIES[name].strip().splitlines()]
    words = np.array(lines).reshape(len(lines), -1, 3)
    names = list(dict.fromkeys(words[..., 0].ravel().tolist()))
    steps = {"operation": np.vectorize(names.index)(words[..., 0]).astype("int32")}
    steps |= {"share": words[..., 1].astype("float64"), "level": words[..., 2].astype("float64")}
    return Policy(tuple(names), steps, deviation=_deviation(given))


def _deviation(given):
    deviation = given.get("mstd", 0.0)
    return np.inf if deviation > 100 else deviation


def _sign(draw):
    import tensorflow as tf

    return tf.sign(draw - 0.5)


def _signed(most):
    return lambda level, draw, shape: _sign(draw) * (level / 10 * most)


def _along(axis):
    return lambda level, draw, shape: _sign(draw) * (level / 10 * 0.45) * shape[axis]


def _factor(level, draw, shape):
    return level / 10 * 1.8 + 0.1


def _factor_from_one(most):
    def argument(level, draw, shape):
        import tensorflow as tf

        return tf.maximum(1 + _sign(draw) * (level / 10 * most), 1 - most)

    return argument


def _whole(times, most=256):
    def argument(level, draw, shape):
        import tensorflow as tf

        return tf.minimum(tf.cast(level / 10 * times, tf.int32), most)

    return argument


def _less(first, times):
    return lambda level, draw, shape: first - _whole(times)(level, draw, shape)


def _more(first, times):
    return lambda level, draw, shape: first + _whole(times)(level, draw, shape)


def _ranging(least, most):
    def argument(level, draw, shape):
        import tensorflow as tf

        return tf.clip_by_value(least + (most - least) * level / 10, least, most)

    return argument


def _remaining_color(level, draw, shape):
    return 1 - _ranging(0.5, 1.0)(level, draw, shape)


def _radius_up_to(level, draw, shape):
    return 0.1 + (2 * _ranging(0.0, 1.0)(level, draw, shape) - 0.1) * draw


def _whole_distance(most):
    def argument(level, draw, shape):
        import tensorflow as tf

        return tf.cast(tf.cast(_signed(most)(level, draw, shape), tf.int32), tf.float64)

    return argument


def _wide_threshold(level, draw, shape):
    import tensorflow as tf

    return tf.cast(tf.math.ceil(255 - 25.5 * level - 1e-9), tf.int32)


def _wide_bits(level, draw, shape):
    import tensorflow as tf

    return 8 - tf.cast(tf.round(level * 0.6), tf.int32)


# {timm's name: (operation, function from (level, draw, shape) to its argument)}
OPERATIONS: dict[str, tuple[Any, Any]] = {
    "AutoContrast": (op.autocontrast, None),
    "Equalize": (op.equalize, None),
    "Invert": (op.invert, None),
    "Rotate": (op.rotate, _signed(30)),
    "Posterize": (op.posterize, _whole(4)),
    "PosterizeIncreasing": (op.posterize, _less(4, 4)),
    "PosterizeOriginal": (op.posterize, _more(4, 4)),
    "Solarize": (op.solarize, _whole(256)),
    "SolarizeIncreasing": (op.solarize, _less(256, 256)),
    "SolarizeAdd": (op.solarize_add, _whole(110, 128)),
    "Color": (op.color, _factor),
    "ColorIncreasing": (op.color, _factor_from_one(0.9)),
    "Contrast": (op.contrast, _factor),
    "ContrastIncreasing": (op.contrast, _factor_from_one(0.9)),
    "Brightness": (op.brightness, _factor),
    "BrightnessIncreasing": (op.brightness, _factor_from_one(0.9)),
    "Sharpness": (op.sharpness, _factor),
    "SharpnessIncreasing": (op.sharpness, _factor_from_one(0.9)),
    "ShearX": (op.shear_x, _signed(0.3)),
    "ShearY": (op.shear_y, _signed(0.3)),
    "TranslateXRel": (op.translate_x, _along(1)),
    "TranslateYRel": (op.translate_y, _along(0)),
    "Desaturate": (op.color, _remaining_color),
    "GaussianBlur": (op.gaussian_blur, _ranging(0.1, 2.0)),
    "GaussianBlurRand": (op.gaussian_blur, _radius_up_to),
    "WideIdentity": (lambda pixels: pixels, None),
    "WideShearX": (op.shear_x, _signed(0.99)),
    "WideShearY": (op.shear_y, _signed(0.99)),
    "WideTranslateX": (op.translate_x, _whole_distance(32)),
    "WideTranslateY": (op.translate_y, _whole_distance(32)),
    "WideRotate": (op.rotate, _signed(135)),
    "WideBrightness": (op.brightness, _factor_from_one(0.99)),
    "WideColor": (op.color, _factor_from_one(0.99)),
    "WideContrast": (op.contrast, _factor_from_one(0.99)),
    "WideSharpness": (op.sharpness, _factor_from_one(0.99)),
    "WidePosterize": (op.posterize, _wide_bits),
    "WideSolarize": (op.solarize, _wide_threshold),
    "WideAutoContrast": (op.autocontrast, None),
    "WideEqualize": (op.equalize, None),
}
_SHAPE = (op.rotate, op.shear_x, op.shear_y, op.translate_x, op.translate_y)

_COMMON = (
    "AutoContrast", "Equalize", "Invert", "Rotate", "SolarizeAdd", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel",
)  # fmt: skip
_GROWING = ("Posterize", "Solarize", "Color", "Contrast", "Brightness", "Sharpness")
_SETS: dict[str, Any] = {
    "plain": (*_COMMON, *_GROWING),
    "inc": (*_COMMON, *(f"{name}Increasing" for name in _GROWING)),
    "3a": ("SolarizeIncreasing", "Desaturate", "GaussianBlur"),
    "3aw": {
        "SolarizeIncreasing": 6, "Desaturate": 6, "GaussianBlur": 6, "Rotate": 3, "ShearX": 2, "ShearY": 2,
        "PosterizeIncreasing": 1, "AutoContrast": 1, "ColorIncreasing": 1, "SharpnessIncreasing": 1,
        "ContrastIncreasing": 1, "BrightnessIncreasing": 1, "Equalize": 1, "Invert": 1,
    },
    "weights": {
        "Rotate": 3, "ShearX": 2, "ShearY": 2, "TranslateXRel": 1, "TranslateYRel": 1, "ColorIncreasing": 0.25,
        "SharpnessIncreasing": 0.25, "AutoContrast": 0.25, "SolarizeIncreasing": 0.05, "SolarizeAdd": 0.05,
        "ContrastIncreasing": 0.05, "BrightnessIncreasing": 0.05, "Equalize": 0.05, "PosterizeIncreasing": 0.05,
        "Invert": 0.05,
    },
}  # fmt: skip

# One choice per line: twice an operation, its probability and its level.
_ORIGINAL = """
    PosterizeOriginal 0.4 8  Rotate 0.6 9
    Solarize 0.6 5           AutoContrast 0.6 5
    Equalize 0.8 8           Equalize 0.6 3
    PosterizeOriginal 0.6 7  PosterizeOriginal 0.6 6
    Equalize 0.4 7           Solarize 0.2 4
    Equalize 0.4 4           Rotate 0.8 8
    Solarize 0.6 3           Equalize 0.6 7
    PosterizeOriginal 0.8 5  Equalize 1.0 2
    Rotate 0.2 3             Solarize 0.6 8
    Equalize 0.6 8           PosterizeOriginal 0.4 6
    Rotate 0.8 8             Color 0.4 0
    Rotate 0.4 9             Equalize 0.6 2
    Equalize 0.0 7           Equalize 0.8 8
    Invert 0.6 4             Equalize 1.0 8
    Color 0.6 4              Contrast 1.0 8
    Rotate 0.8 8             Color 1.0 2
    Color 0.8 8              Solarize 0.8 7
    Sharpness 0.4 7          Invert 0.6 8
    ShearX 0.6 5             Equalize 1.0 9
    Color 0.4 0              Equalize 0.6 3
    Equalize 0.4 7           Solarize 0.2 4
    Solarize 0.6 5           AutoContrast 0.6 5
    Invert 0.6 4             Equalize 1.0 8
    Color 0.6 4              Contrast 1.0 8
    Equalize 0.8 8           Equalize 0.6 3
"""
_V0 = """
    Equalize 0.8 1           ShearY 0.8 4
    Color 0.4 9              Equalize 0.6 3
    Color 0.4 1              Rotate 0.6 8
    Solarize 0.8 3           Equalize 0.4 7
    Solarize 0.4 2           Solarize 0.6 2
    Color 0.2 0              Equalize 0.8 8
    Equalize 0.4 8           SolarizeAdd 0.8 3
    ShearX 0.2 9             Rotate 0.6 8
    Color 0.6 1              Equalize 1.0 2
    Invert 0.4 9             Rotate 0.6 0
    Equalize 1.0 9           ShearY 0.6 3
    Color 0.4 7              Equalize 0.6 0
    Posterize 0.4 6          AutoContrast 0.4 7
    Solarize 0.6 8           Color 0.6 9
    Solarize 0.2 4           Rotate 0.8 9
    Rotate 1.0 7             TranslateYRel 0.8 9
    ShearX 0.0 0             Solarize 0.8 4
    ShearY 0.8 0             Color 0.6 4
    Color 1.0 0              Rotate 0.6 2
    Equalize 0.8 4           Equalize 0.0 8
    Equalize 1.0 4           AutoContrast 0.6 2
    ShearY 0.4 7             SolarizeAdd 0.6 7
    Posterize 0.8 2          Solarize 0.6 10
    Solarize 0.6 8           Equalize 0.6 1
    Color 0.8 6              Rotate 0.4 5
"""
_POLICIES = {
    "original": _ORIGINAL,
    "originalr": _ORIGINAL.replace("PosterizeOriginal", "PosterizeIncreasing"),
    "v0": _V0,
    "v0r": _V0.replace("Posterize", "PosterizeIncreasing"),
    "3a": "Solarize 1.0 5\n Desaturate 1.0 10\n GaussianBlurRand 1.0 10",
}
