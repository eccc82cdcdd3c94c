"""One architecture family per file: a pure function from hyper-parameters to a graph."""

from vitgraph.builders.cct import build_cct
from vitgraph.builders.crossvit import build_crossvit
from vitgraph.builders.pvt_v2 import build_pvt_v2
from vitgraph.builders.swin import build_swin
from vitgraph.builders.vit import build_vit
from vitgraph.builders.vit_lite import build_vit_lite

__all__ = ["build_cct", "build_crossvit", "build_pvt_v2", "build_swin", "build_vit", "build_vit_lite"]
