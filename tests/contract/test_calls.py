"""What `public` makes of a function: checked calls, one form of error, a docstring with every argument once."""

import inspect
import re

import keras
import pytest

import vitgraph
from tests.public import FUNCTIONS
from tests.variants import BUILDERS
from vitgraph import contract as c
from vitgraph.contract import docstrings
from vitgraph.contract.glossary import ARGUMENTS


@c.public
def stages(
    dims: c.PerStage[c.Width],
    depths: c.PerStage[c.Depth] = (1, 2),
    *,
    drop_rate: c.OneOrPerStage[c.Rate] = 0.0,
    act: c.OneOrPerStage[c.Act] | None = "gelu",
    apply: c.OneOrPerBlock[bool] = True,
    **further: int,
) -> tuple[object, ...]:
    """Gives back what it got.

    Args:
        apply: whether it is applied.
        **further: whatever else.

    Returns:
        Its arguments.
    """
    c.require(sum(depths) < 100, "depths", "fewer than 100 blocks")
    return dims, depths, drop_rate, act, apply, further


def test_one_value_stands_for_all_stages():
    """And a sequence for itself; blocks aren't stages."""
    assert stages([8, 16]) == ((8, 16), (1, 2), (0.0, 0.0), ("gelu", "gelu"), True, {})
    assert stages((8,), (3,), drop_rate=[0.5], act=None) == ((8,), (3,), (0.5,), None, True, {})
    assert stages((8, 16), apply=(True, False, True), more=1)[4:] == ((True, False, True), {"more": 1})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dims": (8, 16, 32)}, ValueError, "depths=(1, 2); allowed: 3 entries, one per stage, as many as dims"),
        ({"dims": (8, 16), "drop_rate": (0.1,)}, ValueError, "drop_rate=(0.1,); allowed: 2 entries, one per stage"),
        ({"dims": 8}, TypeError, "dims=8; allowed: a sequence, one entry per stage, each an integer from 1 to 16384"),
        ({"dims": ()}, ValueError, "dims=(); allowed: 1 to 32 entries, one per stage"),
        ({"dims": (8, 16), "act": "gelo"}, ValueError, "act='gelo'; allowed: None, or 'gelu', "),
        ({"dims": (8, 16), "apply": 1}, TypeError, "apply=1; allowed: True or False, or a sequence, one entry"),
        ({"dims": [8, 16], "depths": [50, 50]}, ValueError, "depths=[50, 50]; allowed: fewer than 100 blocks"),
    ],
)  # fmt: skip
def test_errors_name_the_function_the_argument_its_value_and_what_is_allowed(arguments, error, message):
    with pytest.raises(error, match=re.escape(f"stages: {message}")):
        stages(**arguments)


def test_a_value_without_an_end_is_cut_off():
    with pytest.raises(ValueError, match=r"^stages: dims=\(8, 8, .{190}\.\.\.; allowed: 1 to 32 entries"):
        stages((8,) * 1000)


@pytest.mark.parametrize("builder", BUILDERS)
def test_unknown_argument(builder):
    name = builder.__name__
    with pytest.raises(TypeError, match=rf"{name}: unknown argument 'num_class' \(did you mean 'num_classes'"):
        builder(num_class=10)
    with pytest.raises(TypeError, match=rf"{name}: unknown argument 'zzz'; allowed: input_shape, "):
        builder(zzz=10)
    with pytest.raises(TypeError, match=rf"{name}: too many positional arguments; only input_shape"):
        builder((64, 64, 3), True)


def test_missing_argument():
    with pytest.raises(TypeError, match="stages: missing a required argument: 'dims'"):
        stages()


def test_a_policy_is_restored_after_an_error():
    with pytest.raises(ValueError, match="num_heads"):
        vitgraph.build_pvt_v2((64, 64, 3), num_heads=(1, 2, 5, 7), dtype="mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32"


# docstrings


def described(docstring, **arguments):
    """A function with these arguments and this docstring, as `public` documents it."""

    def function(*args, **kwargs):
        pass

    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in arguments]
    function.__signature__ = inspect.Signature(parameters)
    function.__doc__ = docstring
    return docstrings.completed(function)


ALL = """Does something.

    At length.

    Args:
        special: what only this has, over
            two lines.

    Returns:
        Nothing.

    Example:
        >>> 1 + 1
        2
    """


def test_the_glossary_completes_a_docstring():
    """In the order of the signature; an entry of the function's own stands before the glossary's."""
    done = described(ALL, dims=(), special=1, norm_eps=1)
    sections = re.findall(r"^(\w+):$", done, re.M)
    assert sections == ["Args", "Returns", "Raises", "Example"]
    entries = re.findall(r"^    (\w+): (.*)", done, re.M)
    assert [name for name, _ in entries] == ["dims", "special", "norm_eps"]
    assert dict(entries)["dims"] == ARGUMENTS["dims"]
    assert "what only this has, over two lines." in done
    assert described("Does it.\n\n    Args:\n        dims: others.\n", dims=()).count("dims:") == 1


@pytest.mark.parametrize(
    ("docstring", "arguments", "message"),
    [
        ("Does.", {"unheard_of": 1}, "'unheard_of' is described neither in its docstring nor in the glossary"),
        (ALL, {"dims": ()}, "its docstring describes special, which it doesn't have"),
        (
            f"Does.\n\n    Args:\n        norm_eps: {ARGUMENTS['norm_eps']}\n", {"norm_eps": 1},
            "its docstring repeats the glossary's 'norm_eps'",
        ),
    ],
)  # fmt: skip
def test_an_entry_that_is_missing_or_too_many_is_an_error(docstring, arguments, message):
    with pytest.raises(TypeError, match=message):
        described(docstring, **arguments)


def test_the_glossary_is_in_use():
    """Each of its entries serves two functions or more: what one has is said there."""
    texts = [inspect.getdoc(function) for function in FUNCTIONS.values()]
    for argument in ARGUMENTS:
        users = [text for text in texts if re.search(rf"^    \*{{0,2}}{argument}: ", text, re.M)]
        assert len(users) > 1, argument


# rules that join arguments


@c.public
def joined(
    dims: c.OneOrPerStage[c.Width], num_heads: c.OneOrPerStage[c.Count], ratio: float = 1, size: int = 8
) -> None:
    """Asks the rules.

    Args:
        ratio: hidden width, relative to `dims`.
        size: side of an image.
    """
    c.heads_divide(dims, num_heads)
    c.has_hidden(dims, (ratio,) * len(dims) if isinstance(dims, tuple) else ratio, "ratio")
    c.at_least(4, (size, size), "size")
    c.known((None if size == 5 else size, size), "there is a table")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dims": 16, "num_heads": 3}, "num_heads=3; allowed: divisors of the width, here 3 of 16"),
        ({"dims": (8, 9), "num_heads": 2}, "num_heads=2; allowed: divisors of the width, here 2 of 9"),
        ({"dims": 8, "num_heads": 2, "ratio": 0.1}, "ratio=0.1; allowed: at least 1 / width, here 0.1 of 8"),
        ({"dims": 8, "num_heads": 2, "size": 3}, "size=(3, 3); allowed: height and width of at least 4"),
        ({"dims": 8, "num_heads": 2, "size": 5}, "input_shape=(None, 5); allowed: a known height and width: there is"),
    ],
)
def test_rules(arguments, message):
    with pytest.raises(ValueError, match=re.escape(f"joined: {message}")):
        joined(**arguments)


def test_nothing_is_made_where_a_rule_is_broken():
    assert joined((8, 16), 4) is None
