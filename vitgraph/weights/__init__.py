"""Checkpoints: reading them, converting them, and loading them wholly or not at all."""

from vitgraph.weights.convert import load_weights
from vitgraph.weights.files import read_checkpoint, save_weights

__all__ = ["load_weights", "read_checkpoint", "save_weights"]
