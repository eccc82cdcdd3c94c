"""All published variants by name: the union of the builders' `VARIANTS` tables."""

import difflib
import fnmatch

from vitgraph.builders import (
    ats_vit,
    beit,
    cait,
    cct,
    crossformer,
    crossvit,
    cvt,
    deepvit,
    deit,
    efficient_vit,
    levit,
    localvit,
    localvit_pvt,
    mobilevit,
    mobilevit_v2,
    nest,
    parallel_vit,
    patch_merger_vit,
    pit,
    pvt,
    pvt_v2,
    regionvit,
    scalablevit,
    simple_vit,
    small_data_pit,
    small_data_vit,
    swin,
    swin_v2,
    t2t_vit,
    twins_pcpvt,
    twins_svt,
    vit,
    vit_lite,
)

_FAMILIES: tuple = (
    (vit.build_vit, vit.VARIANTS, vit.SOURCES),
    (ats_vit.build_ats_vit, ats_vit.VARIANTS, ats_vit.SOURCES),
    (beit.build_beit, beit.VARIANTS, beit.SOURCES),
    (cait.build_cait, cait.VARIANTS, cait.SOURCES),
    (cct.build_cct, cct.VARIANTS, cct.SOURCES),
    (crossformer.build_crossformer, crossformer.VARIANTS, crossformer.SOURCES),
    (crossvit.build_crossvit, crossvit.VARIANTS, crossvit.SOURCES),
    (cvt.build_cvt, cvt.VARIANTS, cvt.SOURCES),
    (deepvit.build_deepvit, deepvit.VARIANTS, deepvit.SOURCES),
    (deit.build_deit, deit.VARIANTS, deit.SOURCES),
    (efficient_vit.build_efficient_vit, efficient_vit.VARIANTS, efficient_vit.SOURCES),
    (levit.build_levit, levit.VARIANTS, levit.SOURCES),
    (localvit.build_localvit, localvit.VARIANTS, localvit.SOURCES),
    (localvit_pvt.build_localvit_pvt, localvit_pvt.VARIANTS, localvit_pvt.SOURCES),
    (mobilevit.build_mobilevit, mobilevit.VARIANTS, mobilevit.SOURCES),
    (mobilevit_v2.build_mobilevit_v2, mobilevit_v2.VARIANTS, mobilevit_v2.SOURCES),
    (nest.build_nest, nest.VARIANTS, nest.SOURCES),
    (parallel_vit.build_parallel_vit, parallel_vit.VARIANTS, parallel_vit.SOURCES),
    (patch_merger_vit.build_patch_merger_vit, patch_merger_vit.VARIANTS, patch_merger_vit.SOURCES),
    (pit.build_pit, pit.VARIANTS, pit.SOURCES),
    (pvt.build_pvt, pvt.VARIANTS, pvt.SOURCES),
    (pvt_v2.build_pvt_v2, pvt_v2.VARIANTS, pvt_v2.SOURCES),
    (regionvit.build_regionvit, regionvit.VARIANTS, regionvit.SOURCES),
    (scalablevit.build_scalablevit, scalablevit.VARIANTS, scalablevit.SOURCES),
    (simple_vit.build_simple_vit, simple_vit.VARIANTS, {}),  # its checkpoints are read by ViT's tables
    (small_data_pit.build_small_data_pit, small_data_pit.VARIANTS, small_data_pit.SOURCES),
    (small_data_vit.build_small_data_vit, small_data_vit.VARIANTS, small_data_vit.SOURCES),
    (swin.build_swin, swin.VARIANTS, swin.SOURCES),
    (swin_v2.build_swin_v2, swin_v2.VARIANTS, swin_v2.SOURCES),
    (t2t_vit.build_t2t_vit, t2t_vit.VARIANTS, t2t_vit.SOURCES),
    (twins_pcpvt.build_twins_pcpvt, twins_pcpvt.VARIANTS, twins_pcpvt.SOURCES),
    (twins_svt.build_twins_svt, twins_svt.VARIANTS, twins_svt.SOURCES),
    (vit_lite.build_vit_lite, vit_lite.VARIANTS, {}),  # its checkpoints are read by CCT's tables
)
BUILDERS = tuple(build for build, _, _ in _FAMILIES)
"""All builders, also those of architectures of which no variant is published under a name of its own."""

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
