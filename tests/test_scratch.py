"""What a process that is killed while it writes leaves, and what becomes of it."""

import subprocess
import sys

import pytest

from tests import ROOT
from tests.killed import WRITERS
from vitgraph.scratch import clean, written


@pytest.mark.heavy
def test_killed_at_ten_moments(tmp_path):
    """Nothing half-written, and nothing that the next writer of the same target doesn't clear away."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.killed", tmp_path], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    leaving = dict(line.split()[:2] for line in done.stdout.splitlines() if line.split()[0] in WRITERS)
    assert leaving.keys() == WRITERS.keys()
    assert all(int(count) for count in leaving.values())


HOLD = """
import pathlib, sys
from vitgraph.scratch import written
with written(pathlib.Path(sys.argv[1])) as path:
    path.write_bytes(b"there")
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_what_a_living_process_is_writing_stays(tmp_path):
    target = tmp_path / "net.tflite"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, target], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "writing\n"
    with written(target) as path:
        path.write_bytes(b"here")
    assert target.read_bytes() == b"here"
    assert len(list(tmp_path.glob(".*"))) == 1
    other.communicate(timeout=60)
    assert target.read_bytes() == b"there"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["net", "old", "new", "net[1]*", "a+b"])
def test_folders_of_any_name_are_replaced(name, tmp_path):
    for content in ("1", "2"):
        with written(tmp_path / name) as path:
            path.mkdir()
            (path / "content").write_text(content)
        assert (tmp_path / name / "content").read_text() == content
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_that_was_moved_away_comes_back(tmp_path):
    """Its writer was killed between the two moves."""
    left = tmp_path / ".net.writing-abcd1234"
    (left / "old").mkdir(parents=True)
    (left / "old" / "content").write_text("1")
    clean(tmp_path / "net")
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["net", "net/content"]


def test_hidden_files_of_others_stay(tmp_path):
    names = {".net", ".net.template", ".net.writing", ".net.tflite.writing-abcd1234", ".other.writing-abcd1234"}
    for name in names:
        (tmp_path / name).mkdir()
    clean(tmp_path / "net")
    assert {path.name for path in tmp_path.iterdir()} == names


def test_within_what_is_being_written(tmp_path):
    with written(tmp_path / "outer.txt") as outer:
        with written(outer) as inner:
            inner.write_text("whole")
        assert not (tmp_path / "outer.txt").exists()
    assert (tmp_path / "outer.txt").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["outer.txt"]
