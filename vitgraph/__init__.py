"""Vision transformers as pure builder functions that wire Keras layers into one static Functional graph."""

import importlib
import pathlib
import sys
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_ROOMS = ("classes", "export", "images", "inference", "interop", "plots", "sharing", "training")
"""Imported when they are asked for."""


def _load() -> None:
    """Imports the package, whereby Keras gets to know its layers."""
    api: Any = importlib.import_module("vitgraph.api")
    names = {name: getattr(api, name) for name in api.__all__ if name not in _ROOMS}
    globals().update(names, __all__=api.__all__)


def _runs_the_command() -> bool:
    """Whether this process is the command line, which loads what it needs: `vitgraph list` doesn't need Keras."""
    module = sys.orig_argv[sys.orig_argv.index("-m") + 1 :] if "-m" in sys.orig_argv else []
    return "vitgraph" in [pathlib.Path(name).stem for name in sys.argv[:1]] or module[:1] == ["vitgraph"]


if TYPE_CHECKING:
    from vitgraph.api import *  # noqa: F403
    from vitgraph.api import __all__ as __all__
    from vitgraph.builders import *  # noqa: F403  (mypy doesn't find them in api's `__all__`)
else:  # to a type checker `__getattr__` would mean that any name is here

    def __getattr__(name):
        if name in _ROOMS:
            return importlib.import_module(f"vitgraph.{name}")
        if "__all__" not in globals() and (name == "__all__" or not name.startswith("__")):
            _load()
            if name in globals():
                return globals()[name]
        raise AttributeError(f"module 'vitgraph' has no attribute {name!r}")


def __dir__() -> list[str]:
    if "__all__" not in globals():
        _load()
    return sorted({*globals(), *_ROOMS})


if not _runs_the_command():
    _load()
