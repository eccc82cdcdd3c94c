"""All that `vitgraph` offers under its own name. The package imports this when it is needed."""

from typing import TYPE_CHECKING

from vitgraph import blocks, builders, objectives
from vitgraph.builders import *  # noqa: F403  (every build_* function)
from vitgraph.checkpoints import list_weights, load_weights, save_weights, to_timm
from vitgraph.classes import decode_predictions
from vitgraph.create import create
from vitgraph.distribution import layout_map
from vitgraph.from_hub import from_hub
from vitgraph.graphs.attention import attention, attention_rollout
from vitgraph.graphs.channels import channels_first
from vitgraph.graphs.distillation import without_distillation
from vitgraph.graphs.folding import fold_batchnorm
from vitgraph.graphs.freeze import freeze
from vitgraph.graphs.input_channels import change_channels
from vitgraph.graphs.input_shape import change_input_shape
from vitgraph.graphs.pyramid import pyramid
from vitgraph.graphs.reparameterization import reparameterize
from vitgraph.graphs.replace_head import replace_head
from vitgraph.graphs.segformer_head import segformer_head
from vitgraph.graphs.simple_pyramid import simple_feature_pyramid
from vitgraph.graphs.truncate import truncate
from vitgraph.graphs.with_levels import with_levels
from vitgraph.inference import embed, evaluate, preprocessing
from vitgraph.objectives.byol import byol
from vitgraph.objectives.dino import dino
from vitgraph.objectives.distillation import distill
from vitgraph.objectives.masked_autoencoder import masked_autoencoder
from vitgraph.objectives.masked_patch_prediction import masked_patch_prediction
from vitgraph.objectives.simmim import simmim
from vitgraph.registry import list_models
from vitgraph.sharing import load, push_to_hub, save_to_folder

if TYPE_CHECKING:  # these are imported when they are asked for
    from vitgraph import classes, export, images, inference, interop, plots, sharing, training

__all__ = [
    *builders.__all__,
    "attention",
    "attention_rollout",
    "blocks",
    "byol",
    "change_channels",
    "change_input_shape",
    "channels_first",
    "classes",
    "create",
    "decode_predictions",
    "dino",
    "distill",
    "embed",
    "evaluate",
    "export",
    "fold_batchnorm",
    "freeze",
    "from_hub",
    "images",
    "inference",
    "interop",
    "layout_map",
    "list_models",
    "list_weights",
    "load",
    "load_weights",
    "masked_autoencoder",
    "masked_patch_prediction",
    "objectives",
    "plots",
    "preprocessing",
    "push_to_hub",
    "pyramid",
    "reparameterize",
    "replace_head",
    "save_to_folder",
    "save_weights",
    "segformer_head",
    "sharing",
    "simmim",
    "simple_feature_pyramid",
    "to_timm",
    "training",
    "truncate",
    "with_levels",
    "without_distillation",
]
