"""Learned positions of Swin and Swin V2, beside their biases by relative position."""

import keras
import numpy as np
import pytest

from tests.checkpoints.test_weights import golden
from tests.variants import TINY, assert_close, assert_same, images, value, with_random_weights
from vitgraph.checkpoints import load_weights, resample, save_weights

both = pytest.mark.parametrize("net", ["swin", "swin_v2"])


def positioned(net, shape=(64, 64, 3), **overrides):
    return TINY[net].build(shape, pos_embed="learn", **overrides)


@both
def test_positions_are_added_to_the_embedded_patches(net):
    plain, model = TINY[net].build(), with_random_weights(positioned(net))
    weights = {v.path: value(v) for v in model.weights}
    table = weights.pop("pos_embed/table").reshape(1, 16, 16, 8)
    load_weights(plain, weights)
    patches = keras.Model(plain.input, plain.get_layer("patch_norm").output)(images())
    tail = keras.Model(plain.get_layer("patch_norm").output, plain.output)
    assert_close(model(images()), tail(patches + table))


@both
def test_another_size_and_any_size(net, tmp_path):
    """On loading, and in the graph of an image of any size."""
    path = save_weights(with_random_weights(positioned(net, (64, 96, 3))), tmp_path / "oblong.safetensors")
    other, any_size = positioned(net, (96, 64, 3)), positioned(net, (None, None, 3), img_size=(64, 96))
    for model in (other, any_size):
        load_weights(model, path)
    assert_close(any_size(images(2, 96, 64)), other(images(2, 96, 64)))


@both
def test_keras_files(net, tmp_path):
    model = with_random_weights(positioned(net))
    model.save(tmp_path / "model.keras")
    assert_same(keras.saving.load_model(tmp_path / "model.keras")(images()), model(images()))


def test_official_positions_are_resampled():
    """A square table of Microsoft's, bicubic and not smoothed, as its code does it."""
    model, weights, _, _ = golden("official_swin__ape")
    table = np.random.default_rng(0).normal(size=(1, 64, 8)).astype("float32")
    assert load_weights(model, {**weights, "absolute_pos_embed": table}) == "swin/microsoft"
    expected = resample.position_table(table, 0, (8, 8), (8, 16), antialias=False)
    assert_close(model.get_layer("pos_embed").table, expected)
