"""Training objectives: a graph -> a `keras.Model` that trains its weights, one paper a file."""

from vitgraph.objectives.base import Objective
from vitgraph.objectives.masked_autoencoder import MaskedAutoencoder, masked_autoencoder
from vitgraph.objectives.masked_patch_prediction import MaskedPatchPrediction, masked_patch_prediction

__all__ = [
    "MaskedAutoencoder",
    "MaskedPatchPrediction",
    "Objective",
    "masked_autoencoder",
    "masked_patch_prediction",
]
