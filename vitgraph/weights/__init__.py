"""Checkpoints: reading them, converting them, and loading them wholly or not at all."""

from vitgraph.weights.convert import load_weights
from vitgraph.weights.files import read_checkpoint, save_weights
from vitgraph.weights.published import list_weights

__all__ = ["list_weights", "load_weights", "read_checkpoint", "save_weights"]
