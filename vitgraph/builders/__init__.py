"""One architecture family per file: a pure function from hyper-parameters to a graph."""

from vitgraph.builders.pit import build_pit
from vitgraph.builders.pvt_v2 import build_pvt_v2
from vitgraph.builders.swin import build_swin
from vitgraph.builders.swin_v2 import build_swin_v2
from vitgraph.builders.vit import build_vit

__all__ = ["build_pit", "build_pvt_v2", "build_swin", "build_swin_v2", "build_vit"]
