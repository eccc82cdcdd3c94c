"""The demonstration: what two nets see in a photograph, and a classifier that is trained, exported and checked.

The photograph and the handwritten digits come with scikit-learn; nothing is downloaded.
"""

import contextlib
import pathlib
import sys
import time

import keras
from keras import layers

from vitgraph import contract as c
from vitgraph import export
from vitgraph.builders import build_pvt_v2
from vitgraph.create import create
from vitgraph.graphs.attention import attention
from vitgraph.graphs.pyramid import pyramid
from vitgraph.plots import plot_probabilities, plot_pyramid

PHOTOGRAPH = "china.jpg of scikit-learn, by danielbuechele, CC BY 2.0"
SIZE = 48  # side of the digits in pixels, upscaled from 8
BATCH = 64


class CheckFailed(Exception):
    """The classifier, or an export of it, isn't as good as it must be."""


@c.public
def run(
    out: c.Path = "out",
    *,
    epochs: c.Count = 15,
    accuracy: c.Share = 0.95,
    weights: tuple[c.Path, c.Path] | None = None,
) -> None:
    """Runs the demonstration and prints what it does.

    Args:
        epochs: passes over the training images.
        accuracy: share of the held-out images that must be classified correctly.
        weights: checkpoints of pvt_v2_b0 and vit_tiny_patch16_224, as `create` takes them; None: random weights.

    Raises:
        CheckFailed: the classifier is less accurate, or one of its exports classifies an image differently.
        ValueError, TypeError: an argument that isn't allowed; the message says what is.
        OSError: a file can't be read or written.

    Example:
        >>> from vitgraph import demo
        >>> demo.run("demonstration", epochs=2, accuracy=0.5)  # doctest: +SKIP
    """
    start, out = time.perf_counter(), pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    with _section("1. A photograph through two graphs"):
        look(out, weights or (None, None))
    with _section("2. A classifier of handwritten digits"):
        train, held_out = digits()
        model = classifier()
        fit(model, train, held_out, epochs)
        _check_accuracy(model, held_out, accuracy)
    with _section("3. The classifier as SavedModel and LiteRT"):
        check_exports(model, held_out[0], out)
    print(f"Everything is in {out.resolve()}   ({time.perf_counter() - start:.0f} s in all)")


def look(out, weights):
    """Draws PVT v2-B0's pyramid and ViT-Ti's attention on the photograph."""
    from sklearn.datasets import load_sample_image

    photograph = load_sample_image("china.jpg")[:416]  # without the lowest rows: 416 and 640 are multiples of 32
    _say("photograph", f"{PHOTOGRAPH}, {_size(photograph.shape)}")

    backbone = create("pvt_v2_b0", weights[0], input_shape=photograph.shape, include_top=False)
    _say_model("PVT v2-B0", backbone, weights[0])
    maps = _answer(pyramid(export.with_preprocessing(backbone)), photograph)
    for level, values in maps.items():
        stride = photograph.shape[0] // values.shape[1]
        _say(f"  {level}", f"stride {stride:2}   {_size(values.shape[1:]):>14}")
    plot_pyramid(photograph, maps, out / "pyramid.png")
    _say("  picture", out / "pyramid.png")

    vit = create("vit_tiny_patch16_224", weights[1], input_shape=photograph.shape)
    _say_model("ViT-Ti/16", vit, weights[1])
    probabilities = _answer(attention(export.with_preprocessing(vit, mean=0.5, std=0.5)), photograph)
    name, values = list(probabilities.items())[-1]
    grid = tuple(n // 16 for n in photograph.shape[:2])
    _say(f"  {name}", f"{_size(values.shape[1:])}, the last of {len(probabilities)} attention layers")
    plot_probabilities(photograph, values, out / "attention.png", grid=grid)
    _say("  picture", out / "attention.png")


def digits():
    """scikit-learn's digits, upscaled, four fifths and the rest: (images (B, 48, 48, 1) from -1 to 1, classes) each."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    images = data.images[..., None].astype("float32") / 8 - 1
    images = keras.ops.convert_to_numpy(keras.ops.image.resize(images, (SIZE, SIZE), data_format="channels_last"))
    x, x_held, y, y_held = train_test_split(images, data.target, test_size=0.2, stratify=data.target, random_state=0)
    _say("images", f"{len(x)} to train on, {len(x_held)} held out; 8 x 8 upscaled to {SIZE} x {SIZE} (scikit-learn's)")
    return (x, y), (x_held, y_held)


def classifier():
    """A PVT v2 with one narrow block per stage: (B, 48, 48, 1) -> (B, 10) probabilities."""
    model = build_pvt_v2(
        (SIZE, SIZE, 1),
        num_classes=10,
        dims=(16, 32, 48, 64),
        depths=(1, 1, 1, 1),
        num_heads=(1, 1, 2, 2),
        mlp_ratios=(4, 4, 4, 4),
        sr_ratios=(4, 2, 1, 1),
        name="digits",
    )
    _say("PVT v2", f"{model.count_params():,} parameters, {len(model.layers)} layers")
    return model


def fit(model, train, held_out, epochs):
    """Trains with AdamW, a warm-up and a cosine, on images that are shifted by up to a tenth of their side."""
    shift = layers.RandomTranslation(0.1, 0.1, fill_mode="constant", fill_value=-1.0, data_format="channels_last")
    trainer = keras.Sequential([keras.Input(model.input.shape[1:]), shift, model])
    steps = epochs * -(-len(train[0]) // BATCH)
    warmup = max(steps // 10, 1)
    rate = keras.optimizers.schedules.CosineDecay(0.0, max(steps - warmup, 1), warmup_target=3e-3, warmup_steps=warmup)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.05)
    trainer.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    bar = ProgressBar()
    trainer.fit(*train, batch_size=BATCH, epochs=epochs, validation_data=held_out, verbose=0, callbacks=[bar])


def check_exports(model, images, out):
    """Exports the model as both kinds of file and compares their answers with the model's on all held-out images."""
    wanted = keras.ops.convert_to_numpy(model(images, training=False))
    writers: dict = {"SavedModel": (export.to_saved_model, "digits"), "LiteRT": (export.to_litert, "digits.tflite")}
    for label, (write, name) in writers.items():
        report = write(model, out / name)
        given = export.load(report.path)(images)["output_0"]
        same = int((given.argmax(axis=-1) == wanted.argmax(axis=-1)).sum())
        _say(label, f"{report.path}, {report.size / 1e6:.2f} MB")
        _say(
            "",
            f"{same} of {len(images)} classified as by the model, largest difference {abs(given - wanted).max():.1e}",
        )
        if same != len(images):
            raise CheckFailed(f"{report.path} classifies {len(images) - same} of {len(images)} images differently")


class ProgressBar(keras.callbacks.Callback):
    """One line for the whole training on a terminal; elsewhere a line per epoch."""

    WIDTH = 24

    def on_train_begin(self, logs=None):
        self.start, self.epoch, self.held_out = time.perf_counter(), 0, ""
        if sys.stdout.isatty():
            self._draw(0, "tracing the first step", "\r")

    def on_train_batch_end(self, batch, logs=None):
        if sys.stdout.isatty():
            self._draw(self.epoch + (batch + 1) / self.params["steps"], self._figures(logs), "\r")

    def on_epoch_end(self, epoch, logs=None):
        self.epoch, self.held_out = epoch + 1, f"   held out {logs['val_accuracy']:6.1%}"
        done = self.epoch == self.params["epochs"]
        self._draw(self.epoch, self._figures(logs), "\r" if sys.stdout.isatty() and not done else "\n")

    def _figures(self, logs):
        return f"loss {logs['loss']:.3f}   accuracy {logs['accuracy']:6.1%}{self.held_out}"

    def _draw(self, epochs, figures, end):
        share, seconds = epochs / self.params["epochs"], time.perf_counter() - self.start
        bar = "#" * int(share * self.WIDTH)
        print(f"  [{bar:.<{self.WIDTH}}] {share:4.0%} {seconds:4.0f} s   {figures}", end=end, flush=True)


def _check_accuracy(model, held_out, wanted):
    images, classes = held_out
    right = int((keras.ops.convert_to_numpy(model(images, training=False)).argmax(axis=-1) == classes).sum())
    reached = right / len(classes)
    _say("held out", f"{right} of {len(classes)} correct: {reached:.1%} (asked for: {wanted:.1%})")
    if reached < wanted:
        raise CheckFailed(f"{reached:.1%} of the held-out images are classified correctly; asked for: {wanted:.1%}")


@contextlib.contextmanager
def _section(title):
    start = time.perf_counter()
    print(title, flush=True)
    yield
    print(f"  done in {time.perf_counter() - start:.0f} s\n", flush=True)


def _say(what, text):
    print(f"  {what:14} {text}", flush=True)


def _say_model(what, model, weights):
    kind = "random weights" if weights is None else f"weights {weights}"
    _say(what, f"{model.count_params():,} parameters, {len(model.layers)} layers, {kind}")


def _answer(model, image):
    return {name: keras.ops.convert_to_numpy(value) for name, value in model(image[None], training=False).items()}


def _size(shape):
    return " x ".join(map(str, shape))
