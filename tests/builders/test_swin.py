"""Swin's learned positions, beside its biases by relative position."""

import keras
import numpy as np

from tests.checkpoints.test_weights import golden
from tests.variants import TINY, assert_close, assert_same, images, value, with_random_weights
from vitgraph.checkpoints import load_weights, resample, save_weights


def positioned(shape=(64, 64, 3), **overrides):
    return TINY["swin"].build(shape, pos_embed="learn", **overrides)


def test_positions_are_added_to_the_embedded_patches():
    plain, model = TINY["swin"].build(), with_random_weights(positioned())
    weights = {v.path: value(v) for v in model.weights}
    table = weights.pop("pos_embed/table").reshape(1, 16, 16, 8)
    load_weights(plain, weights)
    patches = keras.Model(plain.input, plain.get_layer("patch_norm").output)(images())
    tail = keras.Model(plain.get_layer("patch_norm").output, plain.output)
    assert_close(model(images()), tail(patches + table))


def test_another_size_and_any_size(tmp_path):
    """On loading, and in the graph of an image of any size."""
    path = save_weights(with_random_weights(positioned((64, 96, 3))), tmp_path / "oblong.safetensors")
    other, any_size = positioned((96, 64, 3)), positioned((None, None, 3), img_size=(64, 96))
    for model in (other, any_size):
        load_weights(model, path)
    assert_close(any_size(images(2, 96, 64)), other(images(2, 96, 64)))


def test_keras_files(tmp_path):
    model = with_random_weights(positioned())
    model.save(tmp_path / "model.keras")
    assert_same(keras.saving.load_model(tmp_path / "model.keras")(images()), model(images()))


def test_official_positions_are_resampled():
    """A square table of Microsoft's, bicubic and not smoothed, as its code does it."""
    model, weights, _, _ = golden("official_swin__ape")
    table = np.random.default_rng(0).normal(size=(1, 64, 8)).astype("float32")
    assert load_weights(model, {**weights, "absolute_pos_embed": table}) == "swin/microsoft"
    expected = resample.position_table(table, 0, (8, 8), (8, 16), antialias=False)
    assert_close(model.get_layer("pos_embed").table, expected)
