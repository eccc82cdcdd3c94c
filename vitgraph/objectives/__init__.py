"""Training objectives: a graph -> a `keras.Model` that trains its weights, one paper a file.

Each module has one public function of what it does, such as `masked_autoencoder.masked_autoencoder`, which is also
`vitgraph.masked_autoencoder`.
"""

from vitgraph.objectives import byol, dino, distillation, masked_autoencoder, masked_patch_prediction, simmim
from vitgraph.objectives.base import Objective
from vitgraph.objectives.masked_autoencoder import sincos_positions

OBJECTIVES = {
    "byol": byol.byol,
    "dino": dino.dino,
    "masked_autoencoder": masked_autoencoder.masked_autoencoder,
    "masked_patch_prediction": masked_patch_prediction.masked_patch_prediction,
    "simmim": simmim.simmim,
}
"""{name: function}, of the objectives that need nothing but images: those that `vitgraph.training.pretrain` can use."""

__all__ = [
    "OBJECTIVES",
    "Objective",
    "byol",
    "dino",
    "distillation",
    "masked_autoencoder",
    "masked_patch_prediction",
    "simmim",
    "sincos_positions",
]
