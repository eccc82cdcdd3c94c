"""What the tables of the transformers library's checkpoints share.

The tables have the names of the files on the Hugging Face hub, of a model with a head. Bare models lack the prefix that
the body has there, and recent versions of the library call in memory what the files call otherwise.
"""

import re

import numpy as np

from vitgraph.checkpoints.source import fused

QKV = ("query", "key", "value")


def projections(attention="attention.attention"):
    """(pattern, replacement) from names in memory to those in files, of the four projections of attention."""
    inputs = [(rf"attention\.{part[0]}_proj\.", f"{attention}.{part}.") for part in QKV]
    return *inputs, (r"attention\.o_proj\.", "attention.output.dense.")


MLP = (r"\.mlp\.fc1\.", ".intermediate.dense."), (r"\.mlp\.fc2\.", ".output.dense.")
"""The same of the feed-forward layer, where files have it outside a module of its own."""


def as_in_files(prefix, heads, *renames):
    """The function that gives a checkpoint the names of the hub's files, {name: array} -> {name: array}.

    Args:
        prefix: what the names of the body begin with, which is added where all names lack it.
        heads: pattern of the names outside the body.
        renames: (pattern, replacement), one after the other.
    """

    def prepare(tensors):
        bare = not any(name.startswith(prefix) for name in tensors)
        names = {name: prefix + name if bare and not re.match(heads, name) else name for name in tensors}
        for pattern, replacement in renames:
            names = {name: re.sub(pattern, replacement, new) for name, new in names.items()}
        return {names[name]: array for name, array in tensors.items()}

    return prepare


def block(ours, theirs, attention="attention.attention"):
    """The entries of a pre-norm transformer block, with queries, keys and values in layers of their own.

    Args:
        ours: the pattern that our names of a block begin with.
        theirs: the template that theirs begin with.
        attention: their name of the module with the three projections.
    """
    return (
        (f"{ours}norm1", f"{theirs}layernorm_before"),
        (f"{ours}attn_qkv", tuple(f"{theirs}{attention}.{part}" for part in QKV), fused),
        (f"{ours}attn_proj", f"{theirs}attention.output.dense"),
        (f"{ours}norm2", f"{theirs}layernorm_after"),
        (f"{ours}mlp_fc1", f"{theirs}intermediate.dense"),
        (f"{ours}mlp_fc2", f"{theirs}output.dense"),
    )


def embeddings(body):
    """The entries of what is before a plain net's blocks."""
    return (
        (r"cls_token/token", f"{body}embeddings.cls_token"),
        (r"pos_embed/table", f"{body}embeddings.position_embeddings"),
        (r"patch_embed", f"{body}embeddings.patch_embeddings.projection"),
    )


def no_bias(arrays, shape):
    """Of a projection without a bias."""
    return np.zeros(shape, "float32")
