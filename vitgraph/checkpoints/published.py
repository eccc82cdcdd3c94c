"""The published checkpoints of each variant, and how images are prepared for them.

`published.csv` lists timm's tags, official releases, and repositories of the transformers library; a repository that
isn't named after variant and tag is given there. How an image is prepared belongs to the checkpoint and not to the
architecture. What no source states is empty.
"""

import csv
import dataclasses
import functools
import importlib.resources
from typing import Literal

from vitgraph import contract as c
from vitgraph.classes import list_with
from vitgraph.images.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from vitgraph.registry import Variant

_NORMALIZATION = {  # mean and standard deviation of each channel, of pixels from 0 to 1
    "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
    "inception": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "cifar": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
    "flowers": ((0.4353, 0.3773, 0.2872), (0.2966, 0.2455, 0.2698)),
    "satellite": ((0.43, 0.411, 0.296), (0.213, 0.156, 0.143)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


@dataclasses.dataclass(frozen=True)
class Published:
    """One checkpoint: where it is, how it was evaluated, and its licence.

    Args:
        repository: its repository on the Hugging Face hub, or the URL of its file; "" if there is only a page.
        input_size: side in pixels of the images that it is for; (height, width) if they aren't square.
        num_classes: scores of its head; 0: it has none.
        mean: mean per channel of pixels from 0 to 1, in the order of the channels that the net takes.
        std: standard deviation per channel of pixels from 0 to 1, likewise.
        interpolation: how images are resized before the crop.
        crop_pct: side of the crop / side of the resized image.
        crop_mode: "center": the shorter side is resized, then the centre is cropped; "squash": both sides are resized.
        license: SPDX-like name of the licence, as timm states it.
        default: whether `weights="imagenet"` means this one.
        channel_order: order of the colours that the net takes.
        classes: name of the list of classes of its scores, such as "imagenet-1k"; None if they are of no list, as those
            of CLIP's towers.
        top1: share in percent of the list's validation images of which the likeliest class is the right one, as
            `top1_source` reports it for `input_size`; None if it isn't known.
        top1_source: who reports it: timm's table of results, or the authors' page.
        page: where it can be downloaded by hand, if the authors offer it nowhere that programs can read.
        notes: what else should be known.
    """

    repository: str
    input_size: int | tuple[int, int]
    num_classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    crop_pct: float
    crop_mode: str
    license: str
    default: bool = False
    channel_order: Literal["RGB", "BGR"] = "RGB"
    classes: str | None = None
    top1: float | None = None
    top1_source: str = ""
    page: str = ""
    notes: str = ""


@c.public
def list_weights(name: Variant) -> dict[str, Published]:
    """The published checkpoints of a variant: `create(name, weights=tag)` downloads one.

    Args:
        name: one of `list_models()`.

    Returns:
        {tag: `Published`}, empty if there are none.

    Example:
        >>> vitgraph.list_weights("pvt_v2_b0")["in1k"].num_classes
        1000
    """
    return dict(_table().get(name, {}))


def published(name: str, tag: str, argument: str = "weights") -> Published:
    """The entry of one tag, or of "imagenet"; `argument` is the one that is refused if the variant has no such tag."""
    tags = _table().get(name, {})
    if tag == "imagenet":
        defaults = [entry for entry in tags.values() if entry.default]
        c.require(defaults, argument, f"another: {name} has no published checkpoint of ImageNet's 1000 classes")
        return defaults[0]
    allowed = f"a path, or a published tag of {name}{c.nearest(tag, tags)}: {', '.join(tags)}"
    c.require(tag in tags, argument, allowed if tags else f"a path: {name} has no published tags")
    return tags[tag]


def variant_of(repository):
    """The variant whose checkpoint a repository is, None if it is none's or several's."""
    names = {name for name, tags in _table().items() for entry in tags.values() if entry.repository == repository}
    return names.pop() if len(names) == 1 else None


@functools.cache
def _table() -> dict[str, dict[str, Published]]:
    table: dict[str, dict[str, Published]] = {}
    with importlib.resources.files(__package__).joinpath("published.csv").open() as file:
        for row in csv.DictReader(file):
            table.setdefault(row["variant"], {})[row["tag"]] = _entry(row)
    return table


def _entry(row) -> Published:
    mean, std = _NORMALIZATION[row["normalization"]]
    height, _, width = row["input_size"].partition("x")
    count, has_repository = int(row["num_classes"]), row["repository"] or row["page"]
    return Published(
        repository=row["repository"] if has_repository else f"timm/{row['variant']}.{row['tag']}",
        input_size=(int(height), int(width)) if width else int(height),
        num_classes=count,
        mean=mean,
        std=std,
        interpolation=row["interpolation"],
        crop_pct=float(row["crop_pct"]),
        crop_mode=row["crop_mode"],
        license=row["license"],
        default=row["default"] == "yes",
        channel_order=row["channel_order"],
        classes=row["classes"] or list_with(count),
        top1=float(row["top1"]) if row["top1"] else None,
        top1_source=row["top1_source"],
        page=row["page"],
        notes=row["notes"],
    )
