"""The public functions, by the names that a user writes."""

import importlib
import inspect
import pkgutil

import vitgraph

MODULES = ("vitgraph", *(f"vitgraph.{name}" for name in ("export", "interop", "objectives", "plots", "training")))
"""Those whose `__all__` a user meets first."""


def functions():
    """{name: function}, each once: what these modules offer, and what is public in any other."""
    found = {}
    others = (module.name for module in pkgutil.walk_packages(vitgraph.__path__, "vitgraph."))
    for name in (*MODULES, *(name for name in others if not name.endswith(("__main__", ".api")))):
        module = importlib.import_module(name)
        for own in getattr(module, "__all__", None) or vars(module):
            value = getattr(module, own)
            listed = name in MODULES and hasattr(module, "__all__")
            offered = listed or getattr(value, "__module__", "") == name and (name in MODULES or _checks(value))
            if inspect.isfunction(value) and offered and not own.startswith("_"):
                found.setdefault(value, f"{name}.{own}")
    return {name: function for function, name in found.items()}


def _checks(value):
    """Whether `contract.public` made it."""
    return inspect.isfunction(value) and value.__code__.co_name == "checked"


FUNCTIONS = functions()
