"""What the translations of configurations share: reading them, and saying what has no counterpart."""

import dataclasses
from typing import Any


class NoCounterpart(Exception):
    """A part of a configuration that no argument of a builder expresses; the message says which and what there is."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a configuration asks for.

    Args:
        builder: name of the builder, such as "build_vit".
        arguments: what the builder is called with.
        head: number of scores of the head that the weights have; 0: they have none.
    """

    builder: str
    arguments: dict[str, Any]
    head: int


class Configuration:
    """A configuration, with what its library takes for parts that it doesn't state.

    Args:
        content: what the file states.
        defaults: what holds where it states nothing.
    """

    def __init__(self, content, **defaults):
        self.content = {**defaults, **content}

    def __getitem__(self, key):
        return self.content[key]

    def get(self, key, default=None):
        return self.content.get(key, default)

    def only(self, **allowed):
        """Refuses another value than those allowed: a value, or a list of them."""
        for key, values in allowed.items():
            values = values if isinstance(values, list) else [values]
            value = self.content.get(key, values[0])
            if value not in [*values, *(list(v) for v in values if isinstance(v, tuple))]:
                refuse(key, value, " or ".join(map(repr, values)))


def refuse(key, value, there_is):
    raise NoCounterpart(f"{key}={value!r} has no counterpart here; there is {there_is}")


def ratio(hidden, width):
    """The ratio of which a builder makes this hidden width."""
    exact = hidden / width
    return exact if int(width * exact) == hidden else (hidden + 0.5) / width


def sides(size):
    """(height, width) of a side or of both."""
    if isinstance(size, dict):
        size = (size["height"], size["width"])
    return (size, size) if isinstance(size, (int, float)) else tuple(size)


_ACTIVATIONS = {
    "gelu": ("gelu", "gelu_python"),
    "gelu_tanh": ("gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh"),
    "quick_gelu": ("quick_gelu", "quickgelu"),
    "relu": ("relu",),
    "relu6": ("relu6",),
    "silu": ("silu", "swish"),
    "hard_silu": ("hardswish", "hard_swish"),
}


def activation(key, name):
    """Our name of an activation."""
    for ours, theirs in _ACTIVATIONS.items():
        if name in theirs or name == ours:
            return ours
    return refuse(key, name, ", ".join(theirs[0] for theirs in _ACTIVATIONS.values()))
