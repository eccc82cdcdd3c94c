"""One architecture family per file: a pure function from hyper-parameters to a graph."""

from vitgraph.builders.cvt import build_cvt
from vitgraph.builders.levit import build_levit
from vitgraph.builders.localvit import build_localvit
from vitgraph.builders.localvit_pvt import build_localvit_pvt
from vitgraph.builders.pvt import build_pvt
from vitgraph.builders.pvt_v2 import build_pvt_v2
from vitgraph.builders.swin import build_swin
from vitgraph.builders.vit import build_vit

__all__ = ["build_localvit", "build_localvit_pvt", "build_pvt", "build_pvt_v2", "build_swin", "build_vit"]
__all__ = ["build_cvt", "build_levit", "build_pvt_v2", "build_swin", "build_vit"]
