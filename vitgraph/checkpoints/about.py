"""What a checkpoint says of the net that it is loaded into, for `GraphModel.about`."""

import dataclasses

from vitgraph.classes import list_with
from vitgraph.images import Preprocessing

_OF_THE_NET = ("builder", "arguments", "skip_head")


def about_published(entry, *, has_head):
    """The facts of a `Published` checkpoint.

    Args:
        has_head: whether its head is loaded, so that its classes are the net's.
    """
    facts = {
        "preprocessing": dataclasses.asdict(preprocessing_of(entry)),
        "license": entry.license,
        "source": f"hf-hub:{entry.repository}",
    }
    classes = list_with(entry.num_classes) if has_head else None
    return {**facts, "classes": classes} if classes else facts


def about_inherited(about, *, has_head):
    """The facts that a net takes over from another net's file, whose weights it gets."""
    left_out = _OF_THE_NET if has_head else (*_OF_THE_NET, "classes", "figures")
    return {name: value for name, value in about.items() if name not in left_out}


def preprocessing_of(entry):
    """The `Preprocessing` of a `Published` checkpoint, at its own input size."""
    return Preprocessing(
        size=(entry.input_size, entry.input_size),
        mean=entry.mean,
        std=entry.std,
        interpolation=entry.interpolation,
        crop_pct=entry.crop_pct,
        crop_mode=entry.crop_mode,
    )
