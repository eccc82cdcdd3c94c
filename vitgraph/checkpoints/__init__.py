"""Checkpoints: reading them, converting them, and loading them wholly or not at all."""

from vitgraph.checkpoints.convert import load_weights
from vitgraph.checkpoints.files import read_checkpoint, save_weights
from vitgraph.checkpoints.inverse import to_source, to_timm
from vitgraph.checkpoints.published import list_weights

__all__ = ["list_weights", "load_weights", "read_checkpoint", "save_weights", "to_source", "to_timm"]
