"""ImageNet's lists of classes."""

import csv
import functools
import gzip
import importlib.resources
import io
from typing import Literal, NamedTuple

from vitgraph import contract as c

ListName = Literal["imagenet-1k", "imagenet-12k", "imagenet-21k", "imagenet-21k-miil", "imagenet-22k"]

LISTS: dict[str, int] = {
    "imagenet-1k": 1000,
    "imagenet-12k": 11821,
    "imagenet-21k": 21843,
    "imagenet-21k-miil": 11221,
    "imagenet-22k": 21841,
}
"""{name of a list: its number of classes}. Google's checkpoints have 21k, Microsoft's and BEiT 22k, timm's own 12k."""


class Class(NamedTuple):
    """A class of ImageNet.

    Args:
        id: its WordNet id, which is also the name of its folder in the data set, such as "n01440764".
        name: its words, such as "tench, Tinca tinca".
    """

    id: str
    name: str


@c.public
def class_list(name: ListName) -> tuple[Class, ...]:
    """The classes of a list, in the order of a checkpoint's scores.

    Args:
        name: "imagenet-1k", "imagenet-12k", "imagenet-21k" (21843 classes, Google's), "imagenet-21k-miil" (11221) or
            "imagenet-22k" (21841).

    Returns:
        A tuple of `Class`.

    Example:
        >>> vitgraph.classes.class_list("imagenet-1k")[207].name
        'golden retriever'
    """
    return _read(name)


def list_with(count: int) -> str | None:
    """The name of the list with so many classes; None if there is none."""
    return next((name for name, classes in LISTS.items() if classes == count), None)


@functools.cache
def _read(name: str) -> tuple[Class, ...]:
    file = importlib.resources.files(__package__).joinpath("synsets.csv.gz")
    rows = csv.DictReader(io.StringIO(gzip.decompress(file.read_bytes()).decode()))
    return tuple(Class(row["synset"], row["words"]) for row in rows if row[name] == "1")
