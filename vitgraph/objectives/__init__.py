"""Training objectives: a graph -> a `keras.Model` that trains its weights, one paper a file."""

from vitgraph.objectives.base import Objective
from vitgraph.objectives.distillation import Distillation, distill, without_distillation
from vitgraph.objectives.masked_autoencoder import MaskedAutoencoder, masked_autoencoder
from vitgraph.objectives.masked_patch_prediction import MaskedPatchPrediction, masked_patch_prediction
from vitgraph.objectives.simmim import SimMIM, simmim

__all__ = [
    "Distillation",
    "MaskedAutoencoder",
    "MaskedPatchPrediction",
    "Objective",
    "SimMIM",
    "distill",
    "masked_autoencoder",
    "masked_patch_prediction",
    "simmim",
    "without_distillation",
]
