"""The vocabulary of the signatures: what an argument may be, as types that are also rules.

`Annotated[int, between(1, 1024)]` is an `int` to mypy and to an editor, and a rule to `checking`. Sizes have bounds far
beyond every published net, so that an absurd one is refused before memory is asked for.
"""

import dataclasses
import functools
import math
import os
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Protocol, TypeAlias, TypeVar

import keras

from vitgraph.blocks.graph import Stage

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a value must be beyond its type: `holds` says whether it is, `allowed` says it in words."""

    allowed: str
    holds: Callable[[Any], bool]


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What is made of a value: `convert` raises ValueError or TypeError where nothing can be."""

    allowed: str
    convert: Callable[[Any], Any]


@dataclasses.dataclass(frozen=True)
class Per:
    """A sequence with one entry per `unit`, `least` to `most`; all arguments of one unit are equally long."""

    unit: str
    most: int = 1024
    least: int = 1

    @property
    def allowed(self) -> str:
        count = f"{self.least} to {self.most}" if self.least < self.most else self.most
        return f"{count} entries, one per {self.unit}"


def between(least: int, most: int) -> Rule:
    """Integers from `least` to `most`."""
    return Rule(f"an integer from {least} to {most}", lambda v: least <= v <= most)


Count = Annotated[int, between(1, 2**20)]
Whole = Annotated[int, between(0, 2**20)]
Width = Annotated[int, between(1, 2**14)]
Depth = Annotated[int, between(1, 256)]
Side = Annotated[int, between(1, 2**14)]
Kernel = Annotated[int, between(1, 1024)]
OddKernel = Annotated[int, Rule("an odd integer from 1 to 1023", lambda v: 1 <= v < 1024 and v % 2 == 1)]
Padding = Annotated[int, between(0, 512)]
Window = Annotated[int, between(1, 64)]

Number = Annotated[float, Rule("a finite number", math.isfinite)]
Positive = Annotated[float, Rule("a finite number over 0", lambda v: 0 < v < math.inf)]
Ratio = Annotated[float, Rule("a number over 0, at most 64", lambda v: 0 < v <= 64)]
Scale = Annotated[float, Rule("a number over 0, at most 1024", lambda v: 0 < v <= 1024)]
Epsilon = Annotated[float, Rule("a number from 1e-12 to 1", lambda v: 1e-12 <= v <= 1)]
Rate = Annotated[float, Rule("0 <= rate < 1", lambda v: 0 <= v < 1)]
Share = Annotated[float, Rule("a number from 0 to 1", lambda v: 0 <= v <= 1)]
Temperature = Annotated[float, Rule("a number from 0.001 to 1000", lambda v: 0.001 <= v <= 1000)]
Seed = Annotated[int, between(0, 2**31 - 1)]

Size = Kernel | tuple[Kernel, Kernel]
ImageSize = Side | tuple[Side, Side]

PerStage = Annotated[Sequence[T], Per("stage", 32)]
PerBlock = Annotated[Sequence[T], Per("block")]
PerBranch = Annotated[Sequence[T], Per("branch", 2, 2)]
OneOrPerStage: TypeAlias = T | Annotated[Sequence[T], Per("stage", 32)]
OneOrPerBlock: TypeAlias = T | Annotated[Sequence[T], Per("block")]
OneOrPerChannel: TypeAlias = T | Annotated[Sequence[T], Rule("one per channel", lambda v: 1 <= len(v) <= 1024)]

Mean = OneOrPerChannel[Annotated[float, Rule("a number from -1024 to 1024", lambda v: abs(v) <= 1024)]]
Deviation = OneOrPerChannel[Annotated[float, Rule("a number from 1e-6 to 1024", lambda v: 1e-6 <= v <= 1024)]]

Act = Literal["gelu", "gelu_tanh", "quick_gelu", "relu", "silu", "hard_silu", "relu6"]
Pooling = Literal["avg", "max"] | None
TokenPooling = Literal["token", "avg", "max"] | None
Pool = Literal["token", "avg", "max", "avgmax", "map", "token_avg"]
"""What the head of a plain net may see: the class token, means, maxima, their average, attention pooling; or the class
token and the means side by side, which is twice as wide."""


def _image_shape(value: Sequence[Any]) -> bool:
    return (value[0] is None) == (value[1] is None)


Image = Annotated[
    tuple[Side | None, Side | None, Side],
    Rule("(height, width, channels): positive integers, at most 16384; or (None, None, channels)", _image_shape),
]


def _floating_tensor(value: Any) -> Any:
    if not keras.backend.is_keras_tensor(value) or not hasattr(value, "_keras_history"):
        raise TypeError
    if len(value.shape) != 4 or value.shape[3] is None or "float" not in value.dtype:
        raise ValueError
    return value


ImageTensor = Annotated[
    keras.KerasTensor,
    Conversion("a floating KerasTensor (batch, height, width, channels) of a graph", _floating_tensor),
]


def _graph(value: Any) -> Any:
    if not isinstance(value, keras.Model):
        raise TypeError
    if not getattr(value, "inputs", None) or not any(isinstance(layer, Stage) for layer in value.layers):
        raise ValueError
    return value


Graph = Annotated[keras.Model, Conversion("a graph of this package", _graph)]


def _built(value: Any) -> Any:
    if not isinstance(value, keras.Model):
        raise TypeError
    if not value.built:
        raise ValueError
    return value


def _of_images(value: Any) -> Any:
    inputs = getattr(_built(value), "inputs", None) or []
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[-1] is None:
        raise ValueError
    return value


Model = Annotated[keras.Model, Conversion("a built keras.Model", _built)]
ImageModel = Annotated[
    keras.Model, Conversion("a Functional or built Sequential keras.Model of one input (B, H, W, C)", _of_images)
]


def _path(value: Any) -> Any:
    text = os.fspath(value)
    if not isinstance(text, str):
        raise TypeError
    if not text or "\0" in text:
        raise ValueError
    return pathlib.Path(text)


Path = Annotated[str | os.PathLike[str], Conversion("a path, as a string or an os.PathLike", _path)]

_PICTURES = (".png", ".jpg", ".jpeg", ".pdf", ".svg", ".tif", ".tiff", ".webp")


def _picture(value: Any) -> Any:
    path = _path(value)
    if path.suffix.lower() not in _PICTURES:
        raise ValueError
    return path


PicturePath = Annotated[str | os.PathLike[str], Conversion(f"a path that ends in {', '.join(_PICTURES)}", _picture)]

_FLOATING = ("float16", "bfloat16", "float32", "float64", "mixed_float16", "mixed_bfloat16")


def _floating_policy(value: Any) -> Any:
    if value is None:  # Keras' global policy to `get`
        raise TypeError
    policy = keras.dtype_policies.get(value)
    if type(policy) is not keras.DTypePolicy or policy.name not in _FLOATING:
        raise ValueError
    return policy


class _Policy(Protocol):
    """A `keras.DTypePolicy`, for type checkers: Keras' own classes are anything to them."""

    @property
    def compute_dtype(self) -> str: ...


DType = Annotated[str | _Policy, Conversion(f"a floating dtype policy: {', '.join(_FLOATING)}", _floating_policy)]


def _activation_name(value: Any) -> str:
    if not isinstance(value, str) and not callable(value):
        raise TypeError
    name = keras.activations.serialize(keras.activations.get(value))
    if not isinstance(name, str) or not _keeps_the_shape(name):
        raise ValueError
    return name


@functools.cache
def _keeps_the_shape(activation: str) -> bool:
    scores = keras.ops.zeros((2, 4))
    return bool(keras.activations.get(activation)(scores).shape == scores.shape)


Activation = Annotated[
    str | Callable[..., Any], Conversion("the name of a Keras activation that keeps the shape", _activation_name)
]

_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.>-]{0,199}")
Name = Annotated[
    str, Rule("a name of letters, digits, and after the first also _ . > -", lambda v: bool(_NAME.fullmatch(v)))
]
