"""All published variants by name: the union of the builders' `VARIANTS` tables."""

import difflib
import fnmatch

from vitgraph.builders import cct, crossvit, pvt_v2, swin, vit, vit_lite

_FAMILIES = (
    (vit.build_vit, vit.VARIANTS, vit.SOURCES),
    (pvt_v2.build_pvt_v2, pvt_v2.VARIANTS, pvt_v2.SOURCES),
    (swin.build_swin, swin.VARIANTS, swin.SOURCES),
    (cct.build_cct, cct.VARIANTS, cct.SOURCES),
    (vit_lite.build_vit_lite, vit_lite.VARIANTS, vit_lite.SOURCES),
    (crossvit.build_crossvit, crossvit.VARIANTS, crossvit.SOURCES),
)
_VARIANTS = {name: (build, row) for build, variants, _ in _FAMILIES for name, row in variants.items()}

SOURCES = {
    f"{build.__name__.removeprefix('build_')}/{name}": source
    for build, _, sources in _FAMILIES
    for name, source in sources.items()
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
