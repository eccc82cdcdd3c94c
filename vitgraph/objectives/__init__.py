"""Training objectives: a graph -> a `keras.Model` that trains its weights, one paper a file."""

from vitgraph.objectives.base import Objective
from vitgraph.objectives.byol import BYOL, byol
from vitgraph.objectives.dino import DINO, dino
from vitgraph.objectives.distillation import Distillation, distill, without_distillation
from vitgraph.objectives.masked_autoencoder import MaskedAutoencoder, masked_autoencoder, sincos_positions
from vitgraph.objectives.masked_patch_prediction import MaskedPatchPrediction, masked_patch_prediction
from vitgraph.objectives.simmim import SimMIM, simmim

__all__ = [
    "BYOL",
    "DINO",
    "Distillation",
    "MaskedAutoencoder",
    "MaskedPatchPrediction",
    "Objective",
    "SimMIM",
    "byol",
    "dino",
    "distill",
    "masked_autoencoder",
    "masked_patch_prediction",
    "simmim",
    "sincos_positions",
    "without_distillation",
]
