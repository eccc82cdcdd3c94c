"""All published variants by name: the union of the builders' `VARIANTS` tables."""

import difflib
import fnmatch
import sys

from vitgraph import builders

BUILDERS = tuple(getattr(builders, name) for name in builders.__all__)
"""All builders, also those of architectures of which no variant is published under a name of its own."""

_VARIANTS = {name: (build, row) for build in BUILDERS for name, row in sys.modules[build.__module__].VARIANTS.items()}


def list_models(pattern="*"):
    """Names of the published variants that match a shell pattern, such as "pvt*": a sorted list."""
    return sorted(fnmatch.filter(_VARIANTS, pattern))


def variant(name):
    """(builder, keyword arguments that differ from its defaults) of a published variant.

    Raises:
        ValueError: an unknown name; the message names the nearest ones.
    """
    if name not in _VARIANTS:
        near = difflib.get_close_matches(str(name), _VARIANTS, n=3, cutoff=0.5)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise ValueError(f"create: unknown model {name!r}{hint}; vitgraph.list_models() has all {len(_VARIANTS)}")
    return _VARIANTS[name]
