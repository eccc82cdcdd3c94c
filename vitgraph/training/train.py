"""From images to a trained model, and from images alone to a pre-trained one."""

import dataclasses
import functools
import inspect
import pathlib

import keras

from vitgraph import objectives
from vitgraph.checkpoints.files import save_weights
from vitgraph.checkpoints.published import list_weights
from vitgraph.old.contract import nearest
from vitgraph.export.graphs import IMAGENET_MEAN, IMAGENET_STD
from vitgraph.training.data import batches, from_arrays, from_folder
from vitgraph.training.folder import LAST, Folder, has_matplotlib
from vitgraph.training.loop import run
from vitgraph.training.net import classifier, find_net
from vitgraph.training.optimizer import make_optimizer
from vitgraph.training.recipe import recipe as read_recipe


def train(
    model,
    images,
    out,
    *,
    validation=None,
    recipe="deit",
    weights=None,
    input_size=None,
    channels=3,
    normalization=None,
    dtype=None,
    jit_compile="auto",
    unreadable="refuse",
    seed=0,
    model_arguments=None,
    silent=False,
    **overrides,
):
    """Trains a classifier, or goes on with a training that was interrupted.

    The same call goes on after the last whole epoch and ends as if nothing had happened; when all is done, it does
    nothing. Python's, NumPy's and the backend's random seeds are set.

    Args:
        model: one of `list_models()`, to be built for the images' classes; or a graph of this package with its top.
        images: a folder with one of images for each class; a pair of arrays (images, classes); or `data.Images`.
        out: the folder for all that is written, made where it is missing.
        validation: images to validate on after each epoch, in the same forms; or a number, the share of `images` that
            is held out; None: none. They are resized and cropped as published weights were evaluated.
        recipe: one of `list_recipes()`, or the path of a JSON file.
        weights: None for random ones, or a checkpoint as `create` takes it; its head is left out.
        input_size: a side, or (height, width), in pixels; None: the variant's.
        channels: of the images.
        normalization: (mean, std), a number a channel each, of pixels in 0 ... 1; None: as the published weights want
            it, else ImageNet's.
        dtype: dtype policy, such as "mixed_bfloat16"; None: Keras' global one.
        jit_compile: compile's.
        unreadable: "refuse" or "skip" image files that can't be read.
        seed: of all that is random.
        model_arguments: further arguments of the variant's builder, in a dictionary.
        silent: prints nothing.
        **overrides: numbers of the recipe, or of its augmentation, that are to differ: `epochs=30, mixup=0.0`.

    Returns:
        A `Result`: the figures of each epoch, and the files.

    Raises:
        ValueError, TypeError: wrong input, before the first step; `out` holds a training that was asked for otherwise.
        OSError: what can't be read or written; the last checkpoint stays.
        FloatingPointError: the loss is no longer finite; the last checkpoint stays.
    """
    chosen = read_recipe(recipe, **overrides)
    net = find_net(
        "train", model, chosen, overrides, input_size=input_size, channels=channels, weights=weights,
        arguments=_with_dtype(model_arguments, dtype),
    )  # fmt: skip
    seen, held_out = _images("train", images, validation, unreadable, seed, labelled=True)
    if seen.num_classes < 2:
        raise ValueError(f"train: images of {seen.num_classes} classes; allowed: 2 or more")
    options = {"num_classes": seen.num_classes}
    job = _Job("train", net, seen, held_out, chosen, normalization, seed, silent)
    folder = job.open(out, **net.describe(**options))
    if folder.is_finished:
        return job.result(folder)

    keras.utils.set_random_seed(seed)
    graph = net.build(load=not folder.epoch, **options)
    fitted = classifier("train", graph, seen.num_classes)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    accuracy = keras.metrics.CategoricalAccuracy(name="accuracy")
    job.compile(fitted, graph, loss=loss, metrics=[accuracy], jit_compile=jit_compile)
    return job.run(folder, fitted, graph, ("accuracy", max), functools.partial(save_weights, graph))


def pretrain(
    model,
    images,
    out,
    *,
    objective="masked_autoencoder",
    objective_arguments=None,
    validation=None,
    recipe="mae",
    weights=None,
    input_size=None,
    channels=3,
    normalization=None,
    dtype=None,
    jit_compile="auto",
    unreadable="refuse",
    seed=0,
    model_arguments=None,
    silent=False,
    **overrides,
):
    """Pre-trains an encoder on images without classes, or goes on with that; see `train` for what isn't said here.

    `train(model, ..., weights=result.weights)` fine-tunes what comes out.

    Args:
        model: one of `list_models()`, to be built without its top; or a graph of this package.
        images: a folder of images, with or without folders within; an array; or `data.Images`.
        out: as for `train`.
        objective: the name of one of `vitgraph.objectives`, such as "masked_autoencoder" or "simmim".
        objective_arguments: its arguments, in a dictionary.
        validation, recipe, weights, input_size, channels, normalization, dtype, jit_compile, unreadable, seed,
            model_arguments, silent, **overrides: as for `train`.

    Returns:
        A `Result`, whose `model` is the encoder.

    Raises:
        ValueError, TypeError, OSError, FloatingPointError: as `train` does.
    """
    chosen = read_recipe(recipe, **overrides)
    method = _objective(objective, objective_arguments or {})
    net = find_net(
        "pretrain", model, chosen, overrides, input_size=input_size, channels=channels, weights=weights,
        arguments=_with_dtype(model_arguments, dtype),
    )  # fmt: skip
    seen, held_out = _images("pretrain", images, validation, unreadable, seed, labelled=False)
    options = {"include_top": False}
    job = _Job("pretrain", net, seen, held_out, chosen, normalization, seed, silent)
    goal = {"objective": objective, "objective_arguments": objective_arguments or {}}
    folder = job.open(out, **net.describe(**options), **goal)
    if folder.is_finished:
        return job.result(folder)

    keras.utils.set_random_seed(seed)
    graph = net.build(load=not folder.epoch, **options)
    fitted = method(graph, seed=seed, **{**_of_pixels(method, job.normalization), **(objective_arguments or {})})
    job.compile(fitted, graph, jit_compile=jit_compile)
    return job.run(folder, fitted, graph, ("loss", min), functools.partial(net.save_encoder, graph))


class _Job:
    """What `train` and `pretrain` do alike."""

    def __init__(self, caller, net, images, held_out, recipe, normalization, seed, silent):
        if recipe.batch_size > images.count:
            allowed = f"at most {images.count}, as many as there are images"
            raise ValueError(f"{caller}: batch_size={recipe.batch_size}; allowed: {allowed}")
        self.caller, self.net, self.recipe, self.seed, self.silent = caller, net, recipe, seed, silent
        self.images, self.held_out = images, held_out
        tag = list_weights(net.name).get(str(net.weights)) if net.weights is not None else None
        self.normalization = normalization or _normalization(tag, net.channels)
        self.preparation = _preparation(tag)
        self.batches = functools.partial(
            batches,
            batch_size=recipe.images_at_once,
            image_size=net.size,
            channels=net.channels,
            normalization=self.normalization,
            seed=seed,
        )

    def training_batches(self, epoch):
        options = {"augmentation": self.recipe.augmentation, "label_smoothing": self.recipe.label_smoothing}
        return self.batches(self.images, training=True, epoch=epoch, **options)

    def open(self, out, **configuration):
        return Folder(
            out,
            {
                "task": self.caller,
                **configuration,
                "images": _described(self.images),
                "held_out": None if self.held_out is None else _described(self.held_out),
                "input_size": self.net.size,
                "normalization": self.normalization,
                "seed": self.seed,
                "recipe": dataclasses.asdict(self.recipe),
            },
        )

    def compile(self, model, graph, **options):
        steps = int(self.training_batches(0).cardinality())
        model.compile(make_optimizer(self.recipe, steps, model, graph), auto_scale_loss=False, **options)

    def run(self, folder, model, graph, best, save):
        self.introduce(folder, graph)
        options = {"training": False, "epoch": 0, **self.preparation}
        held_out = None if self.held_out is None else self.batches(self.held_out, **options)
        run(folder, model, self.recipe, self.training_batches, held_out, best=best, save=save, silent=self.silent)
        folder.finish(graph, save)
        return self.result(folder)

    def introduce(self, folder, graph):
        r, count = self.recipe, 0 if self.held_out is None else self.held_out.count
        classes = f" in {self.images.num_classes} classes" if self.images.num_classes else ""
        size = " x ".join(map(str, self.net.size))
        self.say("model", f"{self.net.name}, {graph.count_params():,} parameters, images of {size}")
        self.say("images", f"{self.images.count:,}{classes}; held out: {count:,}")
        parts = f", {r.images_at_once} at once" if r.accumulation > 1 else ""
        rate = f"learning rate {r.learning_rate:.3g}, layer decay {r.layer_decay}, weight decay {r.weight_decay}"
        self.say("recipe", f"{r.epochs} epochs, batches of {r.batch_size}{parts}, {rate}")
        for note in self.net.notes:
            self.say("note", note)
        if not has_matplotlib():
            self.say("note", "no picture of the history: matplotlib isn't installed (pip install 'vitgraph[demo]')")
        if folder.epoch:
            self.say("goes on", f"after epoch {folder.epoch}, from {folder / LAST}")

    def result(self, folder):
        result = folder.result()
        last = {name: values[-1] for name, values in result.history.items()}
        figures = ", ".join(f"{name} {value:.4g}" for name, value in last.items() if name != "learning_rate")
        self.say("finished", f"{folder.epoch} epochs: {figures}")
        self.say("", f"{result.model} and {result.weights}")
        return result

    def say(self, what, text):
        if not self.silent:
            print(f"{what:9} {text}", flush=True)


def _with_dtype(arguments, dtype):
    return {**(arguments or {}), **({} if dtype is None else {"dtype": dtype})}


def _images(caller, images, validation, unreadable, seed, labelled):
    """(`Images`, held-out `Images` or None)."""

    def opened(source):
        if isinstance(source, (str, pathlib.Path)):
            return from_folder(source, unreadable=unreadable, labelled=labelled)
        if isinstance(source, (tuple, list)):
            return from_arrays(*source)
        return source if hasattr(source, "split") else from_arrays(source)

    seen = opened(images)
    if validation is None:
        return seen, None
    if isinstance(validation, float):
        if not 0 < validation < 1:
            raise ValueError(f"{caller}: validation={validation!r}; allowed: over 0, less than 1, or images")
        return seen.split(validation, seed)
    held_out = opened(validation)
    if labelled and (held_out.num_classes, held_out.class_names) != (seen.num_classes, seen.class_names):
        classes = f"{held_out.num_classes} classes ({held_out.class_names}), the images {seen.num_classes}"
        raise ValueError(f"{caller}: those to validate on have {classes} ({seen.class_names})"[:500])
    return seen, held_out


def _described(images):
    return {"count": images.count, "classes": images.class_names}


def _normalization(tag, channels):
    """What the published weights want that training begins with, else ImageNet's, for as many channels as there are."""
    if tag is not None:
        return tag.mean, tag.std
    if channels == 3:
        return IMAGENET_MEAN, IMAGENET_STD
    return (0.5,) * channels, (0.5,) * channels


def _preparation(tag):
    """How images to validate on are resized and cropped: as the published weights were evaluated, else as they are."""
    if tag is None:
        return {}
    return {"interpolation": tag.interpolation, "crop_pct": tag.crop_pct, "crop_mode": tag.crop_mode}


def _of_pixels(method, normalization):
    """What an objective wants to know of the pixels that it gets: how they were normalised, between which they lie."""
    names, (mean, std) = inspect.signature(method).parameters, normalization
    known = {"mean": tuple(mean), "std": tuple(std)} if {"mean", "std"} <= set(names) else {}
    if "value_range" in names:
        ends = [[(end - m) / s for m, s in zip(mean, std, strict=True)] for end in (0.0, 1.0)]
        known["value_range"] = (min(ends[0]), max(ends[1]))
    return known


def _objective(name, arguments):
    known = {
        key: value
        for key, value in vars(objectives).items()
        if inspect.isclass(value) and issubclass(value, objectives.Objective) and key.islower()
        if next(iter(inspect.signature(value).parameters)) == "encoder"  # one that wants nothing but images
    }
    if name not in known:
        allowed = ", ".join(sorted(known))
        raise ValueError(f"pretrain: unknown objective {name!r}{nearest(str(name), known)}; allowed: {allowed}")
    parameters = list(inspect.signature(known[name]).parameters)[1:]
    for key in arguments:
        if key not in parameters or key == "seed":
            own = ", ".join(parameter for parameter in parameters if parameter not in ("seed", "name"))
            raise ValueError(f"pretrain: {name} has no argument {key!r}{nearest(key, parameters)}; allowed: {own}")
    return known[name]
