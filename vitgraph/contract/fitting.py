"""A value and a type of the vocabulary -> the value in plain Python, or a `Misfit`."""

import collections.abc
import math
import operator
import types
import typing
from typing import Annotated, Any, Literal, Union

import numpy as np

from vitgraph.contract.kinds import Conversion, Per, Rule


class Misfit(Exception):
    """A value that its type doesn't allow.

    Args:
        error: ValueError, or TypeError where not even the kind of value is right.
        allowed: what is allowed, where that is more special than what `said` says of the type.
    """

    def __init__(self, error: type[Exception], allowed: str = ""):
        super().__init__(allowed)
        self.error = error
        self.allowed = allowed


def fit(value: Any, kind: Any) -> Any:
    """The value as `kind` wants it: numpy's scalars become Python's, sequences become tuples.

    Raises:
        Misfit: it can't be.
    """
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _annotated(value, args[0], kind.__metadata__)
    if origin in (Union, types.UnionType):
        return _first_that_fits(value, args)
    if origin is Literal:
        return _literal(value, args)
    if origin in (tuple, collections.abc.Sequence):
        return _sequence(value, origin, args)
    if origin is collections.abc.Mapping or kind is dict or origin is dict:
        return value if isinstance(value, collections.abc.Mapping) else _refuse(TypeError)
    if origin is collections.abc.Callable or kind is collections.abc.Callable:
        return value if callable(value) else _refuse(TypeError)
    if kind in (None, type(None)):
        return None if value is None else _refuse(TypeError)
    return _PLAIN[kind](value) if kind in _PLAIN else _instance(value, kind)


def said(kind: Any) -> str:
    """What `kind` allows, in words."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        rules = [rule.allowed for rule in kind.__metadata__ if isinstance(rule, (Rule, Conversion))]
        units = [per.unit for per in kind.__metadata__ if isinstance(per, Per)]
        inner = said(typing.get_args(args[0])[0]) if units else ""
        return rules[-1] if rules else f"a sequence, one entry per {units[0]}, each {inner}"
    if origin in (Union, types.UnionType):
        arms = sorted(args, key=lambda arm: arm is not type(None))
        return ", or ".join(dict.fromkeys(map(said, arms)))
    if origin is Literal:
        return ", ".join(map(repr, args))
    if origin is tuple and args[-1] is not Ellipsis:
        return f"a sequence of {len(args)}, each {' or '.join(dict.fromkeys(map(said, args)))}"
    if origin in (tuple, collections.abc.Sequence):
        return f"a sequence, each entry {said(args[0])}"
    if origin is collections.abc.Callable:
        return "a function"
    if origin in (dict, collections.abc.Mapping):
        return "a dictionary"
    return _WORDS.get(kind) or f"a {kind.__module__.split('.')[0]} {kind.__name__}"


def unit_of(kind: Any) -> Per | None:
    """The `Per` of a sequence, also where one value may stand for all its entries."""
    for arm in (kind, *typing.get_args(kind)):
        for rule in getattr(arm, "__metadata__", ()):
            if isinstance(rule, Per):
                return rule
    return None


def _refuse(error: type[Exception], allowed: str = "") -> typing.NoReturn:
    raise Misfit(error, allowed)


def _annotated(value: Any, kind: Any, rules: tuple[Any, ...]) -> Any:
    conversions = [rule for rule in rules if isinstance(rule, Conversion)]
    if not conversions:
        value = fit(value, kind)
    for rule in rules:
        if isinstance(rule, Conversion):
            value = _converted(value, rule)
        elif isinstance(rule, Rule) and not rule.holds(value):
            _refuse(ValueError)
        elif isinstance(rule, Per) and not rule.least <= len(value) <= rule.most:
            _refuse(ValueError, rule.allowed)
    return value


def _converted(value: Any, rule: Conversion) -> Any:
    try:
        return rule.convert(value)
    except Misfit:  # which says more than the rule
        raise
    except TypeError:
        error: type[Exception] = TypeError
    except Exception:  # whatever a foreign object answers to being looked at
        error = ValueError
    _refuse(error)


def _first_that_fits(value: Any, kinds: tuple[Any, ...]) -> Any:
    errors = []
    for kind in kinds:
        try:
            return fit(value, kind)
        except Misfit as misfit:
            errors.append(misfit.error)
    _refuse(ValueError if ValueError in errors else TypeError)


def _literal(value: Any, values: tuple[Any, ...]) -> Any:
    value = _plain(value)
    for allowed in values:
        if type(value) is type(allowed) and value == allowed:
            return allowed
    _refuse(ValueError if isinstance(value, str) else TypeError)


def _sequence(value: Any, origin: Any, kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    if isinstance(value, np.ndarray) and value.ndim:
        value = value.tolist()
    if not isinstance(value, (tuple, list, range)):
        _refuse(TypeError)
    if origin is tuple and kinds[-1] is not Ellipsis:
        if len(value) != len(kinds):
            _refuse(ValueError)
        return tuple(fit(entry, kind) for entry, kind in zip(value, kinds, strict=True))
    return tuple(fit(entry, kinds[0]) for entry in value)


def _plain(value: Any) -> Any:
    """numpy's scalars, and its arrays without an axis, as Python's."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    return str(value) if type(value) is not str and isinstance(value, str) else value


def _bool(value: Any) -> bool:
    value = _plain(value)
    return value if isinstance(value, bool) else _refuse(TypeError)


def _int(value: Any) -> int:
    value = _plain(value)
    if isinstance(value, (bool, float)) or not hasattr(type(value), "__index__"):
        _refuse(TypeError)
    return value if type(value) is int else _as_integer(value)


def _as_integer(value: Any) -> int:
    try:
        return operator.index(value)
    except Exception:  # a tensor of several entries has the method, too
        _refuse(TypeError)


def _float(value: Any) -> float:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _refuse(TypeError)
    if isinstance(value, int) and abs(value) >= 2**1000:
        _refuse(ValueError)
    return value if math.isfinite(value) else _refuse(ValueError)


def _str(value: Any) -> str:
    value = _plain(value)
    return value if isinstance(value, str) else _refuse(TypeError)


def _instance(value: Any, kind: Any) -> Any:
    return value if isinstance(value, kind) else _refuse(TypeError)


_PLAIN: dict[Any, Any] = {bool: _bool, int: _int, float: _float, str: _str, Any: lambda value: value}
_WORDS: dict[Any, str] = {
    bool: "True or False",
    int: "an integer",
    float: "a finite number",
    str: "a string",
    type(None): "None",
    Any: "anything",
    dict: "a dictionary",
}
