"""Vision transformers as pure builder functions that wire Keras layers into one static Functional graph."""

from vitgraph import blocks, builders, objectives
from vitgraph.builders import *  # noqa: F403  (every build_* function)
from vitgraph.checkpoints import list_weights, load_weights, save_weights
from vitgraph.create import create
from vitgraph.distribution import layout_map
from vitgraph.graphs.attention import attention, attention_rollout
from vitgraph.graphs.channels import channels_first
from vitgraph.graphs.folding import fold_batchnorm
from vitgraph.graphs.pyramid import pyramid, simple_feature_pyramid
from vitgraph.objectives import (
    byol,
    dino,
    distill,
    masked_autoencoder,
    masked_patch_prediction,
    simmim,
    without_distillation,
)
from vitgraph.registry import list_models

__version__ = "0.1.0"
__all__ = [
    *builders.__all__,
    "attention",
    "attention_rollout",
    "blocks",
    "byol",
    "channels_first",
    "create",
    "dino",
    "distill",
    "fold_batchnorm",
    "layout_map",
    "list_models",
    "list_weights",
    "load_weights",
    "masked_autoencoder",
    "masked_patch_prediction",
    "objectives",
    "pyramid",
    "save_weights",
    "simmim",
    "simple_feature_pyramid",
    "without_distillation",
]
