"""Does a trained net classify held-out images as before, in every form of LiteRT and in OpenVINO's int8?

A small ViT that knows scikit-learn's digits: it is trained once, in a few seconds.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
from sklearn.datasets import load_digits

import vitgraph
from tests.variants import images, shared
from vitgraph import export

TRAINED = 1440
"""Of the 1797 digits; the others are held out."""


@pytest.fixture(scope="module")
def digits():
    """Normalised images (N, 8, 8, 1) in a random order, and their classes."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    return ((data.images[order, ..., None] / 16 - 0.3) / 0.38).astype("float32"), data.target[order]


@pytest.fixture(scope="module")
def net(digits):
    """A ViT that is right about nine of ten held-out digits."""
    keras.utils.set_random_seed(0)
    arguments = {"patch_size": 2, "dim": 32, "depth": 2, "num_heads": 2, "mlp_ratio": 2, "global_pool": "avg"}
    model = vitgraph.build_vit((8, 8, 1), num_classes=10, classifier_activation=None, **arguments)
    optimizer = keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(5e-3, 270))
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    pictures, classes = digits
    model.fit(pictures[:TRAINED], classes[:TRAINED], batch_size=64, epochs=12, verbose=0)
    right = model.predict(pictures[TRAINED:], verbose=0).argmax(1) == classes[TRAINED:]
    assert right.mean() > 0.85
    return model


def agreement(path, model, pictures):
    """The share of pictures that file and model put into the same class."""
    (scores,) = export.load(path)(pictures).values()
    return np.mean(scores.argmax(1) == model.predict(pictures, verbose=0).argmax(1))


LEAST = {"float16": 0.995, "dynamic_int8": 0.98, "int8": 0.95, "int16x8": 0.98}


@pytest.mark.parametrize("form", LEAST)
def test_litert(form, net, digits, tmp_path):
    pictures, classes = digits
    data = tf.data.Dataset.from_tensor_slices((pictures[:96], classes[:96])).batch(32)
    options = {"int8": {"images": data, "int8_io": True}, "int16x8": {"images": pictures[:100]}}.get(form, {})
    report = export.to_litert(net, tmp_path / "net.tflite", form=form, **options)
    assert agreement(report.path, net, pictures[TRAINED:]) >= LEAST[form]
    interpreter = Interpreter(str(report.path))
    weights = {tensor["dtype"] for tensor in interpreter.get_tensor_details()}
    assert {"float16": np.float16}.get(form, np.int8) in weights
    outside = {tensor["dtype"] for tensor in interpreter.get_input_details() + interpreter.get_output_details()}
    assert outside == {np.int8 if form == "int8" else np.float32}
    without = {"int8": {"DIV"}, "int16x8": {"DIV", "SQUARED_DIFFERENCE"}}
    assert not without.get(form, set()) & set(report.ops)


def test_openvino_int8(net, digits, tmp_path):
    pictures, _ = digits
    report = export.to_openvino(net, tmp_path / "net.xml", precision="int8", images=pictures[:100])
    assert "FakeQuantize" in report.ops
    assert agreement(report.path, net, pictures[TRAINED:]) >= 0.95


def test_representative_images_from_a_folder(tmp_path):
    """For a model that takes pixels; they may have any size."""
    (tmp_path / "pictures" / "deeper").mkdir(parents=True)
    for i in range(6):
        pixels = np.random.default_rng(i).integers(0, 256, (70, 90, 3), "uint8")
        Image.fromarray(pixels).save(tmp_path / "pictures" / "deeper" / f"{i}.png")
    inputs = keras.Input((64, 64, 3))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs)))
    raw, folder = export.with_preprocessing(model), tmp_path / "pictures"
    report = export.to_litert(raw, tmp_path / "net.tflite", form="int16x8", images=folder, batch_size=2)
    pixels = np.random.default_rng(9).integers(0, 256, (2, 64, 64, 3), "uint8")
    wanted = np.asarray(raw(pixels))
    assert np.abs(export.load(report.path)(pixels)["output_0"] - wanted).max() < 0.1 * np.abs(wanted).max()
    with pytest.raises(ValueError, match="to_litert: images=.*; allowed: a folder for a model that takes uint8"):
        export.to_litert(model, tmp_path / "b.tflite", form="int8", images=folder)


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ('images=None; allowed: given with form="int8"', {"form": "int8"}),
        ('images=.*; allowed: given with form="int8"', {"images": images()}),
        ("int8_io=True; allowed: False, but with form", {"int8_io": True}),
        (r"images=.*; allowed: arrays \('N', 64, 64, 3\) of float32.*not \(2, 32, 32, 3\)", {"images": images(2, 32)}),
        ("images=.*; allowed: finite numbers", {"images": images() * np.nan}),
        ("images=.*; allowed: at least 4, a whole batch, not 2", {"images": images(), "batch_size": 4}),
        (
            "images=.*; allowed: .* at least one batch",
            {"images": tf.data.Dataset.from_tensor_slices(images()[:0]).batch(1)},
        ),
    ],
)
def test_bad_images(message, options, tmp_path):
    form = {"form": "int8"} if "images" in options and "given" not in message else {}
    with pytest.raises(ValueError, match=f"to_litert: {message}"):
        export.to_litert(shared("vit"), tmp_path / "net.tflite", **{**form, **options})
    assert not list(tmp_path.iterdir())
