"""with_levels(): any net with the pyramid levels that are asked for."""

import math

import keras
import numpy as np
import pytest

import vitgraph
from tests.consumers import answers, backbone_for, cv_deeplab, hub_classifier, hub_segformer
from tests.variants import TINY, assert_same, images, shared, value
from vitgraph.blocks.graph import MissingLevel
from vitgraph.interop import as_mit

LEVELS = ("P2", "P3", "P4", "P5", "P6")


@pytest.mark.parametrize("name", TINY)
def test_any_net_has_the_levels_that_are_asked_for(name):
    net = shared(name)
    model = vitgraph.with_levels(net, LEVELS)
    assert {level: x.shape[1:3] for level, x in model.output.items()} == {
        level: (64 // 2**n, 64 // 2**n) for n, level in enumerate(LEVELS, start=2)
    }
    assert list(model.pyramid_level_inputs) == list(model.pyramid_outputs) == list(LEVELS)
    own = {stage.level: stage.name for stage in net.stages if stage.grid is None}  # the last of each level
    assert {name for level, name in own.items() if level in LEVELS} <= set(model.pyramid_level_inputs.values())


@pytest.mark.parametrize(
    ("net", "size"),
    [
        (lambda shape: vitgraph.build_vit(shape, dim=16, depth=1, num_heads=2, patch_size=14, img_size=70), (70, 98)),
        (lambda shape: TINY["vit"].builder(shape, img_size=64, **TINY["vit"].arguments), (100, 140)),
        (lambda shape: vitgraph.build_pvt(shape, img_size=64, **TINY["pvt"].arguments), (100, 140)),
        (lambda shape: vitgraph.build_pit(shape, img_size=64, **{**TINY["pit"].arguments, "stride": 7}), (112, 96)),
    ],
    ids=["patches of 14", "no whole patches", "maps rounded down", "stride 7"],
)
def test_every_size_is_the_images_rounded_up(net, size):
    """Also where the graph doesn't know it."""
    x = images(1, *size)
    for shape in ((*size, 3), (None, None, 3)):
        for level, y in vitgraph.with_levels(net(shape), LEVELS, width=8)(x).items():
            assert y.shape == (1, *(math.ceil(n / 2 ** int(level[1:])) for n in size), 8)
            assert np.isfinite(value(y)).all()


def test_a_published_net_of_two_patch_sizes():
    net = vitgraph.create("crossvit_tiny_240", include_top=False)
    assert set(net.pyramid_level_inputs) == set()
    model = vitgraph.with_levels(net, ("P3", "P4", "P5"))
    assert [x.shape[1:3] for x in model.output.values()] == [(30, 30), (15, 15), (8, 8)]


def test_own_levels_are_the_nets_maps():
    net = shared("swin")
    x, model = images(), vitgraph.with_levels(net, ("P3", "P2", "P4"))
    assert list(model.output) == ["P3", "P2", "P4"]
    for level, y in vitgraph.pyramid(net)(x).items():
        assert_same(model(x)[level], y)
    assert model.output["P4"].shape[-1] == net.get_layer("stage_2").output.shape[-1]


def test_again_on_its_own_result():
    once = vitgraph.with_levels(shared("vit"), ("P3", "P4"), width=8)
    twice = vitgraph.with_levels(once, ("P4", "P5"), width=4)
    assert list(twice.pyramid_level_inputs.values()) == ["level2_p4", "level2_p5"]
    assert list(vitgraph.with_levels(once, ("P3", "P5")).pyramid_level_inputs.values()) == ["level_p3", "level2_p5"]


@pytest.mark.parametrize("name", ["swin", "vit", "levit"])
def test_read_back_it_is_the_same_backbone(name, tmp_path):
    model = vitgraph.with_levels(shared(name), LEVELS[1:], width=8)
    model.save(tmp_path / "levels.keras")
    again = keras.saving.load_model(tmp_path / "levels.keras")
    assert again.pyramid_level_inputs == model.pyramid_level_inputs
    for level, y in again(images()).items():
        assert_same(y, model(images())[level])


def test_a_level_that_is_not_there_says_what_to_do():
    names = TINY["vit"].build(include_top=False).pyramid_level_inputs
    with pytest.raises(MissingLevel, match=r"no map 'P5', only tokens: vitgraph.with_levels\(model, "):
        names["P5"]


@pytest.mark.parametrize(
    ("levels", "width", "message"),
    [
        ((), None, "levels=.*allowed: one or more levels, each once"),
        (("P3", "P3"), None, "levels=.*allowed: one or more levels, each once"),
        (("P3", "P10"), None, 'levels=.*a level, "P1" to "P9"'),
        (("P3",), 0, "width=0"),
    ],
)
def test_what_is_refused(levels, width, message):
    with pytest.raises(ValueError, match=message):
        vitgraph.with_levels(shared("vit"), levels, width)


@pytest.mark.parametrize("name", ["vit", "levit"])
def test_trains_under_segmenters(name):
    """All nets under all consumers are in docs/consumers.md; the ones here are quick."""
    net, x = TINY[name].build(include_top=False), np.random.default_rng(0).random((2, 64, 64, 3)).astype("float32")
    for consumer in (cv_deeplab, hub_segformer):
        model = consumer(backbone_for(consumer, net))
        losses = model.fit(x, np.zeros((2, 64, 64), "int32"), epochs=2, verbose=0, shuffle=False).history["loss"]
        assert np.isfinite(losses).all()
        assert losses[1] != losses[0]


def test_segformer_takes_levels_of_equal_widths():
    levels = vitgraph.with_levels(shared("vit"), LEVELS[:4], width=8)
    mit = as_mit(levels)
    assert mit.hidden_dims == [8, 8, 8, 8]
    assert len({f"linear_{dim}" for dim in mit.hidden_dims}) == 4
    assert mit.pyramid_level_inputs == {f"P{i}": f"level_p{i + 1}" for i in range(1, 5)}


@pytest.mark.parametrize("consumer", [hub_segformer, hub_classifier])
def test_presets_of_keras_hub(consumer, tmp_path):
    task = consumer(backbone_for(consumer, TINY["vit"].build(include_top=False)))
    task.save_to_preset(str(tmp_path / "preset"))
    again = type(task).from_preset(str(tmp_path / "preset"))
    assert_same(answers(again, images(1))[0], answers(task, images(1))[0])
