"""Training: recipes as data, and a loop that resumes after any interruption as if there had been none."""

from vitgraph.training.folder import Result
from vitgraph.training.optimizer import LayerwiseAdamW, depths
from vitgraph.training.pipeline import batches
from vitgraph.training.pretraining import pretrain
from vitgraph.training.recipes import Recipe, list_recipes, recipe
from vitgraph.training.sheet import preview
from vitgraph.training.supervised import train

__all__ = [
    "LayerwiseAdamW",
    "Recipe",
    "Result",
    "batches",
    "depths",
    "list_recipes",
    "preview",
    "pretrain",
    "recipe",
    "train",
]
