"""A docstring says what is special about a function; the glossary says the rest of its arguments."""

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

from vitgraph.contract.glossary import ARGUMENTS

RAISES = "Raises:\n    ValueError, TypeError: an argument that isn't allowed; the message says what is."

SECTION = re.compile(r"\n\n(?=(?:Args|Returns|Raises|Example):\n)")
ENTRY = re.compile(r"^    (\*{0,2}\w+): (.*(?:\n {8,}.*|\n(?= {8}))*)", re.M)


def completed(function: Callable[..., Any]) -> str:
    """The docstring with every argument, once, in the order of the signature.

    Raises:
        TypeError: an argument that neither the docstring nor the glossary describes, or an entry that is none's.
    """
    name = function.__qualname__
    before, *sections = SECTION.split(inspect.cleandoc(function.__doc__ or ""))
    own = dict(ENTRY.findall("\n".join(s for s in sections if s.startswith("Args:"))))
    entries = []
    for argument, parameter in inspect.signature(function).parameters.items():
        if argument == "self":
            continue
        label = {"VAR_KEYWORD": "**", "VAR_POSITIONAL": "*"}.get(parameter.kind.name, "") + argument
        text, general = own.pop(label, None), ARGUMENTS.get(argument)
        if text is None and general is None:
            raise TypeError(f"{name}: {label!r} is described neither in its docstring nor in the glossary")
        if text is not None and " ".join(text.split()) == general:
            raise TypeError(f"{name}: its docstring repeats the glossary's {label!r}")
        entries.append(_entry(label, text or general or ""))
    if own:
        raise TypeError(f"{name}: its docstring describes {', '.join(own)}, which it doesn't have")
    others = [section for section in sections if not section.startswith("Args:")]
    if not any(section.startswith("Raises:") for section in others):
        place = next((i for i, section in enumerate(others) if section.startswith("Example:")), len(others))
        others.insert(place, RAISES)
    arguments = ["Args:\n" + "\n".join(entries)] if entries else []
    return "\n\n".join([before, *arguments, *others]) + "\n"


def _entry(label: str, text: str) -> str:
    words = " ".join(line.strip() for line in text.splitlines())
    return textwrap.fill(f"    {label}: {words}", 116, subsequent_indent=" " * 8, break_on_hyphens=False)
