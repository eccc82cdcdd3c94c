"""Vision transformers as pure builder functions that wire Keras layers into one static Functional graph."""

from vitgraph import blocks
from vitgraph.builders import build_pvt_v2, build_swin, build_vit
from vitgraph.registry import list_models

__version__ = "0.1.0"
__all__ = ["blocks", "build_pvt_v2", "build_swin", "build_vit", "list_models"]
