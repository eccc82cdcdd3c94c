"""What a checkpoint says of the net that it is loaded into, for `GraphModel.about`."""

import contextlib
import dataclasses
import re
from typing import Any

from vitgraph.blocks.base import pair
from vitgraph.checkpoints.configurations.reading import sides
from vitgraph.checkpoints.places import is_url
from vitgraph.classes.lists import LISTS, list_with
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
        "source": entry.repository if is_url(entry.repository) else f"hf-hub:{entry.repository}",
    }
    is_named = has_head and entry.classes in LISTS
    return {**facts, "classes": entry.classes} if is_named else facts


def about_inherited(about, *, has_head):
    """The facts that a net takes over from another net's file, whose weights it gets."""
    left_out = _OF_THE_NET if has_head else (*_OF_THE_NET, "classes", "figures")
    return {name: value for name, value in about.items() if name not in left_out}


def about_repository(content, preparation, *, has_head):
    """The facts of a repository: from its `config.json` and, of the transformers library, how images are prepared.

    Args:
        content: of `config.json`.
        preparation: of `preprocessor_config.json`, {} if there is none.
        has_head: whether its head is loaded, so that its classes are the net's.
    """
    facts: dict[str, Any] = {}
    is_timm = "architecture" in content
    with contextlib.suppress(*_UNSAID):
        prepared = _of_timm(content) if is_timm else _of_transformers(preparation)
        facts["preprocessing"] = dataclasses.asdict(Preprocessing(**prepared))
    with contextlib.suppress(*_UNSAID):
        if is_timm:
            stated = {**(content.get("pretrained_cfg") or {}), **content}
            names, count = list(stated.get("label_names") or ()), stated.get("num_classes", 1000)
        else:
            labels = content["id2label"]
            names, count = [str(labels[key]) for key in sorted(labels, key=int)], len(labels)
        classes = names if len(set(names)) == count > 0 and names[0] != "LABEL_0" else list_with(count)
        if has_head and classes:
            facts["classes"] = classes
    return facts


_UNSAID = AttributeError, IndexError, KeyError, TypeError, ValueError, ZeroDivisionError
"""What reading a file gives that doesn't say it, or says nothing that is known here."""


def _of_timm(content):
    """Arguments of `Preprocessing` from timm's file."""
    stated = content.get("pretrained_cfg") or content
    keys = ("mean", "std", "interpolation", "crop_pct", "crop_mode")
    size = {"size": tuple(stated["input_size"][1:]), "crop_pct": 0.875}  # its crop where none is stated
    return {**size, **{key: stated[key] for key in keys if stated.get(key)}}


def _of_transformers(stated):
    """Arguments of `Preprocessing` from a file of the library's image processors; {} if they can't say it."""
    kind = str(stated.get("image_processor_type") or stated.get("feature_extractor_type"))
    resized, cropped = stated.get("size"), stated.get("crop_size") if stated.get("do_center_crop") else None
    by_edge = "shortest_edge" in resized if isinstance(resized, dict) else re.match("CLIP|Levit|MobileViT", kind)
    is_other = by_edge and cropped is None  # any proportions
    if not resized or is_other or not (stated.get("do_resize", True) and stated.get("do_rescale", True)):
        return {}
    edge = resized["shortest_edge"] if by_edge and isinstance(resized, dict) else sides(resized)[0]
    edge = int(256 / 224 * edge) if kind.startswith("Levit") else edge
    size = sides(resized if cropped is None else cropped)
    is_normed = stated.get("do_normalize") is not False and "image_mean" in stated
    return {
        "size": size,
        "mean": tuple(stated["image_mean"]) if is_normed else (0.0, 0.0, 0.0),
        "std": tuple(stated["image_std"]) if is_normed else (1.0, 1.0, 1.0),
        "interpolation": {2: "bilinear", 3: "bicubic"}.get(stated.get("resample")),
        "crop_pct": 1.0 if cropped is None else size[0] / edge,
        "crop_mode": "center" if by_edge else "squash",
        "channel_order": "BGR" if stated.get("do_flip_channel_order") else "RGB",
    }


def preprocessing_of(entry):
    """The `Preprocessing` of a `Published` checkpoint, at its own input size."""
    height, width = pair(entry.input_size)
    return Preprocessing(
        size=(height, width),
        mean=entry.mean,
        std=entry.std,
        interpolation=entry.interpolation,
        crop_pct=entry.crop_pct,
        crop_mode=entry.crop_mode,
        channel_order=entry.channel_order,
    )
