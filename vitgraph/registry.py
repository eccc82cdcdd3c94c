"""All published variants by name: the union of the builders' `VARIANTS` tables."""

import difflib
import fnmatch

from vitgraph.builders import pvt_v2, swin, vit

_FAMILIES = (
    (vit.build_vit, vit),
    (pvt_v2.build_pvt_v2, pvt_v2),
    (swin.build_swin, swin),
)
_VARIANTS = {name: (build, row) for build, family in _FAMILIES for name, row in family.VARIANTS.items()}

SOURCES = {
    f"{build.__name__.removeprefix('build_')}/{name}": source
    for build, family in _FAMILIES
    for name, source in family.SOURCES.items()
}
"""Every kind of checkpoint that can be read: {"swin/timm": Source, ...}."""


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
