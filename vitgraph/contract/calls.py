"""`public` and `builder`: functions whose signature is their contract."""

import contextlib
import dataclasses
import difflib
import functools
import inspect
import json
import re
import sys
import typing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ParamSpec, TypeAlias, TypeVar

import keras
import numpy as np

from vitgraph.blocks.base import is_static, pair
from vitgraph.blocks.initializers import DEFAULT, InitialWeights, initial_weights
from vitgraph.contract.docstrings import completed
from vitgraph.contract.fitting import Misfit, fit, said, unit_of
from vitgraph.contract.kinds import DType
from vitgraph.contract.rules import Broken, require, shown

P = ParamSpec("P")
R = TypeVar("R")

Initial: TypeAlias = InitialWeights | Mapping[str, InitialWeights]

_NAME_OF_FUNCTION = re.compile(r"^\w+: (?=\w+=)")


def public(function: Callable[P, R]) -> Callable[P, R]:
    """Checks every call by the types of the signature before anything is done, and completes the docstring.

    Values reach the function in plain Python: numpy's scalars as numbers, sequences as tuples, one value for all
    stages as a tuple with one entry per stage.
    """
    signature = inspect.signature(function)
    kinds = _kinds(function)
    function.__doc__ = completed(function)

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = _bind(function, signature, args, kwargs)
        given = dict(bound.arguments)
        fit_all(function.__name__, bound.arguments, kinds)
        with named_errors(function.__name__, given), channels_last():
            return function(*bound.args, **bound.kwargs)

    return checked


@typing.overload
def builder(function: Callable[P, R]) -> Callable[P, R]: ...
@typing.overload
def builder(*, uneven: bool = ..., initial: Initial = ...) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def builder(function: Any = None, *, uneven: bool = False, initial: Initial = DEFAULT) -> Any:
    """Makes a function that wires a graph into a public builder.

    Its arguments are checked as `public` does, `dtype` and `initial` are in force for every layer while it runs, and
    the strides of its `Stage` layers are checked against the shapes of the graph that it returns.

    Args:
        uneven: allow a map to be slightly smaller or larger than image size / stride (patches that overlap without
            padding, sizes rounded up).
        initial: what the layers begin with; or that by the value of the argument `weight_init`.
    """
    if function is None:
        return functools.partial(builder, uneven=uneven, initial=initial)

    @functools.wraps(function)
    def build(*args: Any, **kwargs: Any) -> Any:
        arguments = signature.bind(*args, **kwargs).arguments
        _check_together(arguments)
        _check_policy(arguments["dtype"] or keras.config.dtype_policy())
        weights = initial if isinstance(initial, InitialWeights) else initial[arguments["weight_init"]]
        with global_policy(arguments["dtype"]), initial_weights(weights):
            model = function(*args, **kwargs)
        _check_strides(model, uneven)
        model.about = _recipe(function, signature, arguments)
        return model

    signature = inspect.signature(function)
    return public(build)


def fit_all(caller: str, arguments: dict[str, Any], kinds: dict[str, Any]) -> None:
    """Makes of each argument what its type wants; arguments of one unit are equally long afterwards.

    Raises:
        ValueError, TypeError: naming the caller, the argument, its value and what is allowed.
    """
    given, units = dict(arguments), {name: unit_of(kind) for name, kind in kinds.items()}
    lengths: dict[str, dict[str, int]] = {}
    for name, value in given.items():
        if name not in kinds:
            continue
        try:
            arguments[name] = fit(value, kinds[name])
        except Misfit as misfit:
            allowed = misfit.allowed or said(kinds[name])
            raise misfit.error(f"{caller}: {name}={shown(value)}; allowed: {allowed}") from None
        per = units[name]
        if per is not None and isinstance(arguments[name], tuple):
            lengths.setdefault(per.unit, {})[name] = len(arguments[name])
    usual = {unit: Counter(found.values()).most_common(1)[0][0] for unit, found in lengths.items()}
    for unit, found in lengths.items():
        for name, length in found.items():
            if length != usual[unit]:
                like = next(other for other, length in found.items() if length == usual[unit])
                allowed = f"{usual[unit]} entries, one per {unit}, as many as {like}"
                raise ValueError(f"{caller}: {name}={shown(given[name])}; allowed: {allowed}")
    for name, value in arguments.items():
        per = units.get(name)
        if per is not None and value is not None and not isinstance(value, tuple) and per.unit in usual:
            arguments[name] = (value,) * usual[per.unit]


@contextlib.contextmanager
def checked_fields(record: Any) -> Iterator[None]:
    """Makes of each field of a dataclass what its type wants; then names the class where a rule on fields is broken.

    For `__post_init__`, also that of a frozen dataclass.
    """
    caller = type(record).__name__
    given = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    fitted = dict(given)
    fit_all(caller, fitted, typing.get_type_hints(type(record), include_extras=True))
    for name, value in fitted.items():
        object.__setattr__(record, name, value)
    with named_errors(caller, given):
        yield


@contextlib.contextmanager
def errors_of(caller: str) -> Iterator[None]:
    """Lets errors begin with the caller's name, in place of the name of the function that refuses its argument."""
    try:
        yield
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{caller}: {_NAME_OF_FUNCTION.sub('', str(error))}") from error


@contextlib.contextmanager
def named_errors(caller: str, arguments: dict[str, Any]) -> Iterator[None]:
    """Turns a broken rule into the error that says who was called and what was given."""
    try:
        yield
    except Broken as broken:
        raise broken.error(broken.message(caller, arguments)) from broken.__cause__


@contextlib.contextmanager
def channels_last() -> Iterator[None]:
    """Sets Keras' global image format for a while: layers that are made here are channels last, and say so."""
    previous = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_image_data_format(previous)


@contextlib.contextmanager
def global_policy(policy: Any) -> Iterator[None]:
    """Sets Keras' global dtype policy for a while; None leaves it as it is."""
    previous = keras.config.dtype_policy()
    if policy is not None:
        keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: which one was meant, where one is near; else nothing."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _kinds(function: Callable[..., Any]) -> dict[str, Any]:
    """{argument: its type}, of those that are checked."""
    hints = typing.get_type_hints(function, include_extras=True)
    variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    parameters = inspect.signature(function).parameters
    return {name: hints[name] for name, p in parameters.items() if name in hints and p.kind not in variadic}


def _bind(function: Callable[..., Any], signature: inspect.Signature, args: Any, kwargs: Any) -> inspect.BoundArguments:
    name, parameters = function.__name__, signature.parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for unknown in kwargs:
            if unknown not in parameters:
                raise TypeError(
                    f"{name}: unknown argument {unknown!r}{nearest(unknown, parameters)}; "
                    f"allowed: {', '.join(parameters)}"
                )
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        unnamed = [n for n, p in parameters.items() if p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]
        raise TypeError(f"{name}: {error}; only {', '.join(unnamed)} can go without a name") from None
    bound.apply_defaults()
    return bound


def _check_together(arguments: dict[str, Any]) -> None:
    """What every builder's arguments have to do with each other: top, pooling and class token; stages' depths."""
    if arguments["include_top"]:
        require(arguments["pooling"] is None, "pooling", "None with include_top=True: the top has its own")
    if arguments.get("class_token") is False:
        for argument in ("pooling", "global_pool"):
            there = arguments.get(argument) != "token"
            require(there, argument, "not the class token with class_token=False: there is none")
    for argument in ("depths", "attn_depths"):  # Keras walks a graph by recursion
        blocks = sum(np.ravel(arguments.get(argument, 0)).tolist())
        require(blocks <= 256, argument, f"at most 256 blocks altogether, here {blocks}")


def _check_policy(policy: Any) -> None:
    """The global policy, where no other is given, is one that `dtype` could be: a quantised net has no weights yet."""
    try:
        fit(policy, DType)
    except Misfit:
        allowed = f"given, where Keras' global policy, here {policy.name!r}, isn't a floating one"
        require(False, "dtype", allowed)


def _recipe(function: Callable[..., Any], signature: inspect.Signature, arguments: dict[str, Any]) -> dict[str, Any]:
    """How a graph is built again, as plain values; {} where a file can't say it: another's tensor, a function."""
    policy = arguments["dtype"] or keras.config.dtype_policy()
    given = {**arguments, "dtype": None if policy.name == "float32" else policy.name}
    try:
        plain, usual = (_plain(values) for values in (given, {n: p.default for n, p in signature.parameters.items()}))
    except TypeError:
        return {}
    differing = {name: value for name, value in plain.items() if value != usual[name]}
    return {"builder": function.__name__, "arguments": differing}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(values, default=_by_name)))


def _by_name(value: Any) -> str:
    """A block of the package as "vitgraph.builders.vit:parallel_scaling_block"."""
    value = inspect.unwrap(value) if callable(value) else value
    module, name = str(getattr(value, "__module__", "")), getattr(value, "__qualname__", "")
    if not module.startswith("vitgraph.") or inspect.unwrap(getattr(sys.modules[module], name, object)) is not value:
        raise TypeError(f"a file can't say {value!r}")
    return f"{module}:{name}"


def _check_strides(model: Any, uneven: bool) -> None:
    inputs = model.inputs[0].shape[1:3]
    for stage in model.stages:
        output = stage.output.shape[1:3] if stage.grid is None else model.get_layer(stage.grid).output.shape[1:3]
        for size, count, stride in zip(inputs, output, pair(stage.stride), strict=True):
            if not is_static(size, count) or size // stride <= count <= -(-size // stride):
                continue
            # Still catches a stride that is off by a factor of two, except on tiny maps.
            if not uneven or (size >= 4 * stride and not size < 2 * count * stride < 4 * size):
                here = f"{stage.name} has {count} positions along {size} pixels at stride {stride}"
                allowed = f"sizes, with kernels, that make maps as large as strides say; here {here}"
                require(False, "input_shape", allowed, value=tuple(model.inputs[0].shape[1:]))
