"""Wrong and borderline calls, made from the types of a function's signature, and what is wrong with the answers."""

import collections
import contextlib
import dataclasses
import gc
import inspect
import pathlib
import re
import signal
import typing
from collections.abc import Callable, Iterator
from typing import Any, Literal

import keras
import numpy as np

from vitgraph.contract.fitting import Misfit, fit
from vitgraph.contract.rules import shown

SECONDS = 60
"""A call that takes longer counts as hanging."""


class Hostile:
    """Answers every question with an error."""

    def _refuse(self, *_):
        raise RuntimeError("hostile")

    __bool__ = __eq__ = __float__ = __getitem__ = __hash__ = __index__ = __iter__ = __len__ = __repr__ = _refuse
    __array__ = __call__ = __fspath__ = _refuse


def _kinds_of_value() -> list[Any]:
    """Values of every kind, of which an argument allows one or two."""
    return [
        None, True, False, 0, 1, -1, 2**40, -(2**70), 10**5000, 0.0, 0.5, -0.5, 1 - 1e-12, 1e-300, 1e300,
        float("nan"), float("inf"), -float("inf"), 1j, "", "x", "5", "a/b", b"x", "x" * 10_000,
        (), [], (1,), [7], (None,), (float("nan"),), ("x",), (1,) * 2000, {}, {"x": 1}, {1}, range(2), iter((1,)),
        object(), Hostile(), int, print, lambda *_: None, keras.layers.Dense(2), pathlib.Path("x"),
        np.array(1), np.array(0.5), np.array([1, 2]), np.array([[0.5]]), np.array([]), np.array(["x"]), np.array(None),
        np.int64(1), np.int8(-1), np.float32(0.5), np.float64("nan"), np.bool_(True), np.str_("x"),
        np.datetime64("2020"), keras.ops.ones(()), keras.ops.ones((2,)), keras.Variable(1.0),
        keras.KerasTensor((None, 32, 32, 3)), keras.KerasTensor((None, 32, 32, 3), "int32"), keras.Input((32, 3)),
    ]  # fmt: skip


def values(kind: Any, good: Any) -> Iterator[Any]:
    """Wrong and borderline values of an argument of type `kind`, of which `good` is a right one."""
    anything = _kinds_of_value()
    yield from anything
    yield from _literals(kind)
    yield from _near(good)
    if isinstance(good, (tuple, list)) and good:
        yield from _sequences(tuple(good), anything)
    else:
        yield from ((good,), [good], (good,) * 2, (good,) * 3, (good, None), *_arrays([good] * 2))


def _literals(kind: Any) -> Iterator[Any]:
    """The first and the last of the values that are spelled out in a type, and what is nearly one."""
    parts = typing.get_args(kind)
    if typing.get_origin(kind) is Literal:
        yield from (parts[0], parts[-1], str(parts[0]).upper(), f"{parts[0]} ", [parts[0]])
    else:
        for part in parts:
            yield from _literals(part)


def _near(good: Any) -> Iterator[Any]:
    """Numbers beside a right one."""
    if isinstance(good, (int, float)) and not isinstance(good, bool):
        yield from (2 * good + 1, -good, str(good), complex(good))


def _sequences(good: tuple[Any, ...], anything: list[Any]) -> Iterator[Any]:
    """A right sequence as another kind, of another length, with an entry that may be wrong."""
    yield from (list(good), iter(good), dict(enumerate(good)), str(good), (good,), good * 2000)
    yield from (good[:-1], good[:1], (*good, good[-1]), good[::-1], *_arrays(good))
    *before, last = good
    entries = [*anything, *_near(last)]
    if isinstance(last, (tuple, list)) and last:
        entries += _sequences(tuple(last), anything)
    for entry in entries:
        yield (*before, entry)
    for entry in (None, True, 0, -1, 2**40, float("nan"), "x", object(), [], (1, 1)):
        yield (entry, *good[1:])


def _arrays(entries: Any) -> Iterator[Any]:
    """An array of the entries, and one of objects, where NumPy makes one."""
    for dtype in (None, object):
        with contextlib.suppress(ValueError, TypeError):
            yield np.array(entries, dtype=dtype)


class Hang(BaseException):
    """A call took too long. No `Exception`, so that nothing on the way catches it."""


@contextlib.contextmanager
def limit(seconds: int) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise Hang

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


@dataclasses.dataclass
class Battery:
    """All calls of one function that differ from a good call in one argument.

    Args:
        function: a public function.
        good: its arguments in a good and quick call.
        use: a function (result, arguments): what is done with the result of a call that is taken because its values of
            these arguments, a text, may be good; it raises for a bad result.
        besides: {argument: further values that are tried}.
        errors: exceptions that the function may raise beside ValueError and TypeError.
        before: a function that is called before each call.
        group: a function (argument, value, which of the argument's good values it is): a key of those that are asked
            for in one call; None for a call of its own.
    """

    function: Callable[..., Any]
    good: dict[str, Any]
    use: Callable[[Any, str], Any] = lambda result, argument: None
    besides: dict[str, list[Any]] = dataclasses.field(default_factory=dict)
    errors: tuple[type[Exception], ...] = ()
    before: Callable[[], None] = lambda: None
    group: Callable[[str, Any, int], Any] = lambda argument, value, place: None
    calls: int = 0
    taken: int = 0
    blamed: str = ""

    def complaints(self) -> list[str]:
        """What is wrong with the answers, one line a call."""
        kinds = typing.get_type_hints(self.function, include_extras=True)
        parameters = inspect.signature(self.function).parameters
        found, together = [], collections.defaultdict(dict)
        for argument, parameter in parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            good = self.good.get(argument, parameter.default)
            made = {_made(good, kinds[argument])}
            for value in (*self.besides.get(argument, ()), *values(kinds[argument], good)):
                what = _made(value, kinds[argument])
                if what is None or what not in made:
                    made.add(what)
                    group = None if what is None else self.group(argument, value, len(made))
                    if group is None:
                        found.append(self._call({argument: value}, fits=what is not None))
                    else:
                        together[group][argument] = value
        for arguments in together.values():
            found += self._all(arguments)
        return [complaint for complaint in found if complaint]

    def _all(self, arguments: dict[str, Any]) -> list[str]:
        """Asks for several values at once; without a good result, for the one that is blamed, or a half, by itself."""
        before, complaint = self.taken, self._call(arguments, fits=True)
        if len(arguments) == 1 or (self.taken > before and not complaint):
            return [complaint]
        alone = {self.blamed} & arguments.keys() or list(arguments)[: len(arguments) // 2]
        apart = {argument: arguments[argument] for argument in alone}
        others = {argument: value for argument, value in arguments.items() if argument not in apart}
        return [complaint, *self._all(apart), *self._all(others)]

    def _call(self, arguments: dict[str, Any], fits: bool) -> str:
        """What is wrong with the answer to one call; nothing, if it is refused properly or gives what is good."""
        complaint = self._answer(arguments, fits)
        given = ", ".join(f"{argument}={shown(value)}" for argument, value in arguments.items())
        return f"{self.function.__name__}: {given}: {complaint}" if complaint else ""

    def _answer(self, arguments: dict[str, Any], fits: bool) -> str:
        self.calls += len(arguments)
        self.blamed = ""
        self.before()
        try:
            with limit(SECONDS):
                result = self._result({**self.good, **arguments})
        except self.errors:
            self.taken += fits
            return "" if fits else "goes too far, though its type doesn't allow it"
        except (ValueError, TypeError) as error:
            return self._form(str(error), arguments, fits)
        except Hang:
            return f"takes more than {SECONDS} s"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        if not fits:
            return "is taken, though its type doesn't allow it"
        self.taken += 1
        if self.taken % 20 == 0:
            gc.collect()
        try:
            with limit(SECONDS):
                self.use(result, " ".join(arguments))
        except Hang:
            return f"its result takes more than {SECONDS} s"
        except Exception as error:
            return f"its result is bad: {type(error).__name__}: {error}"
        return ""

    def _result(self, arguments: dict[str, Any]) -> Any:
        parameters = inspect.signature(self.function).parameters.values()
        unnamed = [arguments.pop(p.name) for p in parameters if p.kind is p.POSITIONAL_ONLY]
        return self.function(*unnamed, **arguments)

    def _form(self, message: str, arguments: dict[str, Any], fits: bool) -> str:
        """Whether a refusal says who was called, what was given and what is allowed."""
        start, _, allowed = message.partition("; allowed: ")
        name, ((argument, value), *_) = self.function.__name__, arguments.items()
        if fits:
            good = re.match(rf"{name}: (\w+)=", start)
            self.blamed = good[1] if good else ""
        else:
            good = start == f"{name}: {argument}={shown(value)}"
        return "" if good and allowed else f"foreign message: {message}"


def _made(value: Any, kind: Any) -> str | None:
    """What a function gets for a value, as a text to compare by; None where the type doesn't allow it."""
    try:
        return shown(_compared(fit(value, kind)))
    except Misfit:
        return None


def _compared(value: Any) -> Any:
    """The same for 1 and 1.0, and for what a caller can't tell apart otherwise."""
    if isinstance(value, tuple):
        return tuple(map(_compared, value))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return id(value) if callable(value) else value


def answers(model: keras.Model, arguments: str = "") -> None:
    """Asks a model about noise and about a black image, in training where a rate is in question: all must be finite."""
    inputs = []
    for tensor in model.inputs:
        noise = np.random.default_rng(0).standard_normal((1, *(size or 32 for size in tensor.shape[1:])))
        inputs.append(np.concatenate([noise, 0 * noise]).astype(tensor.dtype))
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training="rate" in arguments)
    for output in keras.tree.flatten(outputs):
        numbers = keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))
        assert np.isfinite(numbers).all(), "not finite"
