"""What does a checkpoint want of an image, and how often is a model right?"""

import json

import keras
import numpy as np
import pytest
from PIL import Image

import vitgraph
from vitgraph.checkpoints import to_source
from vitgraph.cli.main import main

NUMBERS = {"patch_size": 8, "dim": 8, "depth": 1, "num_heads": 1}


@pytest.fixture(scope="module")
def by_brightness():
    """A net that takes what is bright for its last class, and what is dark for its first."""
    net = vitgraph.build_vit((16, 16, 3), num_classes=3, classifier_activation=None, global_pool="avg", **NUMBERS)
    image = keras.Input((16, 16, 3))
    mean = keras.ops.mean(image, axis=(1, 2, 3), keepdims=False)
    scores = -keras.ops.abs(mean[:, None] - np.array([[-1.0, 0.0, 1.0]]))
    model = type(net)(image, scores)
    half = {"size": (16, 16), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    model.about = {"classes": ["dark", "grey", "bright"], "preprocessing": half}
    return model


@pytest.fixture
def folder(tmp_path):
    """Two images of each class, and a dark one that is called bright."""
    for name, levels in {"bright": (250, 240, 5), "dark": (0, 10), "grey": (127, 130)}.items():
        (tmp_path / "images" / name).mkdir(parents=True)
        for level in levels:
            Image.new("RGB", (20, 16), (level,) * 3).save(tmp_path / "images" / name / f"{level}.png")
    return tmp_path / "images"


def test_evaluate(by_brightness, folder, tmp_path):
    """Folders are matched with the model's classes by name, whatever their order."""
    found = vitgraph.evaluate(by_brightness, folder, silent=True, batch_size=3)
    assert (found.count, found.top1, found.top5) == (7, 6 / 7, 1.0)
    assert found.class_names == ("bright", "dark", "grey")
    assert found.confusion.tolist() == [[2, 1, 0], [0, 2, 0], [0, 0, 2]]
    assert found.per_class[1] == {"name": "dark", "count": 2, "recall": 1.0, "precision": 2 / 3}
    vitgraph.plots.plot_confusion(found.confusion, tmp_path / "confusion.png", class_names=found.class_names)
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_fewer_classes_than_the_model_has(by_brightness, folder):
    """What is taken for another class is in a column of its own."""
    for path in (folder / "grey").iterdir():
        path.rename(folder / "bright" / path.name)
    (folder / "grey").rmdir()
    found = vitgraph.evaluate(by_brightness, folder, silent=True)
    assert found.confusion.tolist() == [[2, 1, 2], [0, 2, 0]]


def test_folders_that_are_no_classes(by_brightness, folder):
    (folder / "grey").rename(folder / "gray")
    with pytest.raises(ValueError, match="evaluate: images=.*; allowed: folders named .*; none of them: gray"):
        vitgraph.evaluate(by_brightness, folder, silent=True)


def test_what_published_weights_want():
    prepare = vitgraph.preprocessing("vit_base_patch16_224", "augreg_in21k_ft_in1k")
    assert (prepare.size, prepare.mean, prepare.crop_pct) == ((224, 224), (0.5,) * 3, 0.9)
    assert vitgraph.preprocessing("pvt_v2_b0").mean == (0.485, 0.456, 0.406)
    with pytest.raises(ValueError, match="preprocessing: weights=None; allowed: one of those of vit_base_patch16_224"):
        vitgraph.preprocessing("vit_base_patch16_224")
    net = vitgraph.create("pvt_v2_b0", input_shape=(64, 96, 3), depths=(1, 1, 1, 1))
    assert vitgraph.preprocessing(net, "in1k").size == (64, 96)
    assert vitgraph.preprocessing(net, "in1k", input_size=32, upright=True).size == (32, 32)


def test_the_commands(folder, tmp_path, capsys):
    net = vitgraph.build_vit((16, 16, 3), num_classes=3, **NUMBERS)
    net.about = {**net.about, "classes": ["dark", "grey", "bright"]}
    path = str(vitgraph.save_weights(net, tmp_path / "net.safetensors"))
    image, picture = str(folder / "dark" / "0.png"), tmp_path / "attention.png"
    assert main(["predict", image, "--model", path, "--top", "2", "--json", "--attention", str(picture)]) == 0
    ((answer,), expected) = json.loads(capsys.readouterr().out), net(vitgraph.preprocessing(net)(image))
    assert answer["image"] == image and picture.exists()
    ours = [p["score"] for p in answer["predictions"]]
    np.testing.assert_allclose(ours, sorted(np.ravel(expected))[:0:-1], atol=1e-6)

    assert main(["evaluate", path, str(folder), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["count"] == 7 and len(shown["per_class"]) == 3 and np.sum(shown["confusion"]) == 7

    assert main(["convert", path, str(tmp_path / "timm.safetensors"), "--names", "timm"]) == 0
    written, kept = vitgraph.checkpoints.read_checkpoint(tmp_path / "timm.safetensors"), to_source(net, "timm")
    assert written.keys() == kept.keys() and "blocks.0.attn.qkv.weight" in written
    assert all(np.array_equal(written[name], kept[name]) for name in kept)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("predict x.png --model vit_small_patch14_dinov2", "--weights is missing; allowed: a checkpoint's path, or a"),
        ("predict x.png --model absent.keras", "no file, folder or repository 'absent.keras'"),
        ("predict x.png y.png --model absent.keras --attention a.png", "allowed: with one image, not 2"),
        ("convert absent.keras out.pth --names timm", "OUT ends in .safetensors"),
        ("convert absent.keras out.safetensors", "out is missing"),
    ],
)
def test_wrong_commands(line, message, capsys):
    assert main(line.split()) == 2
    assert message in capsys.readouterr().err
