"""Training: recipes as data, a loop that goes on after any interruption as if there had been none."""

from vitgraph.training.folder import Result
from vitgraph.training.optimizer import LayerwiseAdamW, depths
from vitgraph.training.recipe import Recipe, list_recipes, recipe
from vitgraph.training.train import pretrain, train

__all__ = ["LayerwiseAdamW", "Recipe", "Result", "depths", "list_recipes", "pretrain", "recipe", "train"]
