"""One architecture per file: a pure function from numbers to a graph.

This file is written by `scripts/check --fix`: it imports `build_<file>` from every file beside it.
"""

from vitgraph.builders.ats_vit import build_ats_vit
from vitgraph.builders.beit import build_beit
from vitgraph.builders.cait import build_cait
from vitgraph.builders.cct import build_cct
from vitgraph.builders.convit import build_convit
from vitgraph.builders.crossformer import build_crossformer
from vitgraph.builders.crossvit import build_crossvit
from vitgraph.builders.cvt import build_cvt
from vitgraph.builders.deepvit import build_deepvit
from vitgraph.builders.deit import build_deit
from vitgraph.builders.efficient_vit import build_efficient_vit
from vitgraph.builders.efficientvit import build_efficientvit
from vitgraph.builders.efficientvit_msra import build_efficientvit_msra
from vitgraph.builders.eva import build_eva
from vitgraph.builders.fastvit import build_fastvit
from vitgraph.builders.hiera import build_hiera
from vitgraph.builders.levit import build_levit
from vitgraph.builders.localvit import build_localvit
from vitgraph.builders.localvit_pvt import build_localvit_pvt
from vitgraph.builders.maxvit import build_maxvit
from vitgraph.builders.mit import build_mit
from vitgraph.builders.mobilevit import build_mobilevit
from vitgraph.builders.mobilevit_v2 import build_mobilevit_v2
from vitgraph.builders.mvit_v2 import build_mvit_v2
from vitgraph.builders.nest import build_nest
from vitgraph.builders.parallel_vit import build_parallel_vit
from vitgraph.builders.patch_merger_vit import build_patch_merger_vit
from vitgraph.builders.pit import build_pit
from vitgraph.builders.pvt import build_pvt
from vitgraph.builders.pvt_v2 import build_pvt_v2
from vitgraph.builders.regionvit import build_regionvit
from vitgraph.builders.scalablevit import build_scalablevit
from vitgraph.builders.simple_vit import build_simple_vit
from vitgraph.builders.small_data_pit import build_small_data_pit
from vitgraph.builders.small_data_vit import build_small_data_vit
from vitgraph.builders.swin import build_swin
from vitgraph.builders.swin_v2 import build_swin_v2
from vitgraph.builders.t2t_vit import build_t2t_vit
from vitgraph.builders.tiny_vit import build_tiny_vit
from vitgraph.builders.tnt import build_tnt
from vitgraph.builders.twins_pcpvt import build_twins_pcpvt
from vitgraph.builders.twins_svt import build_twins_svt
from vitgraph.builders.visformer import build_visformer
from vitgraph.builders.vit import build_vit
from vitgraph.builders.vit_lite import build_vit_lite
from vitgraph.builders.xcit import build_xcit

__all__ = [
    "build_ats_vit",
    "build_beit",
    "build_cait",
    "build_cct",
    "build_convit",
    "build_crossformer",
    "build_crossvit",
    "build_cvt",
    "build_deepvit",
    "build_deit",
    "build_efficient_vit",
    "build_efficientvit",
    "build_efficientvit_msra",
    "build_eva",
    "build_fastvit",
    "build_hiera",
    "build_levit",
    "build_localvit",
    "build_localvit_pvt",
    "build_maxvit",
    "build_mit",
    "build_mobilevit",
    "build_mobilevit_v2",
    "build_mvit_v2",
    "build_nest",
    "build_parallel_vit",
    "build_patch_merger_vit",
    "build_pit",
    "build_pvt",
    "build_pvt_v2",
    "build_regionvit",
    "build_scalablevit",
    "build_simple_vit",
    "build_small_data_pit",
    "build_small_data_vit",
    "build_swin",
    "build_swin_v2",
    "build_t2t_vit",
    "build_tiny_vit",
    "build_tnt",
    "build_twins_pcpvt",
    "build_twins_svt",
    "build_visformer",
    "build_vit",
    "build_vit_lite",
    "build_xcit",
]
