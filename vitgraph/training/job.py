"""What supervised training and pre-training have in common."""

import dataclasses
import functools

from vitgraph import contract as c
from vitgraph.blocks import GraphModel
from vitgraph.checkpoints.about import about_published
from vitgraph.checkpoints.published import list_weights
from vitgraph.images.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from vitgraph.images.sources import open_images
from vitgraph.training.folder import LAST, Folder, has_matplotlib, said
from vitgraph.training.loop import run
from vitgraph.training.optimizer import make_optimizer
from vitgraph.training.pipeline import batches, check_normalization
from vitgraph.training.report import write_report


class Job:
    """A net, images and a recipe.

    Args:
        task: "train" or "pretrain".
        net: a `Variant` or a `Graph`.
        images: the `Images` to train on.
        held_out: the `Images` to validate on, or None.
        recipe: a `Recipe`.
        normalization: (mean, standard deviation), each one number or one per channel; None: as the weights want it.
        seed: seed of everything random.
        silent: print nothing.
    """

    def __init__(self, task, net, images, held_out, recipe, normalization, seed, silent):
        allowed = f"at most {images.count}, as many as there are images"
        c.require(recipe.batch_size <= images.count, "batch_size", allowed, value=recipe.batch_size)
        self.task, self.net, self.recipe, self.seed, self.silent = task, net, recipe, seed, silent
        self.images, self.held_out = images, held_out
        tag = list_weights(net.name).get(str(net.weights)) if net.weights is not None else None
        is_rgb = tag is None or tag.channel_order == "RGB"
        c.require(is_rgb, "weights", "others: these take BGR, and a training has RGB", value=net.weights)
        self.normalization = _normalization(normalization, tag, net.channels)
        self.preparation = _preparation(tag)
        self.origin = about_published(tag, has_head=False) if tag is not None else {}
        self.batches = functools.partial(
            batches,
            batch_size=recipe.images_at_once,
            image_size=net.size,
            channels=net.channels,
            normalization=self.normalization,
            seed=seed,
        )

    def training_batches(self, epoch, first=0):
        options = {"augmentation": self.recipe.augmentation, "label_smoothing": self.recipe.label_smoothing}
        return self.batches(self.images, training=True, epoch=epoch, first=first, **options)

    def validation_batches(self):
        return self.batches(self.held_out, training=False, epoch=0, **self.preparation)

    def open(self, out, **configuration):
        """The `Folder` of this job, in which nothing has been written yet."""
        return Folder(
            out,
            {
                "task": self.task,
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

    def run(self, folder, model, graph, best, save, save_minutes):
        """Trains a compiled model around a graph to the end; see `loop.run` for `best` and `save`."""
        with c.errors_of(self.task):
            held_out = None if self.held_out is None else self.validation_batches()
        folder.begin()
        self.introduce(folder, graph)
        self.describe(graph)
        run(
            folder, model, self.recipe, self.training_batches, held_out, best=best, save=save,
            save_minutes=save_minutes, silent=self.silent,
        )  # fmt: skip
        self.describe(graph, figures={name: values[-1] for name, values in folder.history.items()})
        if has_matplotlib():
            write_report(folder, model, self.held_out, held_out, self.normalization)
        folder.finish(graph, save)
        return self.result(folder)

    def describe(self, graph, **facts):
        """Says of a classifier what its classes are, and what its images go through."""
        if self.task == "train" and isinstance(graph, GraphModel):
            mean, std = self.normalization
            wanted = Preprocessing(self.net.size, mean, std, **self.preparation, upright=True)
            own = {"preprocessing": dataclasses.asdict(wanted), "classes": self.images.class_names}
            graph.about = {**graph.about, **self.origin, **own, **facts}

    def introduce(self, folder, graph):
        r, count = self.recipe, 0 if self.held_out is None else self.held_out.count
        classes = f" in {self.images.num_classes} classes" if self.images.num_classes else ""
        size = " x ".join(map(str, self.net.size))
        self.say("model", f"{self.net.name}, {graph.count_params():,} parameters, images of {size}")
        self.say("images", f"{self.images.count:,}{classes}; held out: {count:,}")
        parts = f", {r.images_at_once} at once" if r.accumulation > 1 else ""
        rate = f"learning rate {r.learning_rate:.3g}, layer decay {r.layer_decay}, weight decay {r.weight_decay}"
        self.say("recipe", f"{r.epochs} epochs, batches of {r.batch_size}{parts}, {rate}")
        if not has_matplotlib():
            self.say("note", "no pictures and no report: matplotlib isn't installed (pip install matplotlib)")
        if said(folder.state):
            self.say("resumes", f"after {said(folder.state)}, from {folder / LAST}")

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


def open_both(images, validation, unreadable, seed, labelled):
    """(`Images` to train on, held-out `Images` or None)."""
    seen = open_images(images, unreadable, labelled, "images")
    if validation is None:
        return seen, None
    if isinstance(validation, float):
        return seen.hold_out(validation, seed, "validation")
    held_out = open_images(validation, unreadable, labelled, "validation")
    if labelled:
        names = f" ({', '.join(seen.class_names[:10])})" if seen.class_names else ""
        same = (held_out.num_classes, held_out.class_names) == (seen.num_classes, seen.class_names)
        c.require(same, "validation", f"images of the same {seen.num_classes} classes{names}")
    return seen, held_out


def _described(images):
    return {"count": images.count, "classes": images.class_names}


def _normalization(given, tag, channels):
    """What was given, else what the published weights want that training begins with, else ImageNet's; per channel."""
    if given is not None:
        check_normalization(given, channels)
        return tuple(values if isinstance(values, tuple) else (values,) * channels for values in given)
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
