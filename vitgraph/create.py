"""One call from a published name to a model with its weights."""

import pathlib

from vitgraph.checkpoints import load_weights
from vitgraph.checkpoints.files import READABLE
from vitgraph.checkpoints.hub import download
from vitgraph.checkpoints.published import published
from vitgraph.registry import variant


def create(name, /, weights=None, *, skip_head=False, **overrides):
    """Builds a published variant.

    Args:
        name: one of `list_models()`.
        weights: None for random ones; the path of a checkpoint, ours or its source's: `.safetensors`, `.npz`, `.keras`,
            or with torch `.pth`; or one of `list_weights(name)`, such as "in1k", to be downloaded from the Hugging Face
            hub, whose number of classes is then the default. Tables of another input size are resampled.
        skip_head: load all but the head, for another `num_classes`.
        **overrides: arguments of the variant's builder that are to differ, such as `input_shape` or `name`.

    Returns:
        A `keras.Model` named after the variant.

    Raises:
        ValueError, TypeError: an unknown name (the nearest are named), a bad argument, a checkpoint that doesn't fit.
        OSError: a checkpoint that can't be read or downloaded.
    """
    build, row = variant(name)
    arguments = {"name": name, **row, **overrides}
    path = None
    if weights is not None and _is_path(weights):
        path = pathlib.Path(weights)
    elif weights is not None:
        entry = published(name, weights)
        if entry.num_classes:
            arguments.setdefault("num_classes", entry.num_classes)
        elif not skip_head and arguments.get("include_top", True):
            raise ValueError(
                f"create: weights={weights!r} of {name} have no head; allowed: with include_top=False or skip_head=True"
            )
        path = download(f"timm/{name}.{weights}")
    model = build(**arguments)
    if path is not None:
        load_weights(model, path, skip_head=skip_head)
    return model


def _is_path(weights):
    path = pathlib.Path(weights)
    return path.exists() or path.suffix in READABLE.split(", ") or len(path.parts) > 1
