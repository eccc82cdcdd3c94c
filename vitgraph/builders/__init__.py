"""One architecture family per file: a pure function from hyper-parameters to a graph."""

from vitgraph.builders.mobilevit import build_mobilevit
from vitgraph.builders.mobilevit_v2 import build_mobilevit_v2
from vitgraph.builders.nest import build_nest
from vitgraph.builders.pvt_v2 import build_pvt_v2
from vitgraph.builders.swin import build_swin
from vitgraph.builders.vit import build_vit

__all__ = ["build_mobilevit", "build_mobilevit_v2", "build_nest", "build_pvt_v2", "build_swin", "build_vit"]
