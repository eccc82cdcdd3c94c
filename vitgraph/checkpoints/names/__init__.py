"""Where published checkpoints keep what the graphs hold: one table per family, named after its builder's file."""

import importlib
import pkgutil

SOURCES = {
    f"{module.name}/{name}": source
    for module in pkgutil.iter_modules(__path__)
    for name, source in importlib.import_module(f"{__name__}.{module.name}").SOURCES.items()
}
"""Every kind of checkpoint that can be read: {"swin/timm": Source, ...}."""
