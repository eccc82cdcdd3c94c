"""Scores -> the likeliest classes, with their names."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from vitgraph import contract as c
from vitgraph.classes.lists import LISTS, Class, class_list, list_with


class Prediction(NamedTuple):
    """One of the likeliest classes of an image.

    Args:
        number: its place among the scores, from 0.
        id: its WordNet id, or of other classes the name again.
        name: its name.
        score: the model's score, a probability if the model ends in a softmax.
    """

    number: int
    id: str
    name: str
    score: float


def _scores(value: Any) -> Any:
    scores = np.asarray(keras.ops.convert_to_numpy(value) if keras.ops.is_tensor(value) else value)
    if scores.dtype.name == "bfloat16":
        scores = scores.astype("float32")
    if not np.issubdtype(scores.dtype, np.floating):
        raise TypeError
    if scores.ndim not in (1, 2) or not scores.size or np.isnan(scores).any():
        raise ValueError
    return scores


def _classes(value: Any) -> Any:
    if isinstance(value, keras.Model):
        return value
    if isinstance(value, str):
        if value not in LISTS:
            raise ValueError
        return value
    if not isinstance(value, Sequence) or not all(isinstance(name, str) for name in value):
        raise TypeError
    return tuple(value)


_Scores = Annotated[npt.ArrayLike, c.Conversion("floats (N, classes) or (classes,), without NaN", _scores)]
_Classes = Annotated[
    str | Sequence[str] | keras.Model,
    c.Conversion(f"{', '.join(LISTS)}; a sequence of names; or a model that knows its classes", _classes),
]


@c.public
def decode_predictions(scores: _Scores, top: c.Count = 5, classes: _Classes | None = None) -> list[list[Prediction]]:
    """The likeliest classes of each image, with their names.

    Args:
        scores: (N, classes), or (classes,) of one image.
        top: number of classes per image; all of them if there are fewer.
        classes: the name of a list of classes, such as "imagenet-1k"; a sequence of names; or a model that knows its
            classes, as `create` with a published checkpoint and `load` return it. None: ImageNet's list with as many
            classes.

    Returns:
        A list of `Prediction` per image, the likeliest class first.

    Example:
        >>> scores = numpy.eye(1000, dtype="float32")[[207]]
        >>> vitgraph.decode_predictions(scores, top=1)
        [[Prediction(number=207, id='n02099601', name='golden retriever', score=1.0)]]
    """
    rows = np.atleast_2d(scores)
    names = names_of(classes, rows.shape[1])
    best = np.argsort(-rows, axis=1, kind="stable")[:, :top]
    pairs = zip(rows, best, strict=True)
    return [[Prediction(int(i), names[i].id, names[i].name, float(row[i])) for i in order] for row, order in pairs]


def names_of(classes: Any, count: int) -> Sequence[Class]:
    """The `count` classes that scores are of; `classes` as `decode_predictions` takes them."""
    if isinstance(classes, keras.Model):
        classes = getattr(classes, "about", {}).get("classes")
    known: Any = classes or list_with(count)
    others = ", ".join(f"{n} ({name})" for name, n in LISTS.items())
    c.require(known, "classes", f"the names of the {count} classes; lists of ImageNet have {others}")
    listed: Any = class_list  # to a type checker the name is just a string
    names = listed(known) if isinstance(known, str) else [Class(name, name) for name in known]
    c.require(len(names) == count, "classes", f"{count} names, as many as there are scores, not {len(names)}")
    return names
