"""From images and their classes to a trained classifier."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any, Literal

import keras

from vitgraph import contract as c
from vitgraph.checkpoints.files import save_weights
from vitgraph.checkpoints.places import Place
from vitgraph.images.collection import Fraction
from vitgraph.images.folders import Unreadable
from vitgraph.images.sources import Source
from vitgraph.training.folder import Result, said
from vitgraph.training.job import Job, open_both
from vitgraph.training.net import Net, classifier, find_net
from vitgraph.training.pipeline import Normalization
from vitgraph.training.recipes import NameOrPath, read_recipe


class EachClass(keras.losses.BinaryCrossentropy):
    """Binary cross-entropy of each class, of which an image has all or nothing, whatever its share in a mixture."""

    def call(self, y_true, y_pred):
        return super().call(keras.ops.cast(y_true > 0, y_pred.dtype), y_pred)


LOSSES = {"softmax": keras.losses.CategoricalCrossentropy, "binary": EachClass}


@c.public
def train(
    model: Net,
    images: Source,
    out: c.Path,
    *,
    validation: Fraction | Source | None = None,
    recipe: NameOrPath = "deit",
    weights: Place | None = None,
    input_size: c.ImageSize | None = None,
    channels: c.Side = 3,
    normalization: Normalization | None = None,
    dtype: c.DType | None = None,
    jit_compile: bool | Literal["auto"] = "auto",
    unreadable: Unreadable = "refuse",
    seed: c.Seed = 0,
    save_minutes: c.Positive | None = 10.0,
    model_arguments: Mapping[str, Any] | None = None,
    silent: bool = False,
    **overrides: Any,
) -> Result:
    """Trains a classifier, or resumes an interrupted training.

    The same call resumes from the last state that was kept, after an epoch or inside of one, and ends as if it hadn't
    been interrupted; after the end it does nothing. SIGTERM is answered by keeping the state. The
    random seeds of Python, NumPy and the backend are set.

    Args:
        model: one of `list_models()`, which is built for the images' classes; or a graph of this package with its top.
        images: a folder with one folder of images per class; a manifest (see `from_manifest`); a pair of arrays
            (images, classes); or `Images`.

    Returns:
        A `Result`: the figures of each epoch, and the files that were written.

    Raises:
        ValueError, TypeError: an argument that isn't allowed, before anything is written; `out` holds a training with
            other settings.
        OSError: a file can't be read or written; the last checkpoint is kept.
        FloatingPointError: the loss is no longer finite; the last checkpoint is kept.
        SystemExit: the process was told to end, by SIGTERM; the state was kept. The code is 143.

    Example:
        >>> images, labels = numpy.zeros((8, 16, 16, 3), "uint8"), numpy.arange(8) % 2
        >>> net = vitgraph.build_vit((16, 16, 3), patch_size=8, dim=8, depth=1, num_heads=1, num_classes=2)
        >>> numbers = {"recipe": "mae", "epochs": 1, "warmup_epochs": 0, "batch_size": 8, "silent": True}
        >>> vitgraph.training.train(net, (images, labels), "out", **numbers).weights.name
        'weights.safetensors'
    """
    chosen = read_recipe("train", "recipe", recipe, overrides, inspect.signature(train).parameters)
    net = find_net(
        model, chosen, overrides, input_size=input_size, channels=channels, weights=weights, dtype=dtype,
        arguments=model_arguments,
    )  # fmt: skip
    seen, held_out = open_both(images, validation, unreadable, seed, labelled=True)
    c.require(seen.num_classes > 1, "images", f"images of 2 or more classes, not {seen.num_classes}")
    options = {"num_classes": seen.num_classes}
    job = Job("train", net, seen, held_out, chosen, normalization, seed, silent)
    folder = job.open(out, **net.describe(**options))
    if folder.is_finished:
        return job.result(folder)

    keras.utils.set_random_seed(seed)
    with c.errors_of("train"):
        graph = net.build(load=not said(folder.state), **options)
        fitted = classifier(graph, seen.num_classes)
        accuracy = keras.metrics.CategoricalAccuracy(name="accuracy")
        loss = LOSSES[chosen.loss](from_logits=True)
        job.compile(fitted, graph, loss=loss, metrics=[accuracy], jit_compile=jit_compile)
    return job.run(folder, fitted, graph, ("accuracy", max), functools.partial(save_weights, graph), save_minutes)
