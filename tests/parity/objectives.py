"""What translations of objectives share."""

import keras

from vitgraph import load_weights
from vitgraph.checkpoints.names import SOURCES
from vitgraph.checkpoints.source import Source


def channels_last(images):
    """(B, C, H, W) -> (B, H, W, C)."""
    return images.transpose(0, 2, 3, 1)


def numpy(tensors):
    return {name: keras.ops.convert_to_numpy(value) for name, value in tensors.items()}


def load(objective, weights, encoder, prefix, renames, ignored=r"(?!)"):
    """Loads a reference's weights into an objective.

    Args:
        encoder: the name of the table that reads the encoder's, whose names follow `prefix`.
        renames: entries of a table for the objective's own.
        ignored: pattern of what has no counterpart.
    """
    table = SOURCES[encoder]
    ignored = f"{ignored}|{table.ignored}|{table.head}"
    weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    load_weights(objective, weights, source=Source((*renames, *table.renames), ignored=ignored))
