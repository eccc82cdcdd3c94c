"""One call from a published name to a model with its weights."""

import os
import pathlib
from typing import Any

import keras

from vitgraph import contract as c
from vitgraph.blocks.base import pair
from vitgraph.checkpoints import hub
from vitgraph.checkpoints.about import about_inherited, about_published
from vitgraph.checkpoints.convert import load
from vitgraph.checkpoints.files import read_about
from vitgraph.checkpoints.places import Place, is_place, is_url, located
from vitgraph.checkpoints.published import list_weights, published
from vitgraph.registry import Variant, variant


@c.public
def create(
    name: Variant,
    /,
    weights: Place | None = None,
    *,
    skip_head: bool = False,
    adapt: bool = False,
    **overrides: Any,
) -> keras.Model:
    """Builds a published variant.

    Args:
        name: one of `list_models()`.
        weights: None for random ones; one of `list_weights(name)`, such as "in1k", which is downloaded from the Hugging
            Face hub and whose number of classes is then the default; "imagenet" for the default one of ImageNet's 1000
            classes; a checkpoint's path, repository or URL, see `load_weights`. A tag comes before a file of its name,
            which is "./in1k"; one with a `page` is downloaded there by hand, and given as a path. Tables of another
            input size are resampled.
        skip_head: load all but the head, for another `num_classes`.
        adapt: make a first convolution for other channels, or patches of another size, fit; see `load_weights`.
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
    facts: dict[str, Any] = {}
    has_head = not skip_head and arguments.get("include_top", True)
    if weights is None:
        model = build(**arguments)
    elif _is_elsewhere(name, weights):
        model = build(**arguments)
        path = located(weights, "weights")
        kind = load(model, path, "weights", skip_head=skip_head, adapt=adapt)
        if kind == "vitgraph" and path.suffix == ".safetensors":
            facts = about_inherited(read_about(path), has_head=has_head)
    else:
        entry = published(name, str(weights))
        by_hand = f"the path of a file that was downloaded by hand: its authors offer it on {entry.page} only"
        c.require(not entry.page, "weights", by_hand)
        if entry.num_classes:
            arguments.setdefault("num_classes", entry.num_classes)
        c.require(entry.num_classes or not has_head, "weights", "others, as these have no head; or skip_head=True")
        fits = not has_head or arguments.get("num_classes") == entry.num_classes
        allowed = f"{entry.num_classes}, as the weights have; or skip_head=True"
        c.require(fits, "num_classes", allowed, value=arguments.get("num_classes"))
        if arguments.get("input_tensor") is None:
            arguments.setdefault("input_shape", (*pair(entry.input_size), 3))
        model = build(**arguments)  # what is wrong with the arguments is said before anything is downloaded
        path = hub.fetch(entry.repository) if is_url(entry.repository) else hub.checkpoint(entry.repository)
        load(model, path, "weights", skip_head=skip_head, adapt=adapt)
        facts = about_published(entry, has_head=has_head)
    model.about = {**model.about, **facts, "variant": name}
    return model


def _is_elsewhere(name, weights):
    """Whether weights say where a checkpoint is; else they should be a tag."""
    if isinstance(weights, os.PathLike):
        return True
    is_tag = weights == "imagenet" or weights in list_weights(name)
    return not is_tag and (is_place(weights) or pathlib.Path(weights).exists())
