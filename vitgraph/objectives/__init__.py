"""Training objectives: a graph -> a `keras.Model` that trains its weights, one paper a file."""

from vitgraph.objectives.base import Objective

__all__ = ["Objective"]
