"""How often a classifier is right on images whose classes are known."""

import dataclasses
from typing import Any

import keras
import numpy as np

from vitgraph import contract as c
from vitgraph.classes.predictions import names_of
from vitgraph.images import Images, Preprocessing
from vitgraph.images.folders import Unreadable
from vitgraph.images.sources import Source, open_images
from vitgraph.inference.preparation import preprocessing as preprocessing_of


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """How often a classifier is right.

    Args:
        count: number of images.
        top1: share of the images whose class has the highest score.
        top5: share of the images whose class is among the five highest scores.
        class_names: a name per class of the images.
        confusion: (classes, classes), integers: images of the row's class that are taken for the column's; with one
            column more where the model knows other classes.
    """

    count: int
    top1: float
    top5: float
    class_names: tuple[str, ...]
    confusion: np.ndarray

    @property
    def per_class(self) -> list[dict[str, Any]]:
        """{"name", "count", "recall", "precision"} of each class; the share that isn't known is None.

        Recall is the share of the class's images that are taken for it; precision, the share of those taken for the
        class that are of it.
        """
        right = np.diagonal(self.confusion)
        there, taken = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        return [
            {
                "name": name,
                "count": int(there[i]),
                "recall": float(right[i] / there[i]) if there[i] else None,
                "precision": float(right[i] / taken[i]) if taken[i] else None,
            }
            for i, name in enumerate(self.class_names)
        ]


@c.public
def evaluate(
    model: c.ImageModel,
    images: Source,
    *,
    preprocessing: Preprocessing | None = None,
    batch_size: c.Count = 32,
    unreadable: Unreadable = "refuse",
    silent: bool = False,
) -> Evaluation:
    """Evaluates a classifier on images whose classes are known, with a progress bar.

    Folders of images are matched with the model's classes by name, WordNet id, or where the model's classes have no
    known names, by their order.

    Args:
        model: a model of images that ends in class scores (B, classes).
        images: a folder with one folder of images per class; a manifest (see `from_manifest`); a pair of arrays
            (images, classes); or `Images`.
        preprocessing: what images go through; None: what `preprocessing(model)` gives.
        batch_size: images at once.

    Returns:
        An `Evaluation`.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; folders that are none of the model's classes.
        OSError: a file can't be read.

    Example:
        >>> net = vitgraph.build_vit((16, 16, 3), patch_size=8, dim=8, depth=1, num_heads=1, num_classes=2)
        >>> pixels, classes = numpy.zeros((4, 16, 16, 3), "uint8"), [0, 1, 0, 1]
        >>> vitgraph.evaluate(net, (pixels, classes), silent=True).top1
        0.5
    """
    outputs = model.outputs
    is_classifier = len(outputs) == 1 and len(outputs[0].shape) == 2
    c.require(is_classifier, "model", "a model that ends in class scores (B, classes)", value=model.name)
    prepare = preprocessing or preprocessing_of(model)
    opened = open_images(images, unreadable, True, "images")
    all_labels: Any = opened.labels
    c.require(all_labels is not None, "images", "images whose classes are known")
    columns = _columns(opened, model, outputs[0].shape[-1])
    confusion = np.zeros((len(columns), len(columns) + (outputs[0].shape[-1] > len(columns))), "int64")
    column_of = np.full(outputs[0].shape[-1], len(columns))
    column_of[columns] = np.arange(len(columns))
    bar = None if silent else keras.utils.Progbar(opened.count, unit_name="image")
    right = among_five = done = 0
    for batch in prepare(_dataset(opened)).batch(batch_size).as_numpy_iterator():
        scores = keras.ops.convert_to_numpy(model.predict_on_batch(batch)).astype("float32")
        labels = all_labels[done : done + len(scores)]
        best = np.argsort(-scores, axis=1, kind="stable")[:, :5]
        right += int((best[:, 0] == columns[labels]).sum())
        among_five += int((best == columns[labels][:, None]).any(axis=1).sum())
        np.add.at(confusion, (labels, column_of[best[:, 0]]), 1)
        done += len(scores)
        if bar is not None:
            bar.update(done, [("accuracy", right / done)] if done == opened.count else None)
    names = opened.class_names or tuple(map(str, range(len(columns))))
    return Evaluation(opened.count, right / done, among_five / done, names, confusion)


def _dataset(images: Images) -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(images.source)


def _columns(images: Images, model: Any, count: int) -> Any:
    """The place of each class of the images among the model's scores."""
    folders, known = images.class_names, getattr(model, "about", {}).get("classes")
    if folders is None or (known is None and len(folders) == count and not _are_synsets(folders)):
        fits = images.num_classes <= count
        c.require(fits, "images", f"at most {count} classes, as many as the model has, not {images.num_classes}")
        return np.arange(images.num_classes)
    places: dict[str, int] = {}
    for i, one in reversed(list(enumerate(names_of(known, count)))):  # of equal names the first counts
        places |= dict.fromkeys((one.name, one.name.split(",")[0], one.id), i)
    foreign = [name for name in folders if name not in places]
    allowed = f"folders named after the model's classes; none of them: {', '.join(foreign[:10])}"
    c.require(not foreign, "images", allowed)
    return np.array([places[name] for name in folders])


def _are_synsets(names: Any) -> bool:
    return all(len(name) == 9 and name[0] == "n" and name[1:].isdigit() for name in names)
