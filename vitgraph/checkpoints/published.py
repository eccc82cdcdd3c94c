"""The published checkpoints of each variant, and what an image must look like for them.

`published.csv` lists timm's tags. How an image is prepared goes with the checkpoint and not with the architecture.
"""

import csv
import dataclasses
import difflib
import functools
import importlib.resources

from vitgraph.registry import variant

_NORMALIZATION = {  # mean and standard deviation of each channel, of pixels from 0 to 1
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "inception": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


@dataclasses.dataclass(frozen=True)
class Published:
    """One checkpoint: how it was evaluated, and under which licence it is given.

    Args:
        num_classes: class scores of its head; 0: it has none.
        mean, std: normalisation of pixels from 0 to 1, a channel each.
        interpolation: of the resize before the crop.
        crop_pct: side of the crop over side of the resized image.
        crop_mode: "center": the shorter side is resized, then cropped; "squash": both sides are.
        license: SPDX-like name of the licence, as timm states it.
    """

    num_classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    crop_pct: float
    crop_mode: str
    license: str


def list_weights(name):
    """The published checkpoints of a variant, to be given as `create(name, weights=tag)`: {tag: Published}.

    Raises:
        ValueError: an unknown variant.
    """
    variant(name)
    return dict(_table().get(name, {}))


def published(name, tag):
    """The entry of one tag.

    Raises:
        ValueError: the variant has no such tag; the message says which it has.
    """
    tags = list_weights(name)
    if tag not in tags:
        near = difflib.get_close_matches(tag, tags, n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        allowed = (
            f"a path, or one of its published tags: {', '.join(tags)}" if tags else "a path: it has no published tags"
        )
        raise ValueError(f"create: weights={tag!r} of {name}{hint}; allowed: {allowed}")
    return tags[tag]


@functools.cache
def _table():
    table: dict[str, dict[str, Published]] = {}
    with importlib.resources.files(__package__).joinpath("published.csv").open() as file:
        for row in csv.DictReader(file):
            mean, std = _NORMALIZATION[row["normalization"]]
            table.setdefault(row["variant"], {})[row["tag"]] = Published(
                num_classes=int(row["num_classes"]),
                mean=mean,
                std=std,
                interpolation=row["interpolation"],
                crop_pct=float(row["crop_pct"]),
                crop_mode=row["crop_mode"],
                license=row["license"],
            )
    return table
