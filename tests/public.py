"""The public functions, by the names that a user writes."""

import importlib
import inspect

MODULES = ("", ".export", ".interop", ".objectives", ".plots", ".training")


def functions():
    """{name: function}: all that `vitgraph` and the modules of it that are used by name offer, each once."""
    found = {}
    for suffix in MODULES:
        module = importlib.import_module(f"vitgraph{suffix}")
        for name in getattr(module, "__all__", None) or vars(module):
            value = getattr(module, name)
            own = hasattr(module, "__all__") or getattr(value, "__module__", "") == module.__name__
            if inspect.isfunction(value) and own and not name.startswith("_") and value not in found.values():
                found[f"vitgraph{suffix}.{name}"] = value
    return found


FUNCTIONS = functions()
