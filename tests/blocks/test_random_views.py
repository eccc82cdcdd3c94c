"""Random views of images."""

import keras
import numpy as np
import pytest

from vitgraph.blocks import RandomResizedCrop

RAMP = np.broadcast_to(np.arange(40, dtype="float32")[None, :, None, None], (64, 40, 30, 2))  # its own row number


def test_a_box_is_a_stretch_of_rows_of_the_size_that_was_asked_for():
    """In a linear ramp linear interpolation is exact, so that the box can be read off the values."""
    y = keras.ops.convert_to_numpy(RandomResizedCrop((10, 12), (0.25, 0.25), (1.0, 1.0), seed=0)(RAMP))
    assert y.shape == (64, 10, 12, 2)
    np.testing.assert_allclose(y, np.broadcast_to(y[:, :, :1, :1], y.shape), atol=1e-4)  # columns are alike
    steps = np.diff(y[:, 1:-1, 0, 0], axis=1)
    np.testing.assert_allclose(steps, 0.5 * 40 / 10, atol=0.02)  # a quarter of the area is half of a side
    starts = y[:, 0, 0, 0]
    assert starts.min() < 3 and 17 < starts.max() < 21.5 and len(np.unique(starts)) == 64


def test_the_whole_image_is_a_resize():
    images = np.random.default_rng(0).random((2, 16, 16, 3)).astype("float32")
    y = RandomResizedCrop(16, (1.0, 1.0), (1.0, 1.0))(images)
    np.testing.assert_allclose(y, images, atol=1e-5)
    small = keras.ops.image.resize(images, (8, 8), antialias=True, data_format="channels_last")
    np.testing.assert_allclose(RandomResizedCrop(8, (1.0, 1.0), (1.0, 1.0))(images), small, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_config_and_dtype(dtype):
    layer = RandomResizedCrop(8, (0.3, 0.6), seed=3, dtype=dtype)
    twin = RandomResizedCrop.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    np.testing.assert_array_equal(layer(RAMP), twin(RAMP))
    assert keras.backend.standardize_dtype(layer(RAMP).dtype) == layer.compute_dtype
