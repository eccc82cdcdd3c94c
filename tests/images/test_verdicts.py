"""A folder whose files were tried before isn't decoded again."""

import os
import pathlib

import numpy as np
import pytest
from PIL import Image

from vitgraph.images import folders, from_folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for i in range(6):
        path = tmp_path / "images" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), i, "uint8")).save(path)
    return tmp_path / "images"


@pytest.fixture
def tried(monkeypatch):
    """The names of the files that were decoded."""
    names, real = [], folders.why_unreadable
    monkeypatch.setattr(
        folders,
        "why_unreadable",
        lambda files: names.extend(pathlib.Path(file.path).name for file in files) or real(files),
    )
    return names


def test_only_what_is_new_or_changed_is_tried(folder, tried):
    assert from_folder(folder).count == 6 and len(tried) == 6
    tried.clear()
    first, again = from_folder(folder), from_folder(str(folder) + "/")
    assert (first.source == again.source).all() and not tried
    (folder / "a" / "2.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match="2.png"):
        from_folder(folder)
    with pytest.warns(match="2.png"):
        assert from_folder(folder, unreadable="skip").count == 5
    assert tried == ["2.png"]
    Image.fromarray(np.zeros((9, 9, 3), "uint8")).save(folder / "a" / "2.png")
    os.utime(folder / "b" / "1.png", (0, 0))
    tried.clear()
    assert from_folder(folder).count == 6 and tried == ["2.png", "1.png"]


def test_a_link_that_leads_nowhere_is_named(folder):
    (folder / "a" / "lost.png").symlink_to("nowhere.png")
    with pytest.raises(ValueError, match="lost.png"):
        from_folder(folder)


@pytest.mark.parametrize("content", [b"", b"no zip", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_a_damaged_cache_costs_time_alone(folder, tried, content):
    from_folder(folder)
    (kept,) = (folder.parent / "cache" / "vitgraph" / "images").iterdir()
    kept.write_bytes(content)
    assert from_folder(folder).count == 6 and len(tried) == 12
    assert from_folder(folder).count == 6 and len(tried) == 12


def test_without_a_place_for_a_cache(folder, tried, monkeypatch):
    (folder.parent / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent / "file"))
    assert from_folder(folder).count == from_folder(folder).count == 6 and len(tried) == 12


def test_another_reader_tries_again(folder, tried, monkeypatch):
    from_folder(folder)
    monkeypatch.setattr("vitgraph.images.verdicts.has_pillow", lambda: False)
    from_folder(folder)
    assert len(tried) == 12
