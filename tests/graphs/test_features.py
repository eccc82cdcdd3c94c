"""pyramid(), attention() and simple_feature_pyramid(): on models with and without a top, built and read back."""

import functools
import inspect
import itertools
import pathlib
import tempfile

import keras
import numpy as np
import pytest

import vitgraph
from tests.variants import (
    ENDS,
    EVERY_LAYER,
    OPEN,
    TINY,
    assert_close,
    assert_same,
    images,
    shared,
    shared_open,
    value,
    with_random_weights,
)
from vitgraph import export
from vitgraph.blocks import AttentionMap
from vitgraph.blocks.attention.core import AttentionCore

NAMES = list(TINY)
FORMS = ("closed", "without top", "open reloaded")
CASES = [(name, "closed") for name in NAMES]
CASES += [(name, "without top") for name in ENDS]
CASES += [(name, "open reloaded") for name in EVERY_LAYER if name in OPEN]
"""Every net; those that differ in their ends without one; and those that have every layer open and read back."""


@functools.cache
def model_of(name, form, **overrides):
    """A net that tests may only read."""
    if not overrides and form in ("closed", "open"):
        return shared(name) if form == "closed" else shared_open(name)
    build = TINY[name].build_open if "open" in form else TINY[name].build
    model = with_random_weights(build(include_top="without top" not in form, **overrides))
    if "reloaded" not in form:
        return model
    with tempfile.TemporaryDirectory() as folder:
        return reloaded(model, pathlib.Path(folder))


def reloaded(model, tmp_path):
    model.save(tmp_path / "model.keras")
    return keras.saving.load_model(tmp_path / "model.keras")


def input_of(form):
    """What the form takes; an open one, also an image that is not square."""
    return images(2, 64, 96 if "open" in form else 64)


def outputs_of(model, layers, x):
    tensors = keras.Model(model.input, {layer.name: layer.output for layer in layers})(x)
    return {name: value(tensor) for name, tensor in tensors.items()}


def assert_probabilities(name, weights):
    """None negative, and each row summing to 1, unless the net says why they needn't."""
    if not TINY[name].mixed:
        assert weights.min() >= 0
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)


def assert_shapes_as_announced(model, outputs):
    """The graph's own shapes, where it knows them, are those of the tensors."""
    for name, tensor in model.output.items():
        for announced, actual in zip(tensor.shape, outputs[name].shape, strict=True):
            assert announced in (None, actual), (name, tensor.shape, outputs[name].shape)


@pytest.mark.parametrize(("name", "form"), CASES)
def test_what_is_extracted_is_what_the_net_computes(name, form):
    """A pyramid ends in the stages' outputs, and attention reproduces what every core gives: of one pass of the net."""
    model, x = model_of(name, form), input_of(form)
    cores = [layer for layer in model.layers if isinstance(layer, AttentionCore)]
    tensors = {
        "stages": {stage.name: model.get_layer(stage.name).output for stage in model.stages},
        "cores": {core.name: core.output for core in cores},
        "inputs": {core.name: keras.tree.flatten(core.input) for core in cores},
    }
    computed = keras.Model(model.input, tensors)(x)
    assert_pyramid(name, model, x, computed["stages"])
    assert_attention(name, model, x, cores, computed)


def assert_pyramid(name, model, x, streams):
    probe = vitgraph.pyramid(model)
    maps = probe(x)
    assert list(maps) == list(dict.fromkeys(stage.level for stage in model.stages))
    assert_shapes_as_announced(probe, maps)
    for stage in {stage.level: stage for stage in model.stages}.values():
        stream, actual = value(streams[stage.name]), value(maps[stage.level])
        for count, side in zip(actual.shape[1:3], x.shape[1:3], strict=True):
            assert (side - TINY[name].border) // stage.stride <= count <= side // stage.stride
        assert_same(actual.reshape(2, -1, actual.shape[-1]), stream.reshape(2, -1, stream.shape[-1])[:, stage.prefix :])
    assert {id(weight) for weight in probe.weights} <= {id(weight) for weight in model.weights}


def assert_attention(name, model, x, cores, computed):
    probe = vitgraph.attention(model)
    maps = {key: value(tensor) for key, tensor in probe(x).items()}
    assert list(maps) == [core.name for core in cores]
    assert_shapes_as_announced(probe, maps)
    for core in cores:
        weights = maps[core.name]
        assert weights.dtype == "float32"
        assert_probabilities(name, weights)

        values = value(core.heads(*computed["inputs"][core.name])[2])
        expected = np.einsum("bhnm,bmhd->bnhd", weights, values)
        assert_close(value(computed["cores"][core.name]).reshape(expected.shape), expected)


@pytest.mark.parametrize("form", FORMS)
def test_pyramid_of_a_plain_nets_blocks(form):
    model, x = model_of("vit_modern", form), input_of(form)
    maps, streams = vitgraph.pyramid(model, blocks=(-1, 0))(x), outputs_of(model, model.stages, x)
    assert list(maps) == ["block_1", "block_0"]
    for name, stream in streams.items():  # after a class token and two registers
        assert_same(maps[name], stream[:, 3:].reshape(2, 4, x.shape[2] // 16, 16))
    assert_same(vitgraph.pyramid(model)(x)["P4"], maps["block_1"])


def test_pyramid_of_some_levels():
    model, x = with_random_weights(TINY["pvt_v2"].build()), images()
    every, some = vitgraph.pyramid(model), vitgraph.pyramid(model, ("P4", "P2"))
    assert list(some.output) == ["P4", "P2"]
    for level, tensor in some(x).items():
        assert_same(tensor, every(x)[level])
    first = vitgraph.pyramid(model, ["P2"])
    assert first.layers[-1].name == "stage_1"
    assert first.pyramid_level_inputs == {"P2": "stage_1"}


@pytest.mark.parametrize(
    ("patch_size", "shape", "level"), [(14, (28, 42, 3), "stride_14"), ((16, 8), (32, 24, 3), "stride_16x8")]
)
def test_strides_that_are_no_powers_of_two_are_called_after_themselves(patch_size, shape, level, tmp_path):
    model = vitgraph.build_vit(shape, patch_size=patch_size, dim=8, depth=1, num_heads=2)
    for net in (model, reloaded(model, tmp_path)):
        assert {key: tensor.shape for key, tensor in vitgraph.pyramid(net).output.items()} == {level: (None, 2, 3, 8)}


@pytest.mark.parametrize(
    ("name", "extract"),
    [*itertools.product(ENDS, [vitgraph.pyramid]), *itertools.product(EVERY_LAYER, [vitgraph.attention])],
)
def test_what_is_extracted_is_a_model_like_any_other(name, extract, tmp_path):
    """It is saved and read back, and a pyramid has its pyramid in turn.

    A pyramid adds nothing to layers, which are read back elsewhere, but an end; attention, one to each kind of core.
    """
    form = "open" if name in OPEN else "closed"
    rates = {"attn_drop_rate": 0.1} if "attn_drop_rate" in inspect.signature(TINY[name].builder).parameters else {}
    model, x = model_of(name, form, **rates), input_of(form)
    probe = extract(model)
    again = reloaded(probe, tmp_path)
    expected, others = probe(x), [again(x)]
    if extract is vitgraph.pyramid:
        others += [vitgraph.pyramid(probe)(x), vitgraph.pyramid(again)(x)]
    for other in others:
        assert list(other) == list(expected)
        for key, tensor in expected.items():
            assert_same(other[key], tensor)


@pytest.mark.parametrize("form", ["closed", "open reloaded"])
def test_attention_does_not_cross_the_seam_of_a_shifted_map(form):
    """What the shift brought together from opposite borders has no weight; all else in a window has."""
    model, x = model_of("swin", form), input_of(form)
    maps = vitgraph.attention(model)(x)
    rows, columns, window = 64 // 4, x.shape[2] // 4, 4
    for block, shift in (("stage_1_block_0", 0), ("stage_1_block_1", 2)):
        position = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1)
        position = np.roll(position, (-shift, -shift), axis=(0, 1))
        position = position.reshape(rows // window, window, columns // window, window, 2).swapaxes(1, 2)
        position = position.reshape(-1, window**2, 2)  # of each token of each window, on the map before the shift
        distance = np.abs(position[:, :, None] - position[:, None]).max(-1)
        across = np.tile(distance >= window, (2, 1, 1))
        weights = value(maps[f"{block}_attn"])
        assert weights.shape == (len(across), 2, window**2, window**2)
        assert across.any() == bool(shift)
        assert (weights.swapaxes(0, 1)[:, across] < 1e-30).all()
        assert (weights.swapaxes(0, 1)[:, ~across] > 1e-12).all()


def test_shapes_of_attention():
    shapes = {name: tensor.shape for name, tensor in vitgraph.attention(TINY["pvt_v2"].build()).output.items()}
    assert shapes == {  # 16 x 16, 8 x 8 and 4 x 4 queries; keys from maps reduced 4, 2 and 1 times
        "stage_1_block_0_attn": (None, 1, 256, 16),
        "stage_2_block_0_attn": (None, 2, 64, 16),
        "stage_3_block_0_attn": (None, 3, 16, 16),
    }
    swin = vitgraph.attention(TINY["swin"].build()).output  # the batch axis holds the windows too
    assert swin["stage_2_block_1_attn"].shape == (None, 4, 16, 16)
    vit = vitgraph.attention(TINY["vit"].build()).output
    assert vit["block_1_attn"].shape == (None, 2, 17, 17)


ROUNDED = {"convit": "what positions alone decide has the policy's precision, like every tensor between layers"}
"""Nets whose probabilities sum to 1 up to the policy's rounding only, and why."""


@pytest.mark.parametrize("name", EVERY_LAYER)
def test_attention_is_float32_under_any_policy(name):
    """Each layer's by itself: those that have every layer between them stand for all."""
    model = TINY[name].build(dtype="mixed_bfloat16")
    for weights in vitgraph.attention(model)(images()).values():
        assert keras.backend.standardize_dtype(weights.dtype) == "float32"
        if name in ROUNDED:
            np.testing.assert_allclose(value(weights).sum(-1), 1, atol=2.0**-8)
        else:
            assert_probabilities(name, value(weights))


def test_attention_leaves_the_model_as_it_was():
    model = TINY["vit"].build()
    config, outputs = model.get_config(), model(images())
    vitgraph.attention(model)
    vitgraph.pyramid(model)
    assert model.get_config() == config
    assert not any(isinstance(layer, AttentionMap) for layer in model.layers)
    assert_same(model(images()), outputs)


@pytest.mark.parametrize("form", ["closed", "without top", "open reloaded"])
@pytest.mark.parametrize("patch_size", [4, 8, 16, 32])
def test_simple_feature_pyramid_has_every_stride(patch_size, form, tmp_path):
    model, x = model_of("vit", form, patch_size=patch_size), input_of(form)
    net = vitgraph.simple_feature_pyramid(model, dim=12)
    outputs = net(x)
    assert list(outputs) == ["P2", "P3", "P4", "P5"]
    assert_shapes_as_announced(net, outputs)
    for level, tensor in outputs.items():
        stride = 2 ** int(level[1])
        assert tensor.shape == (2, 64 // stride, x.shape[2] // stride, 12)
    assert net.pyramid_level_inputs == {"P2": "p2", "P3": "p3", "P4": "p4", "P5": "p5"}
    assert net.get_layer("patch_embed") is model.get_layer("patch_embed")

    again = reloaded(net, tmp_path)
    for tensors in (again(x), vitgraph.pyramid(again)(x)):
        for level, tensor in outputs.items():
            assert_same(tensors[level], tensor)


def test_simple_feature_pyramid_on_the_last_map():
    """Levels of a net with patches of 16 pixels, recomputed from its map by their own layers."""
    model, x = with_random_weights(TINY["vit"].build()), images()
    net = with_random_weights(vitgraph.simple_feature_pyramid(model, dim=12))
    last, outputs = vitgraph.pyramid(model)(x)["P4"], net(x)
    starts = {
        "p2": ["up_8", "up_8_norm", "up_8_act", "up_4"],
        "p3": ["up_8"],
        "p4": [],
        "p5": ["down"],
    }
    for level, names in starts.items():
        y = last
        for name in (*names, "conv1", "norm1", "conv3", "norm3"):
            y = net.get_layer(f"{level}_{name}")(y)
        assert_same(outputs[level.upper()], y)
    assert_same(net.get_layer("p5_down")(last), value(last).reshape(2, 2, 2, 2, 2, 16).max((2, 4)))
    assert net.get_layer("p2_up_4").output.shape == (None, 16, 16, 4)  # each deconvolution halves the width


@pytest.mark.parametrize("extract", [lambda model: model, vitgraph.pyramid, vitgraph.attention])
def test_channels_first(extract, tmp_path):
    """Maps are turned at both ends; scores and attention are what they were."""
    model = extract(with_random_weights(TINY["pvt_v2"].build_open()))
    turned = vitgraph.channels_first(model)
    assert turned.input_shape == (None, 3, None, None)
    x = images(2, 64, 96)
    expected, actual = model(x), turned(x.transpose(0, 3, 1, 2))
    if extract is vitgraph.pyramid:
        expected = {level: value(tensor).transpose(0, 3, 1, 2) for level, tensor in expected.items()}
    keras.tree.map_structure(assert_same, actual, expected)
    again = reloaded(turned, tmp_path)(x.transpose(0, 3, 1, 2))
    keras.tree.map_structure(assert_same, again, expected)


def test_channels_first_of_a_backbone_is_exported(tmp_path):
    turned = vitgraph.channels_first(with_random_weights(TINY["pvt_v2"].build(include_top=False)))
    x = images().transpose(0, 3, 1, 2)
    assert turned(x).shape == (2, 24, 4, 4)
    for to, name in ((export.to_litert, "net.tflite"), (export.to_saved_model, "net")):
        to(turned, tmp_path / name)
        (answer,) = export.load(tmp_path / name)(x).values()
        assert_close(answer, turned(x))


def test_predictions_beside_attention():
    model, x = TINY["vit"].build(), images(2)
    both = vitgraph.attention(model, predictions=True)(x)
    assert_same(value(both["predictions"]), value(model(x)))
    alone = vitgraph.attention(model)(x)
    for name, probabilities in both["attention"].items():
        assert_same(value(probabilities), value(alone[name]))


def test_rollout_is_the_product_over_blocks():
    model, x = TINY["deit"].build(), images(2)
    expected = np.eye(18)
    for probabilities in vitgraph.attention(model)(x).values():
        mean = value(probabilities).mean(axis=1) + np.eye(18)
        expected = (mean / mean.sum(axis=-1, keepdims=True)) @ expected
    rolled = vitgraph.attention_rollout(model)
    assert rolled.output.shape == (None, 18, 18)
    np.testing.assert_allclose(value(rolled(x)), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["swin", "pvt_v2", "cait", "ats_vit", "pit"])
def test_no_rollout_where_tokens_are_not_the_same(name):
    with pytest.raises(ValueError, match="attention_rollout: model=.* allowed: a plain net"):
        vitgraph.attention_rollout(TINY[name].build())


def test_rollout_of_open_nets():
    """An open net is taken or refused as the closed one is, and answers as it does."""
    for name in OPEN:
        try:
            closed = vitgraph.attention_rollout(shared(name))
        except ValueError:
            with pytest.raises(ValueError, match="attention_rollout: model=.* allowed: a (plain net|graph with)"):
                vitgraph.attention_rollout(shared_open(name))
        else:
            rolled = vitgraph.attention_rollout(shared_open(name))
            assert_close(rolled(images()), closed(images()))
            tokens = rolled(images(1, 64, 96)).shape[1]
            assert tokens > closed.output_shape[1]


FOREIGN = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)], name="foreign")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vitgraph.pyramid(FOREIGN), "pyramid: model=.*foreign.*; allowed: a graph of this package"),
        (lambda: vitgraph.attention(FOREIGN), "attention: model=.*foreign.*; allowed: a graph of this package"),
        (lambda: vitgraph.simple_feature_pyramid(FOREIGN), "model=.*foreign.*; allowed: a graph of this package"),
        (lambda: vitgraph.load_weights(FOREIGN, {}), "model=.*foreign.*; allowed: a graph of this package"),
        (lambda: vitgraph.pyramid(shared("swin"), ["P9"]), r"pyramid: levels=\['P9'\]; allowed: None, or .*: P2, P3"),
        (lambda: vitgraph.pyramid(shared("swin"), []), r"pyramid: levels=\[\]; allowed: None, or one or more"),
        (lambda: vitgraph.pyramid(shared("swin"), ["P2", "P2"]), "allowed: None, or one or more of these, each once"),
        (lambda: vitgraph.pyramid(shared("swin"), ["P2"], blocks=[0]), "levels=.*; allowed: None with `blocks`"),
        (lambda: vitgraph.pyramid(shared("vit"), blocks=[2]), r"pyramid: blocks=\[2\]; allowed: one or more of 2, "),
        (lambda: vitgraph.pyramid(shared("vit"), blocks=[-3]), r"pyramid: blocks=\[-3\]; allowed: .*: -2 to 1"),
        (lambda: vitgraph.pyramid(shared("vit"), blocks=[0, -2]), r"pyramid: blocks=\[0, -2\]; allowed: .*, each once"),
        (
            lambda: vitgraph.simple_feature_pyramid(vitgraph.build_vit((28, 28, 3), patch_size=14, dim=12, depth=1)),
            "simple_feature_pyramid: model=.*; allowed: .* stride 4, 8, 16 or 32, not 14",
        ),
    ],
)
def test_a_model_without_what_is_asked_for_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
