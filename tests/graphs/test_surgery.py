"""Surgery: other heads, a first part, frozen stages, other sizes and channels, on nets just built and read back."""

import keras
import numpy as np
import pytest

import vitgraph
from tests.variants import TINY, assert_close, assert_same, images, shared, value, with_random_weights
from vitgraph.checkpoints.tables import grids_of


def reloaded(model, tmp_path):
    model.save(tmp_path / "model.keras")
    return keras.saving.load_model(tmp_path / "model.keras")


@pytest.mark.parametrize("name", ["swin", "deit", "levit", "crossvit"])
def test_a_new_head_on_the_same_net(name, tmp_path):
    net = shared(name) if name != "swin" else reloaded(shared(name), tmp_path)
    before = [value(variable) for variable in net.weights]
    model = vitgraph.replace_head(net, 7)
    assert model.output_shape == (None, 7)
    assert [layer.name for layer in model.layers] == [layer.name for layer in net.layers]
    for old, new in zip(net.weights, model.weights, strict=True):
        assert old.path == new.path
        if tuple(old.shape) == tuple(new.shape) and not old.path.startswith("head"):
            assert_same(new, old)
    assert list(vitgraph.pyramid(model).output) == list(vitgraph.pyramid(net).output)
    if name in ("crossvit", "levit"):  # several heads, of which none is forgotten
        same = vitgraph.replace_head(net, 5)
        same.set_weights(net.get_weights())
        assert_same(same(images()), net(images()))
    for variable, array in zip(net.weights, before, strict=True):
        assert_same(variable, array)


@pytest.mark.parametrize(
    ("name", "at", "shape"),
    [
        ("swin", "stage_1", (16, 16, 8)), ("swin", "P3", (8, 8, 16)), ("vit", "block_0", (4, 4, 16)),
        ("vit", "P4", (4, 4, 16)), ("cvt", "stage_2", (8, 8, 16)), ("pit", "stage_2", (4, 4, 16)),
    ],
)  # fmt: skip
def test_a_first_part(name, at, shape):
    net = shared(name)
    part = vitgraph.truncate(net, at=at)
    assert part.output_shape == (None, *shape)
    levels = vitgraph.pyramid(net, blocks=range(len(net.stages))) if "P" not in at else vitgraph.pyramid(net)
    assert_same(part(images()), levels(images())[at])
    if at in ("stage_1", "block_0"):
        assert len(part.layers) < len(net.layers) - 5


@pytest.mark.parametrize(("name", "until"), [("levit", "P3"), ("vit", "block_0")])
def test_frozen_stages_stay_as_they_are(name, until, tmp_path):
    """Weights and statistics of batch norms, also in a file, and within another model that is trained."""
    net = with_random_weights(TINY[name].build())
    assert vitgraph.freeze(net, until=until) is net
    net = reloaded(net, tmp_path)
    image = keras.Input((64, 64, 3))
    model = keras.Model(image, net(image))
    before = {variable.path: value(variable) for variable in net.weights}
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(images(4), np.ones((4, 5)), epochs=1, verbose=0)
    frozen = {weight.path for layer in net.layers if not layer.trainable for weight in layer.weights}
    changed = {v.path for v in net.weights if not np.array_equal(before[v.path], value(v))}
    assert not frozen & changed
    assert changed
    assert (name == "vit") == (not any("moving" in path for path in frozen))
    last = net.get_layer(until if until != "P3" else "stage_1").output
    ahead = {layer.name for layer in keras.Model(net.input, last).layers[1:]}  # without the input
    assert {layer.name for layer in net.layers if not layer.trainable} == ahead


@pytest.mark.parametrize("name", ["beit", "levit", "nest", "crossvit", "t2t_vit"])
def test_another_size(name):
    """As a net that is built for that size, with the weights loaded into it."""
    net, shape = shared(name), (128, 64, 3)
    model = vitgraph.change_input_shape(net, shape)
    expected = TINY[name].build(shape)
    weights = {v.path: value(v) for v in net.weights}
    vitgraph.load_weights(expected, weights, source="vitgraph", grid=grids_of(net) or None)
    assert_same(model(images(1, 128, 64)), expected(images(1, 128, 64)))
    assert model.input_shape == (None, *shape)


@pytest.mark.parametrize(("old", "new", "clip"), [(64, 128, True), (128, 64, True), (128, 64, False)])
def test_windows_shift_where_they_are_smaller_than_the_map(old, new, clip):
    options = {"window_sizes": 8, "clip_windows": clip}
    net = with_random_weights(TINY["swin"].build((old, old, 3), **options))
    expected = TINY["swin"].build((new, new, 3), **options)
    vitgraph.load_weights(expected, {v.path: value(v) for v in net.weights})
    model = vitgraph.change_input_shape(net, (new, new, 3))
    assert_same(model(images(1, new)), expected(images(1, new)))


def test_any_size_and_back():
    net = shared("beit")
    free = vitgraph.change_input_shape(net, (None, None, 3))
    assert_same(free(images()), net(images()))
    assert free(images(1, 96, 64)).shape == (1, 5)
    assert_same(vitgraph.change_input_shape(free, (64, 64, 3))(images()), net(images()))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("vit", (64, 64, 1), "images of 3 channels, as before"),
        ("vit", (70, 64, 3), r"sides that the patches' \(16, 16\) divide"),
        ("levit", (None, None, 3), "a known size"),
        ("nest", (72, 64, 3), "parts of whole patches"),
        ("mobilevit", (96, 64, 3), "sizes whose maps the patches of 'stage_4"),
    ],
)
def test_sizes_that_are_refused(name, shape, message):
    with pytest.raises(ValueError, match=f"change_input_shape: shape=.*allowed: {message}"):
        vitgraph.change_input_shape(shared(name), shape)


@pytest.mark.parametrize("name", ["deit", "swin", "crossvit", "t2t_vit"])
def test_other_channels(name):
    """Of one channel it answers as to grey images, unless a norm of pixels comes first."""
    net, grey = shared(name), images(channels=1)
    model = vitgraph.change_channels(net, 1)
    assert model.input_shape == (None, 64, 64, 1)
    if name != "t2t_vit":
        assert_close(model(grey), net(np.repeat(grey, 3, axis=-1)))
    assert np.isfinite(value(model(grey))).all()
    assert vitgraph.change_channels(net, 4)(images(channels=4)).shape == (2, 5)
    assert_same(vitgraph.change_channels(net, 3)(images()), net(images()))


def test_more_channels_are_repeated_and_scaled():
    kernel = value(shared("swin").get_layer("patch_embed").kernel)
    new = value(vitgraph.change_channels(shared("swin"), 5).get_layer("patch_embed").kernel)
    assert_close(new, kernel[:, :, [0, 1, 2, 0, 1]] * 3 / 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: vitgraph.truncate(net, "stage_9"), "at='stage_9'; allowed: one of P4, block_0, block_1"),
        (lambda net: vitgraph.freeze(net, "P2"), "until='P2'; allowed: one of P4, block_0, block_1"),
        (lambda net: vitgraph.replace_head(vitgraph.pyramid(net), 3), "ends in class scores"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(shared("vit"))
