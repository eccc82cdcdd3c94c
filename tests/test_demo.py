"""The main job, shortened: one pass over the images."""

import keras
import numpy as np
import pytest

import vitgraph
from vitgraph import demo, plots
from vitgraph.cli.main import main


@pytest.mark.heavy
def test_whole_run_of_one_epoch(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path), "--epochs", "1", "--accuracy", "0"]) == 0
    shown = capsys.readouterr().out
    assert "stride  4   104 x 160 x 32" in shown
    assert shown.count("360 of 360 classified as by the model") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "attention.png",
        "digits",
        "digits.tflite",
        "pyramid.png",
    ]
    assert (tmp_path / "pyramid.png").read_bytes().startswith(b"\x89PNG")


def test_too_little_accuracy_is_said(tmp_path, capsys, monkeypatch):
    train, held_out = demo.digits()
    monkeypatch.setattr(demo, "digits", lambda: ([part[: demo.BATCH] for part in train], held_out))
    monkeypatch.setattr(demo, "look", lambda out, weights: (out / "pyramid.png").write_bytes(b"drawn before"))
    assert main(["demo", "--out", str(tmp_path), "--epochs", "1", "--accuracy", "1"]) == 1
    (message,) = capsys.readouterr().err.splitlines()
    assert message.startswith("vitgraph demo: ")
    assert "asked for: 100.0%" in message
    assert [path.name for path in tmp_path.iterdir()] == ["pyramid.png"]


def test_digits_are_whole_and_apart():
    (images, classes), (held_out, held_out_classes) = demo.digits()
    assert images.shape == (1437, 48, 48, 1)
    assert held_out.shape == (360, 48, 48, 1)
    assert images.min() == -1
    assert images.max() == 1
    assert set(classes) == set(held_out_classes) == set(range(10))


IMAGE = np.random.default_rng(0).integers(0, 256, (32, 48, 3), "uint8")


def test_principal_colours_of_few_and_many_channels(tmp_path):
    maps = {f"P{i}": np.random.default_rng(i).standard_normal((1, 8, 12, i)) for i in (1, 2, 3, 7)}
    plots.plot_pyramid(IMAGE, maps, tmp_path / "maps.png")
    from matplotlib.image import imread

    height, width, _ = imread(tmp_path / "maps.png").shape
    assert width > 4 * height


def test_attention_takes_tensors(tmp_path):
    probabilities = keras.ops.softmax(keras.random.normal((1, 2, 7, 7)))
    plots.plot_probabilities(IMAGE, probabilities, tmp_path / "attention.png", grid=(2, 3))
    assert (tmp_path / "attention.png").stat().st_size > 1000


def test_wrong_shapes_are_refused(tmp_path):
    path = tmp_path / "picture.png"
    with pytest.raises(ValueError, match=r"plot_pyramid: image=<array \(32, 48\) uint8>; allowed: \(H, W, 3\)"):
        plots.plot_pyramid(IMAGE[..., 0], {}, path)
    with pytest.raises(ValueError, match=r"plot_pyramid: maps=.* not 'P2' of shape \(2, 8, 12, 4\)"):
        plots.plot_pyramid(IMAGE, {"P2": np.zeros((2, 8, 12, 4))}, path)
    with pytest.raises(ValueError, match=r"grid=\(3, 3\); allowed: at most 7 patches"):
        plots.plot_probabilities(IMAGE, np.ones((2, 7, 7)), path, grid=(3, 3))
    assert not path.exists()


@pytest.mark.parametrize("layer", [0, -1, "rollout"])
def test_attention_of_a_model_in_one_call(layer, tmp_path):
    model = vitgraph.build_vit((32, 48, 3), patch_size=8, dim=8, depth=2, num_heads=2, num_classes=3)
    plots.plot_attention(model, IMAGE, tmp_path / "attention.png", layer=layer)
    assert (tmp_path / "attention.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="layer=2; allowed: 'rollout', or one of 2"):
        plots.plot_attention(model, IMAGE, tmp_path / "attention.png", layer=2)
