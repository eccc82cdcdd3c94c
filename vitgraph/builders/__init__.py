"""One architecture family per file: a pure function from hyper-parameters to a graph."""

from vitgraph.builders.cait import build_cait
from vitgraph.builders.deit import build_deit
from vitgraph.builders.pvt_v2 import build_pvt_v2
from vitgraph.builders.swin import build_swin
from vitgraph.builders.vit import build_vit

__all__ = ["build_cait", "build_deit", "build_pvt_v2", "build_swin", "build_vit"]
