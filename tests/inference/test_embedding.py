"""A net over a folder of images: every image once, whatever happens."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import vitgraph
from tests.variants import TINY, assert_close, value, with_random_weights
from vitgraph.cli.main import main
from vitgraph.graphs.levels import levels_of
from vitgraph.images import Preprocessing
from vitgraph.inference import embedding

PREPARE = Preprocessing((64, 64))


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for i in range(9):
        path = tmp_path / "images" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (70, 90, 3), "uint8")).save(path)
    (tmp_path / "images" / "b" / "5.png").write_bytes(b"\x89PNG broken")
    return tmp_path / "images"


def net(name="pvt_v2"):
    return with_random_weights(TINY[name].build())


def rows(found, column):
    """{id: array} of all files, in their shapes."""
    read = {}
    for path in found.files:
        table = pq.read_table(path)
        shape = json.loads(table.schema.metadata[b"vitgraph"])["shapes"].get(column, [])
        for name, numbers in zip(table["id"].to_pylist(), table[column].to_pylist(), strict=True):
            read[name] = np.reshape(numbers, shape)
    return read


@pytest.mark.parametrize("pooled", [True, False])
def test_every_image_is_there_once_as_the_net_sees_it(folder, tmp_path, pooled):
    model = net()
    level = list(levels_of(model))[0]
    options = {"levels": [level], "pooled": pooled, "preprocessing": PREPARE, "batch_size": 3, "part_size": 5}
    found = vitgraph.embed(model, folder, tmp_path / "out", silent=True, **options)
    read = rows(found, level)
    assert found.count == len(read) == 8 and len(found.files) == 2
    assert list(found.unreadable) == ["b/5.png"] and "b/5.png" in (tmp_path / "out" / "_unreadable.csv").read_text()
    for name, row in read.items():
        maps = value(vitgraph.pyramid(model, [level])(PREPARE(folder / name))[level])[0]
        assert_close(row, maps.mean((0, 1)) if pooled else maps)


def test_scores_and_attention(folder, tmp_path):
    model = net("vit")
    scores = vitgraph.embed(model, folder, tmp_path / "a", output="scores", preprocessing=PREPARE, silent=True)
    seen = vitgraph.embed(model, folder, tmp_path / "b", output="attention", preprocessing=PREPARE, silent=True)
    pixels = PREPARE(folder / "a" / "0.png")
    (name,) = model.output_names
    assert_close(rows(scores, name)["a/0.png"], model(pixels)[0])
    for layer, probabilities in vitgraph.attention(model)(pixels).items():
        assert_close(rows(seen, layer)["a/0.png"], probabilities[0])


def test_windows_stand_with_their_image(folder, tmp_path):
    model = net("swin")
    found = vitgraph.embed(model, folder, tmp_path / "out", output="attention", preprocessing=PREPARE, silent=True)
    layer, windows = next(iter(vitgraph.attention(model)(PREPARE(folder / "b" / "7.png")).items()))
    assert_close(rows(found, layer)["b/7.png"], windows)


def test_an_interrupted_call_goes_on(folder, tmp_path, monkeypatch):
    model, options = net(), {"preprocessing": PREPARE, "batch_size": 2, "part_size": 2, "silent": True}
    whole = vitgraph.embed(model, folder, tmp_path / "whole", **options)
    real, parts = embedding.write_part, []

    def interrupted(path, *arguments):
        if len(parts) == 2:
            raise KeyboardInterrupt
        parts.append(path)
        real(path, *arguments)

    monkeypatch.setattr(embedding, "write_part", interrupted)
    with pytest.raises(KeyboardInterrupt):
        vitgraph.embed(model, folder, tmp_path / "out", **options)
    monkeypatch.setattr(embedding, "write_part", real)
    before = [path.stat().st_mtime_ns for path in parts]
    found = vitgraph.embed(model, folder, tmp_path / "out", **options)
    assert [path.stat().st_mtime_ns for path in parts] == before
    level = list(levels_of(model))[-1]
    first, second = rows(whole, level), rows(found, level)
    assert first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)
    with pytest.raises(ValueError, match="out=.*differ:(.|\n)*weights"):
        vitgraph.embed(TINY["pvt_v2"].build(), folder, tmp_path / "out", **options)
    (folder / "a" / "new.png").write_bytes((folder / "a" / "0.png").read_bytes())
    with pytest.raises(ValueError, match="count: 9 there, 10 here"):
        vitgraph.embed(model, folder, tmp_path / "out", **options)


def test_a_part_without_a_readable_image(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.jpg"):
        (tmp_path / "images" / name).write_bytes(b"broken")
    found = vitgraph.embed(net(), tmp_path / "images", tmp_path / "out", preprocessing=PREPARE, silent=True)
    assert found.count == 0 and sorted(found.unreadable) == ["a.png", "b.jpg"]
    assert pq.read_table(found.files[0]).num_rows == 0


def test_command(folder, tmp_path, capsys):
    path = vitgraph.save_weights(net(), tmp_path / "net.safetensors")
    assert main(["embed", str(folder), str(tmp_path / "out"), "--model", str(path), "--part-size", "4"]) == 0
    assert "8 images in 3 files" in capsys.readouterr().out
    assert main(["embed", str(folder), str(tmp_path / "out"), "--model", str(path), "--level", "P99"]) == 2
    assert "P99" in capsys.readouterr().err
