import keras
import numpy as np
import pytest

from vitgraph import create
from vitgraph.blocks.initializers import (
    PART,
    Normal,
    TruncatedNormal,
    Uniform,
    glorot_uniform,
    he_fan_out,
    lecun_normal,
)

SHAPE = (3, PART)  # drawn in more parts than one


def draw(initializer, shape=SHAPE, dtype=None):
    return keras.ops.convert_to_numpy(initializer(shape, dtype))


OURS_AND_KERAS = {
    "normal": (Normal(0.5, 0.02, seed=0), keras.initializers.RandomNormal(0.5, 0.02, seed=0)),
    "truncated": (TruncatedNormal(0.5, 0.02, seed=0), keras.initializers.TruncatedNormal(0.5, 0.02, seed=0)),
    "uniform": (Uniform(-0.1, 0.3, seed=0), keras.initializers.RandomUniform(-0.1, 0.3, seed=0)),
}


@pytest.mark.parametrize(("ours", "keras_own"), OURS_AND_KERAS.values(), ids=OURS_AND_KERAS)
def test_distribution_is_keras_own(ours, keras_own):
    ours, keras_own = np.sort(draw(ours).ravel()), np.sort(draw(keras_own).ravel())
    shares = np.arange(ours.size) / ours.size
    furthest = np.abs(np.searchsorted(ours, keras_own) / ours.size - shares).max()
    assert furthest < 1.95 * np.sqrt(2 / ours.size)  # Kolmogorov and Smirnov's bound at 0.001


def test_parts_and_rows_are_independent():
    rows = draw(TruncatedNormal(stddev=1.0, seed=3))
    assert np.abs(np.corrcoef(rows) - np.eye(len(rows))).max() < 5 / np.sqrt(PART)


def test_deviations():
    """By fans, whatever the distribution."""
    fan_in, fan_out = 96, 384
    assert draw(he_fan_out(fan_in, fan_out)).std() == pytest.approx((2 / fan_out) ** 0.5, rel=0.01)
    assert draw(lecun_normal(fan_in, fan_out)).std() == pytest.approx(fan_in**-0.5, rel=0.01)
    assert draw(glorot_uniform(fan_in, fan_out)).std() == pytest.approx((2 / (fan_in + fan_out)) ** 0.5, rel=0.01)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtype(dtype):
    drawn = TruncatedNormal(stddev=0.02, seed=1)((5,), dtype)
    assert keras.backend.standardize_dtype(drawn.dtype) == dtype
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(keras.ops.cast(drawn, "float32")),
        draw(TruncatedNormal(stddev=0.02, seed=1), (5,)),
        rtol=2**-8,
    )


def test_seeds():
    one = TruncatedNormal(stddev=0.02, seed=1)
    again = keras.initializers.deserialize(keras.initializers.serialize(one))
    np.testing.assert_array_equal(draw(one), draw(again))
    assert not np.array_equal(draw(one), draw(TruncatedNormal(stddev=0.02, seed=2)))
    keras.utils.set_random_seed(5)
    first, second = TruncatedNormal(stddev=0.02), TruncatedNormal(stddev=0.02)
    keras.utils.set_random_seed(5)
    np.testing.assert_array_equal(draw(TruncatedNormal(stddev=0.02)), draw(first))
    assert not np.array_equal(draw(first), draw(second))


NET = """
import hashlib, keras, numpy as np
from vitgraph import create
keras.utils.set_random_seed(7)
weights = create("mobilevit_xxs", input_shape=(64, 64, 3)).get_weights()
print(hashlib.sha256(b"".join(np.ascontiguousarray(w, "float32").tobytes() for w in weights)).hexdigest())
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_seed_makes_the_same_net_on_every_backend(backend, fresh_process, monkeypatch, capsys):
    exec(NET, {})
    monkeypatch.setenv("KERAS_BACKEND", backend)
    assert fresh_process(NET) == capsys.readouterr().out


def test_no_two_layers_begin_alike():
    kernels = [w for w in create("vit_tiny_patch16_224", input_shape=(32, 32, 3)).get_weights() if w.ndim == 2]
    assert len(kernels) > 40
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels)
