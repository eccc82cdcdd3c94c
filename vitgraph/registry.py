"""All published variants by name: the union of the builders' `VARIANTS` tables."""

import difflib
import fnmatch
import sys
from collections.abc import Callable
from typing import Annotated, Any

import keras

from vitgraph import builders
from vitgraph import contract as c
from vitgraph.contract.fitting import Misfit

BUILDERS = tuple(getattr(builders, name) for name in builders.__all__)
"""All builders, also those of architectures of which no variant is published under a name of its own."""

_VARIANTS = {name: (build, row) for build in BUILDERS for name, row in sys.modules[build.__module__].VARIANTS.items()}


def _known(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    if value not in _VARIANTS:
        near = difflib.get_close_matches(value, _VARIANTS, n=3, cutoff=0.5)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise Misfit(ValueError, f"one of vitgraph.list_models(), which has all {len(_VARIANTS)}{hint}")
    return str(value)


Variant = Annotated[str, c.Conversion("one of vitgraph.list_models()", _known)]
"""The name of a published variant."""


@c.public
def list_models(pattern: str = "*") -> list[str]:
    """The names of the published variants, sorted.

    Args:
        pattern: a shell pattern that they match, such as "pvt*".

    Returns:
        A list of names, each of which `create` takes.

    Example:
        >>> vitgraph.list_models("pvt_v2_b[01]")
        ['pvt_v2_b0', 'pvt_v2_b1']
    """
    return sorted(fnmatch.filter(_VARIANTS, pattern))


@c.public
def variant(name: Variant) -> tuple[Callable[..., keras.Model], dict[str, Any]]:
    """The builder of a published variant, and its arguments.

    Args:
        name: one of `list_models()`.

    Returns:
        Its builder, and the keyword arguments that differ from the builder's defaults.

    Example:
        >>> build, row = vitgraph.registry.variant("pvt_v2_b1")
        >>> build.__name__, row
        ('build_pvt_v2', {'dims': (64, 128, 320, 512)})
    """
    build, row = _VARIANTS[name]
    return build, dict(row)
