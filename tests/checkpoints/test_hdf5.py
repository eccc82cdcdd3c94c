"""Is a model that Keras wrote as HDF5 read back?"""

import keras
import numpy as np
import pytest

import vitgraph
from tests.variants import TINY, assert_same, images, shared, value
from vitgraph.graphs.segformer import as_mit

TRAINED = {
    "simmim": lambda: vitgraph.simmim(TINY["swin"].build(), 0.5, 16),
    "byol": lambda: vitgraph.byol(TINY["vit"].build()),
}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """Keras logs on every write that the format is an old one."""
    monkeypatch.setattr("absl.logging.warning", lambda *_: None)


@pytest.mark.parametrize("ending", [".h5", ".hdf5"])
@pytest.mark.parametrize("name", ["vit_modern", "swin", "pvt_v2", "levit", "crossvit", "beit", "nest"])
def test_every_kind_of_net(name, ending, tmp_path):
    shared(name).save(tmp_path / f"net{ending}")
    net = keras.saving.load_model(tmp_path / f"net{ending}")
    assert type(net) is type(shared(name))
    assert [stage.level for stage in net.stages] == [stage.level for stage in shared(name).stages]
    assert_same(net(images()), shared(name)(images()))


def test_dtype_policies(tmp_path):
    model = TINY["swin"].build(dtype="mixed_bfloat16")
    model.save(tmp_path / "net.h5")
    model.save(tmp_path / "net.keras")
    nets = (keras.saving.load_model(tmp_path / f"net{ending}") for ending in (".h5", ".keras"))
    policies, expected = ([layer.dtype_policy.name for layer in net.layers] for net in nets)
    assert policies == expected and "mixed_bfloat16" in policies


def test_segformers_backbone(tmp_path):
    mit = as_mit(TINY["pvt_v2"].build(include_top=False, num_classes=1000))
    mit.save(tmp_path / "mit.h5")
    assert list(keras.saving.load_model(tmp_path / "mit.h5").pyramid_level_inputs) == list(mit.pyramid_level_inputs)


def test_a_net_in_a_model(tmp_path):
    model = keras.Sequential([keras.Input((64, 64, 3)), shared("swin"), keras.layers.Dense(3)])
    model.save(tmp_path / "model.h5")
    assert_same(keras.saving.load_model(tmp_path / "model.h5")(images()), model(images()))


def test_model_checkpoint(tmp_path):
    model = TINY["vit"].build()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adamw", loss, metrics=["accuracy"], run_eagerly=True)
    pictures, labels = images(8), np.arange(8) % 5
    saving = keras.callbacks.ModelCheckpoint(tmp_path / "best.h5")
    model.fit(pictures, labels, verbose=0, callbacks=[saving])
    read = keras.saving.load_model(tmp_path / "best.h5")
    assert read.evaluate(pictures, labels, verbose=0) == model.evaluate(pictures, labels, verbose=0)


@pytest.mark.parametrize("name", TRAINED)
def test_objectives(name, tmp_path):
    objective = TRAINED[name]()
    objective.save(tmp_path / "objective.h5")
    read = keras.saving.load_model(tmp_path / "objective.h5")
    assert type(read) is type(objective)
    for a, b in zip(objective.weights, read.weights, strict=True):
        np.testing.assert_array_equal(value(a), value(b))
