"""From images without classes to a pre-trained encoder."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any, Literal

import keras

from vitgraph import contract as c
from vitgraph import objectives
from vitgraph.checkpoints.places import Place
from vitgraph.images.collection import Fraction
from vitgraph.images.folders import Unreadable
from vitgraph.images.sources import Source
from vitgraph.training.folder import Result, said
from vitgraph.training.job import Job, open_both
from vitgraph.training.net import Net, find_net
from vitgraph.training.pipeline import Normalization
from vitgraph.training.recipes import NameOrPath, read_recipe


@c.public
def pretrain(
    model: Net,
    images: Source,
    out: c.Path,
    *,
    objective: str = "masked_autoencoder",
    objective_arguments: Mapping[str, Any] | None = None,
    validation: Fraction | Source | None = None,
    recipe: NameOrPath = "mae",
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
    """Pre-trains an encoder on images without classes, or resumes that as `train` does.

    `train(model, ..., weights=result.weights)` fine-tunes the result.

    Args:
        model: one of `list_models()`, which is built without its top; or a graph of this package.
        images: a folder of images at any depth; a manifest (see `from_manifest`); an array; or `Images`.
        objective: name of an objective that learns from images alone: "masked_autoencoder", "simmim",
            "masked_patch_prediction", "byol" or "dino".
        objective_arguments: arguments of the objective, besides encoder and seed.

    Returns:
        A `Result`, whose `model` is the encoder.

    Raises:
        ValueError, TypeError: an argument that isn't allowed, before anything is written; `out` holds a training with
            other settings.
        OSError: a file can't be read or written; the last checkpoint is kept.
        FloatingPointError: the loss is no longer finite; the last checkpoint is kept.
        SystemExit: the process was told to end, by SIGTERM; the state was kept. The code is 143.

    Example:
        >>> images = numpy.zeros((8, 16, 16, 3), "uint8")
        >>> net = vitgraph.build_vit((16, 16, 3), include_top=False, patch_size=8, dim=8, depth=1, num_heads=1)
        >>> numbers = {"epochs": 1, "warmup_epochs": 0, "batch_size": 8, "silent": True}
        >>> vitgraph.training.pretrain(net, images, "tuned", objective="masked_patch_prediction", **numbers).model.name
        'model.keras'
    """
    chosen = read_recipe("pretrain", "recipe", recipe, overrides, inspect.signature(pretrain).parameters)
    for name in ("mixup", "cutmix", "label_smoothing"):
        value = getattr(chosen if name == "label_smoothing" else chosen.augmentation, name)
        c.require(not value, name, "0 without classes: there are no labels to blend", value=value)
    arguments = dict(objective_arguments or {})
    method = _objective(objective, arguments)
    net = find_net(
        model, chosen, overrides, input_size=input_size, channels=channels, weights=weights, dtype=dtype,
        arguments=model_arguments,
    )  # fmt: skip
    seen, held_out = open_both(images, validation, unreadable, seed, labelled=False)
    options = {"include_top": False}
    job = Job("pretrain", net, seen, held_out, chosen, normalization, seed, silent)
    goal = {"objective": objective, "objective_arguments": arguments}
    folder = job.open(out, **net.describe(**options), **goal)
    if folder.is_finished:
        return job.result(folder)

    keras.utils.set_random_seed(seed)
    with c.errors_of("pretrain"):
        graph = net.build(load=not said(folder.state), **options)
        fitted = method(graph, seed=seed, **{**_of_pixels(method, job.normalization), **arguments})
        job.compile(fitted, graph, jit_compile=jit_compile)
    return job.run(folder, fitted, graph, ("loss", min), functools.partial(net.save_encoder, graph), save_minutes)


def _objective(name: str, arguments: dict[str, Any]) -> Any:
    """The function of an objective, to which `arguments` can be given."""
    known: dict[str, Any] = objectives.OBJECTIVES
    c.require(name in known, "objective", f"{', '.join(sorted(known))}{c.nearest(name, known)}")
    own = [key for key in inspect.signature(known[name]).parameters if key not in ("encoder", "seed")]
    for key in arguments:
        hint = c.nearest(str(key), own)
        c.require(key in own, "objective_arguments", f"arguments of {name}: {', '.join(own)}; not {key!r}{hint}")
    return known[name]


def _of_pixels(method: Any, normalization: Any) -> dict[str, Any]:
    """What an objective needs to know of the pixels: how they are normalised, and from where to where they reach."""
    names, (mean, std) = inspect.signature(method).parameters, normalization
    known: dict[str, Any] = {"mean": tuple(mean), "std": tuple(std)} if {"mean", "std"} <= set(names) else {}
    if "value_range" in names:
        ends = [[(end - m) / s for m, s in zip(mean, std, strict=True)] for end in (0.0, 1.0)]
        known["value_range"] = (min(ends[0]), max(ends[1]))
    return known
