"""Are our ports right? The reference implementations' own outputs say so."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.parity import TOLERANCE, compare

GOLDEN = sorted((pathlib.Path(__file__).parent / "golden").glob("*.safetensors"))


def test_there_are_golden_files():
    assert GOLDEN


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden(path):
    differences = compare(path)
    assert max(differences.values()) <= TOLERANCE, differences


def test_golden_on_torch():
    """The same graphs on another backend, in a process of its own."""
    root = pathlib.Path(__file__).parent.parent
    command = [sys.executable, "scripts/parity", *map(str, GOLDEN)]
    run = subprocess.run(
        command, cwd=root, env={**os.environ, "KERAS_BACKEND": "torch"}, capture_output=True, text=True
    )
    assert run.stdout.splitlines()[-1] == f"{len(GOLDEN)} passed, 0 failed", run.stdout + run.stderr
