"""One call from a published name to a model with its weights."""

import pathlib
from typing import Any

import keras

from vitgraph import contract as c
from vitgraph.checkpoints.about import about_inherited, about_published
from vitgraph.checkpoints.convert import load
from vitgraph.checkpoints.files import READABLE, read_about
from vitgraph.checkpoints.hub import download
from vitgraph.checkpoints.published import published
from vitgraph.registry import Variant, variant


@c.public
def create(
    name: Variant, /, weights: c.Path | None = None, *, skip_head: bool = False, **overrides: Any
) -> keras.Model:
    """Builds a published variant.

    Args:
        name: one of `list_models()`.
        weights: None for random ones; the path of a checkpoint, ours or its source's: `.safetensors`, `.npz`, `.keras`,
            or with torch `.pth`; or one of `list_weights(name)`, such as "in1k", which is downloaded from the Hugging
            Face hub and whose number of classes is then the default. Tables of another input size are resampled.
        skip_head: load all but the head, for another `num_classes`.
        **overrides: arguments of the variant's builder that are to differ, such as `input_shape` or `name`.

    Returns:
        A `keras.Model` named after the variant.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; a checkpoint that doesn't fit.
        OSError: a checkpoint that can't be read or downloaded.

    Example:
        >>> net = vitgraph.create("pvt_v2_b0", input_shape=(64, 64, 3), num_classes=5)
        >>> net.name, net.output_shape
        ('pvt_v2_b0', (None, 5))
    """
    build, row = variant(name)
    arguments = {"name": name, **row, **overrides}
    path, facts = None, {}
    has_head = not skip_head and arguments.get("include_top", True)
    if weights is not None and _is_path(weights):
        path = pathlib.Path(weights)
    elif weights is not None:
        entry = published(name, str(weights))
        if entry.num_classes:
            arguments.setdefault("num_classes", entry.num_classes)
        headless = skip_head or not arguments.get("include_top", True)
        c.require(entry.num_classes or headless, "weights", "others, as these have no head; or skip_head=True")
        if arguments.get("input_tensor") is None:
            arguments.setdefault("input_shape", (entry.input_size, entry.input_size, 3))
        path, facts = download(entry.repository), about_published(entry, has_head=has_head)
    model = build(**arguments)
    if path is not None:
        kind = load(model, path, "weights", skip_head=skip_head)
        if kind == "vitgraph" and path.suffix == ".safetensors":
            facts = about_inherited(read_about(path), has_head=has_head)
    model.about = {**model.about, **facts, "variant": name}
    return model


def _is_path(weights: c.Path) -> bool:
    path = pathlib.Path(weights)
    return path.exists() or path.suffix in READABLE or len(path.parts) > 1
