"""A collection of images, and their classes where they are known."""

import dataclasses
from typing import Annotated, Any

import numpy as np

from vitgraph import contract as c

Fraction = Annotated[float, c.Rule("a number over 0, less than 1", lambda v: 0 < v < 1)]


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Images, and their classes where they are known.

    Args:
        source: paths of files (N,), or an array (N, H, W, C) of uint8.
        labels: (N,) integers from 0, or None.
        class_names: a name per class, or None.
        num_classes: number of classes; 0 without labels.
    """

    source: np.ndarray
    labels: np.ndarray | None
    class_names: tuple[str, ...] | None
    num_classes: c.Whole

    def __post_init__(self) -> None:
        with c.checked_fields(self):
            shape, kind = self.source.shape, self.source.dtype
            good = (len(shape) == 1 and kind.kind == "U") or (len(shape) == 4 and kind == np.uint8)
            c.require(good and self.source.size, "source", "paths (N,), or (N, H, W, C) of uint8")
            if self.labels is None:
                c.require(self.num_classes == 0, "num_classes", "0 without labels")
            else:
                good = self.labels.shape == shape[:1] and self.labels.dtype.kind in "iu"
                good = good and self.labels.min() >= 0 and self.labels.max() < self.num_classes
                c.require(good, "labels", f"{shape[0]} integers from 0, less than num_classes={self.num_classes}")
            named = self.class_names is None or len(self.class_names) == self.num_classes
            c.require(named, "class_names", f"None, or {self.num_classes} names")

    @property
    def count(self) -> int:
        return len(self.source)

    @property
    def are_files(self) -> bool:
        return self.source.ndim == 1

    @property
    def channels(self) -> int:
        """The number of channels before any conversion."""
        return 3 if self.are_files else self.source.shape[-1]

    def split(self, fraction: Fraction, seed: c.Seed) -> tuple["Images", "Images"]:
        """Holds out images, the same share of each class, but never the only one of a class.

        Args:
            fraction: share of the images that is held out, over 0, less than 1.
            seed: seed of the choice.

        Returns:
            The images that are left, and those that are held out.
        """
        given: dict[str, Any] = {"fraction": fraction, "seed": seed}
        c.fit_all("split", given, {"fraction": Fraction, "seed": c.Seed})
        with c.named_errors("split", given):
            return self.hold_out(**given, argument="fraction")

    def hold_out(self, fraction: float, seed: int, argument: str) -> tuple["Images", "Images"]:
        """`split`; `argument` is what errors call the fraction."""
        random = np.random.default_rng(seed)
        held: list[Any] = []
        kinds = np.zeros(self.count, int) if self.labels is None else self.labels
        for kind in np.unique(kinds):
            members = random.permutation(np.flatnonzero(kinds == kind))
            held.extend(members[: min(max(1, round(fraction * len(members))), len(members) - 1)])
        chosen = np.isin(np.arange(self.count), held)
        c.require(chosen.any(), argument, "a share of images of which a class has 2 or more")
        return self._part(~chosen), self._part(chosen)

    def _part(self, chosen: Any) -> "Images":
        labels = None if self.labels is None else self.labels[chosen]
        return dataclasses.replace(self, source=self.source[chosen], labels=labels)
