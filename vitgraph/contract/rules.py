"""Rules that join several arguments, which no single type can say. They stand in the first lines of a function.

`public` and `builder` add who was called and what was given.
"""

import contextlib
import importlib.util
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vitgraph.blocks.base import is_static

_AS_GIVEN = object()


class Broken(Exception):
    """A rule that the arguments break: which argument is named, what is allowed."""

    def __init__(self, argument: str, allowed: str, value: Any, error: type[Exception]):
        super().__init__(argument, allowed)
        self.argument = argument
        self.allowed = allowed
        self.value = value
        self.error = error

    def message(self, caller: str, arguments: dict[str, Any]) -> str:
        """Who was called, the argument, its value, what is allowed."""
        value = arguments.get(self.argument) if self.value is _AS_GIVEN else self.value
        return f"{caller}: {self.argument}={shown(value)}; allowed: {self.allowed}"


def require(
    condition: object, argument: str, allowed: str, *, value: Any = _AS_GIVEN, error: type[Exception] = ValueError
) -> None:
    """Refuses an argument unless `condition` holds; `value` is shown in place of what was given."""
    if not condition:
        raise Broken(argument, allowed, value, error)


@contextlib.contextmanager
def calling(argument: str, allowed: str) -> Iterator[None]:
    """Refuses an argument that is a function if it raises an error when it is called, which is the cause then."""
    try:
        yield
    except Broken:
        raise
    except Exception as error:
        raise Broken(argument, f"{allowed}; this one raises {shown(error)}", _AS_GIVEN, ValueError) from error


def installed(caller: str, *modules: str) -> None:
    """Refuses a call for which a module isn't installed, and says how to install it.

    Raises:
        ModuleNotFoundError: naming the caller, the modules and their packages.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        packages = " ".join({"sklearn": "scikit-learn"}.get(name, name.replace("_", "-")) for name in missing)
        message = f"{caller}: {', '.join(missing)} isn't installed: pip install {packages}"
        raise ModuleNotFoundError(message, name=missing[0])


def heads_divide(
    dims: int | Sequence[int],
    num_heads: int | Sequence[int],
    argument: str = "num_heads",
    head_dim: int | None = None,
) -> None:
    """Every width is a multiple of its number of heads, or heads of a given width are not too wide altogether."""
    for dim, heads in zip(entries(dims), entries(num_heads), strict=True):
        if head_dim is None:
            require(dim % heads == 0, argument, f"divisors of the width, here {heads} of {dim}")
        else:
            require(heads * head_dim <= 2**14, argument, f"heads of at most 16384 channels altogether, here {heads}")


def has_hidden(dims: int | Sequence[int], ratios: float | Sequence[float], argument: str) -> None:
    """A feed-forward layer of every width has at least one hidden channel."""
    for dim, ratio in zip(entries(dims), entries(ratios), strict=True):
        require(int(dim * ratio) >= 1, argument, f"at least 1 / width, here {ratio} of {dim}")


def at_least(size: int, shape: Sequence[int | None], argument: str = "input_shape") -> None:
    """Height and width are unknown, or at least `size`."""
    good = all(n is None or n >= size for n in shape[:2])
    require(good, argument, f"height and width of at least {size}", value=tuple(shape))


def known(shape: Sequence[int | None], why: str) -> None:
    """Height and width are known."""
    require(is_static(*shape[:2]), "input_shape", f"a known height and width: {why}", value=tuple(shape))


def shown(value: Any) -> str:
    """A value in one line of an error message."""
    if isinstance(value, np.ndarray) and value.size > 8:
        return f"<array {value.shape} {value.dtype}>"
    try:
        text = repr(str(value) if isinstance(value, pathlib.PurePath) else value)
    except Exception as error:  # a foreign object's own
        text = f"<{type(value).__name__} without a repr: {type(error).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= 200 else text[:197] + "..."


def entries(value: Any) -> Sequence[Any]:
    """The entries of an argument that is one value or a sequence, such as `OneOrPerStage`."""
    return value if isinstance(value, (tuple, list)) else (value,)


def differences(there: Any, here: Any, name: str = "") -> list[str]:
    """A line for each value that differs between two plain dictionaries, such as the settings of two runs."""
    if isinstance(there, dict) and isinstance(here, dict):
        keys = dict.fromkeys([*there, *here])
        parts = (differences(there.get(k), here.get(k), f"{name}.{k}" if name else k) for k in keys)
        return [line for part in parts for line in part]
    return [] if there == here else [f"{name}: {json.dumps(there)} there, {json.dumps(here)} here"]
