"""Vision transformers as pure builder functions that wire Keras layers into one static Functional graph."""

from vitgraph import blocks, builders
from vitgraph.builders import *  # noqa: F403  (every build_* function)
from vitgraph.create import create
from vitgraph.features import attention, pyramid, simple_feature_pyramid
from vitgraph.registry import list_models
from vitgraph.weights import list_weights, load_weights, save_weights

__version__ = "0.1.0"
__all__ = [
    *builders.__all__,
    "attention",
    "blocks",
    "create",
    "list_models",
    "list_weights",
    "load_weights",
    "pyramid",
    "save_weights",
    "simple_feature_pyramid",
]
