"""Does every net keep the builders' contract? Names, dtypes, gradients, randomness, strides: one question a test."""

import inspect
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import vitgraph
from tests.variants import (
    ENDS,
    EVERY_LAYER,
    ONE_EACH,
    OPEN,
    TINY,
    assert_close,
    assert_same,
    images,
    shared,
    shared_open,
    take_weights,
    value,
    with_random_weights,
)
from vitgraph.blocks.base import pair

rows = pytest.mark.parametrize("name", TINY)
builder_rows = pytest.mark.parametrize("name", ONE_EACH)
end_rows = pytest.mark.parametrize("name", ENDS)


def rates(name):
    return [p for p in inspect.signature(TINY[name].builder).parameters if p.endswith("_rate")]


@rows
def test_names(name):
    """The same names whatever was built before, in an alphabet that every backend and file takes."""
    first, second = TINY[name].build(), TINY[name].build()
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]
    assert [v.path for v in first.weights] == [v.path for v in second.weights]
    assert len({v.path for v in first.weights}) == len(first.weights)
    for layer in first.layers:
        assert re.fullmatch("[a-z0-9_]+", layer.name), layer.name


@pytest.mark.heavy
def test_saved_twice_in_a_fresh_process(fresh_process, tmp_path):
    """A file is read where only vitgraph was imported, and written and read again: nothing differs at all.

    Each layer writes and reads itself, so those that have every layer stand for all.
    """
    np.save(tmp_path / "x.npy", images())
    for name in EVERY_LAYER:
        shared(name).save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.npy", shared(name)(images()))
    code = """
import json, pathlib, sys
import vitgraph
import keras, numpy
folder = pathlib.Path(sys.argv[1])
differences = {}
for name in sys.argv[2:]:
    x, y = (numpy.load(folder / f"{stem}.npy") for stem in ("x", name))
    model = keras.saving.load_model(folder / f"{name}.keras")
    model.save(folder / f"{name}_again.keras")
    again = keras.saving.load_model(folder / f"{name}_again.keras")
    differences[name] = [float(abs(y - keras.ops.convert_to_numpy(m(x))).max()) for m in (model, again)]
    assert again.pyramid_level_inputs == model.pyramid_level_inputs
print(json.dumps(differences))
"""
    differences = json.loads(fresh_process(code, tmp_path, *EVERY_LAYER).splitlines()[-1])
    assert differences == {name: [0.0, 0.0] for name in EVERY_LAYER}


def test_those_that_stand_for_all_have_every_layer():
    def kinds(names):
        return {type(layer) for name in names for layer in shared(name).layers}

    assert kinds(EVERY_LAYER) == kinds(TINY)
    assert kinds(set(EVERY_LAYER) & set(OPEN)) == kinds(OPEN)


@end_rows
def test_clone_reads_like_the_original(name):
    model = TINY[name].build(include_top=False)
    clone = keras.models.clone_model(model)
    for attribute in ("pyramid_level_inputs", "embedding_dims", "hidden_dims"):
        assert getattr(clone, attribute) == getattr(model, attribute)
    assert [s.get_config() for s in clone.stages] == [s.get_config() for s in model.stages]
    assert {k: v.shape for k, v in clone.pyramid_outputs.items()} == {
        k: v.shape for k, v in model.pyramid_outputs.items()
    }


@rows
def test_strides(name):
    """Each level's map has a position for every 2 ** level pixels but for a border, also on an open graph."""
    models = [(shared(name), (64, 64))]
    if name in OPEN:
        models.append((shared_open(name), (64, 96)))
    for model, size in models:
        grids = {s.name: model.get_layer(s.grid).output if s.grid else s.output for s in model.stages}
        maps = keras.Model(model.input, grids)(images(1, *size))
        for stage in model.stages:
            for count, side, stride in zip(maps[stage.name].shape[1:3], size, pair(stage.stride), strict=True):
                assert (side - TINY[name].border) // stride <= count <= side // stride, stage.name


@rows
def test_gradients_reach_every_weight(name):
    """One eager step of training changes all of them, but for those that are inert: these it leaves where they are.

    And no weight gets a gradient in slices: Keras' optimizers square those one by one.
    """
    model = with_random_weights(TINY[name].build())
    before = model.get_weights()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(images(), training=True) - 1.0) ** 2)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert not isinstance(gradient, tf.IndexedSlices), variable.path
        if gradient is not None:
            variable.assign_sub(gradient)
    for variable, old in zip(model.weights, before, strict=True):
        step = np.abs(value(variable) - old).max()
        inert, least = re.fullmatch(TINY[name].inert, variable.path), TINY[name].rounding
        assert step < least if inert else least < step < np.inf, variable.path


@builder_rows
def test_rates_act_in_training_only(name):
    """Each of them, at random; and neither a name nor a weight nor an answer depends on them."""
    calm = shared(name)
    weights = calm.get_weights()
    with_all = TINY[name].build(**dict.fromkeys(rates(name), 0.5))
    assert [v.path for v in with_all.weights] == [v.path for v in calm.weights]
    with_all.set_weights(weights)
    assert_same(with_all(images()), calm(images()))
    twice = np.concatenate([images(12)] * 2)
    for rate in rates(name):
        model = TINY[name].build(**{rate: 0.5})
        model.set_weights(weights)
        first, second = np.split(value(model(twice, training=True)), 2)
        assert not np.allclose(first, second), rate


@builder_rows
def test_dtype_reaches_every_layer(name):
    for dtype in ("mixed_bfloat16", "float64"):
        model = TINY[name].build(dtype=dtype)
        others = {layer.name for layer in model.layers if layer.dtype_policy.name != dtype}
        assert others <= {"image", "predictions"}
        assert keras.config.dtype_policy().name == "float32"


def test_dtype_is_restored_after_an_error():
    with pytest.raises(ValueError, match="num_heads"):
        vitgraph.build_vit(dim=10, num_heads=3, dtype="mixed_float16")
    assert keras.config.dtype_policy().name == "float32"


@end_rows
def test_global_policy_and_float32_scores(name):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = TINY[name].build(classifier_activation="softmax")
        backbone = TINY[name].build(include_top=False, dtype="float32")
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("head").compute_dtype == "float16"
    assert model.output.dtype == "float32"
    assert {layer.compute_dtype for layer in backbone.layers} == {"float32"}


@pytest.mark.parametrize("policy", ["int8_from_float32", "float8_from_mixed_bfloat16", None])
def test_a_global_policy_that_is_not_floating_is_refused(policy):
    keras.config.set_dtype_policy(policy or keras.dtype_policies.DTypePolicyMap())
    try:
        with pytest.raises(ValueError, match="build_vit: dtype=None; allowed: given, where Keras' global policy"):
            TINY["vit"].build()
        assert TINY["vit"].build(dtype="float32").get_layer("head").compute_dtype == "float32"
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("floatx", ["float16", "bfloat16", "float64"])
def test_images_of_another_global_float(floatx):
    """`dtype` says what the net computes in, and images are never rounded before it does."""
    keras.config.set_floatx(floatx)
    try:
        model = take_weights(TINY["vit"].build(dtype="float32"), "vit")
        answer = model(images())
    finally:
        keras.config.set_floatx("float32")
    assert model.inputs[0].dtype == ("float64" if floatx == "float64" else "float32")
    assert_close(answer, shared("vit")(images()))


@end_rows
def test_input_tensor(name):
    image = keras.Input((64, 64, 3), name="pixels")
    model = TINY[name].build(input_tensor=keras.layers.Rescaling(2.0, name="scaled")(image))
    assert model.input is image
    model.set_weights(shared(name).get_weights())
    assert_same(model(images()), shared(name)(2 * images()))


@rows
def test_another_size_than_built_for_is_refused(name):
    with pytest.raises(ValueError, match="64, 64, 3"):
        shared(name)(images(1, 96))


@end_rows
def test_recomputed_activations_give_the_same_gradients(name, monkeypatch):
    """RematScope, in the mode that names layers, for all of them: each is called again on the way back."""
    plain = take_weights(TINY[name].build(), name)  # training moves the statistics of batch norms
    with keras.RematScope(mode="list_of_layers", layer_names=[layer.name for layer in plain.layers[1:]]):
        recomputing = take_weights(TINY[name].build(), name)
    calls, forward = [], vitgraph.blocks.Residual.call
    monkeypatch.setattr(vitgraph.blocks.Residual, "call", lambda *args, **kw: calls.append(1) or forward(*args, **kw))
    counts, gradients = [], []
    for model in (plain, recomputing):
        calls.clear()
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(images(), training=True) ** 2)
        gradients.append(tape.gradient(loss, [v.value for v in model.trainable_variables]))
        counts.append(len(calls))
    assert counts[1] == 2 * counts[0]
    for variable, one, other in zip(plain.trainable_variables, *gradients, strict=True):
        if re.fullmatch(TINY[name].inert, variable.path):
            assert np.abs(one - other).max() < 10 * TINY[name].rounding
        else:
            assert_close(one, other)


@builder_rows
def test_channels_last_whatever_the_setting(name):
    """Keras' global image format changes neither a net that is built under it nor what it answers there."""
    keras.config.set_image_data_format("channels_first")
    try:
        model = take_weights(TINY[name].build(), name)
        answer = value(model(images()))
    finally:
        keras.config.set_image_data_format("channels_last")
    assert_same(answer, shared(name)(images()))
