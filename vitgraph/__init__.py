"""Vision transformers as pure builder functions that wire Keras layers into one static Functional graph."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_ROOMS = ("export", "images", "interop", "plots", "training")  # imported when they are asked for
_LIGHT = ("vitgraph.cli", "vitgraph.scratch", "vitgraph.__main__")  # these don't need Keras

if TYPE_CHECKING:
    from vitgraph.api import *  # noqa: F403
    from vitgraph.api import __all__ as __all__
    from vitgraph.builders import *  # noqa: F403  (mypy doesn't find them in api's `__all__`)
else:  # to a type checker `__getattr__` would mean that any name is here

    def __getattr__(name):
        if name in _ROOMS:
            return importlib.import_module(f"vitgraph.{name}")
        is_light = f"vitgraph.{name}" in _LIGHT or (name.startswith("__") and name != "__all__")
        if _Watch in sys.meta_path and not is_light:
            _load()
            if name in globals():
                return globals()[name]
        raise AttributeError(f"module 'vitgraph' has no attribute {name!r}")


def __dir__():
    _load()
    return sorted({*globals(), *_ROOMS})


def _load():
    """Imports the package, whereby Keras gets to know its layers."""
    if _Watch in sys.meta_path:
        sys.meta_path.remove(_Watch)
    api = importlib.import_module("vitgraph.api")
    globals().update({name: getattr(api, name) for name in api.__all__ if name not in _ROOMS}, __all__=api.__all__)


class _Watch:
    """Loads the package after the first import of Keras, or of a part of the package that needs it.

    So the command line is quick where it can be, and Keras can read a file back wherever `vitgraph` is imported.
    """

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name != "keras" and (not name.startswith("vitgraph.") or name.startswith(_LIGHT)):
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not cls)
        spec: Any = next((spec for spec in others if spec is not None), None)
        if spec is not None:
            spec.loader.exec_module = _then_load(spec.loader.exec_module)
        return spec


def _then_load(execute):
    def execute_and_load(module):
        if _Watch in sys.meta_path:  # what the module imports itself is left alone
            sys.meta_path.remove(_Watch)
        execute(module)
        _load()

    return execute_and_load


if "keras" in sys.modules:
    _load()
else:
    sys.meta_path.insert(0, _Watch)
