"""Does a frozen model answer like the model, whatever happens to that later, and refuse what it can't take?"""

import keras
import numpy as np
import pytest
import tensorflow as tf

import vitgraph
from tests.variants import TINY, assert_close, images, shared, shared_open, value
from vitgraph import export


def test_frozen_model_of_one_batch_size():
    """Both forms are tried, and either answers like the model, or `freeze` would refuse it."""
    frozen = export.freeze(shared("mobilevit"), batch_size=2)
    assert set(frozen.seconds) == {"graph float32", "xla float32"}
    assert frozen.form == min(frozen.seconds, key=frozen.seconds.get).split()[0]
    assert_close(frozen(images(2)), shared("mobilevit")(images(2)))
    with pytest.raises(ValueError, match=r"frozen: images=.*; allowed: an array \(2, 64, 64, 3\) of float32"):
        frozen(images(3))


def test_frozen_model_of_any_size():
    model = shared_open("pvt_v2_linear")
    frozen = export.freeze(model)
    assert (frozen.form, frozen.precision, frozen.seconds) == ("graph", "float32", {})
    for x in (images(1), images(3, 75, 102)):
        assert_close(frozen(x), model(x))
    with pytest.raises(ValueError, match=r"frozen: images=.*float64>; allowed: .* of float32"):
        frozen(images().astype("float64"))


def test_frozen_maps_keep_their_names():
    pyramid = vitgraph.pyramid(shared("pvt_v2_linear"), ("P3", "P2"))
    given, wanted = export.freeze(pyramid)(images()), pyramid(images())
    assert set(given) == {"P2", "P3"}
    for level in wanted:
        assert_close(given[level], wanted[level])


def test_frozen_model_is_that_of_its_time():
    model = TINY["levit"].build()
    frozen, wanted = export.freeze(model), value(model(images()))
    model.set_weights([0 * weight for weight in model.get_weights()])
    assert_close(frozen(images()), wanted)


def test_bfloat16_is_tried_beside_float32():
    frozen = export.freeze(shared("vit"), batch_size=1, precision="bfloat16")
    assert set(frozen.seconds) == {f"{form} {kind}" for form in ("graph", "xla") for kind in ("float32", "bfloat16")}
    wanted, given = value(shared("vit")(images(1))), frozen(images(1))
    assert given.dtype == np.float32
    assert np.abs(given - wanted).max() <= 0.09 * np.abs(wanted).max()


def test_a_model_in_bfloat16_is_frozen_in_float32():
    model = TINY["vit"].build(dtype="mixed_bfloat16")
    twin = TINY["vit"].build()
    twin.set_weights(model.get_weights())
    assert_close(export.freeze(model)(images()), twin(images()))


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method implemented:UserWarning")
def test_quantised_and_sequential_models_and_raw_pixels():
    quantised = TINY["vit"].build()
    quantised.quantize("int8")
    np.testing.assert_allclose(export.freeze(quantised)(images()), quantised(images()), rtol=1e-3, atol=1e-3)
    chain = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])
    assert_close(export.freeze(chain)(images(2, 8)), chain(images(2, 8)))
    raw = export.with_preprocessing(shared("vit"))
    pixels = (np.arange(12288) % 256).astype("uint8").reshape(1, 64, 64, 3)
    assert_close(export.freeze(raw)(pixels), raw(pixels))


def test_frozen_saved_model_has_no_variables(tmp_path):
    model = shared("levit")
    report = export.to_saved_model(model, tmp_path / "net", frozen=True)
    assert report.difference < 1e-5
    assert not tf.saved_model.load(str(report.path)).signatures["serving_default"].variables
    assert_close(export.load(report.path)(images(3))["output_0"], model(images(3)))


@pytest.mark.parametrize("frozen", [False, True])
def test_signature_of_features(frozen, tmp_path):
    """The scores are the default, and weights that both use are written once."""
    model = shared("pvt_v2_linear")
    path = export.to_saved_model(model, tmp_path / "net", frozen=frozen, features=True, batch_size=2).path
    assert_close(export.load(path)(images())["output_0"], model(images()))
    given = export.load(path, signature="features")(images())
    wanted = vitgraph.pyramid(model)(images())
    assert set(given) == set(wanted)
    for level in wanted:
        assert_close(given[level], wanted[level])
    loaded = tf.saved_model.load(str(path))
    assert len(getattr(loaded, "variables", ())) == (0 if frozen else len(model.weights))
    with pytest.raises(ValueError, match="load: signature='maps'; allowed: .*features, serv.*"):
        export.load(path, signature="maps")


def test_features_of_foreign_models_are_refused(tmp_path):
    chain = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match="to_saved_model: features=True; allowed: False for a model that isn't"):
        export.to_saved_model(chain, tmp_path / "net", features=True)
    assert not list(tmp_path.iterdir())
