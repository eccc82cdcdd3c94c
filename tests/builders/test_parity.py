"""Are our ports right? The reference implementations' own outputs say so."""

import os
import subprocess
import sys

import pytest

from tests import GOLDEN, ROOT
from tests.parity import TOLERANCE, compare

FILES = sorted(GOLDEN.glob("*.safetensors"))


def test_there_are_golden_files():
    assert FILES


ONE_WAY = {"lucid_patch_merger__alone"}
"""A layer outside of any graph, whose queries are scaled when they are read."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden(path):
    """And the weights come back as they were."""
    differences = compare(path, back=path.stem not in ONE_WAY)
    assert max(differences.values()) <= TOLERANCE, differences


SOME = ("vit_map", "pvt_v2_linear_eps", "swin_pad", "swinv2_eps", "levit_distilled_eps", "official_cct__3x1_learnable")


@pytest.mark.heavy
@pytest.mark.parametrize(("backend", "cases"), [("jax", SOME), ("torch", [path.stem for path in FILES])])
def test_golden_on_another_backend(backend, cases):
    """On Keras' other backends, in a process of its own; JAX compiles every operation, so it gets some of the files."""
    command = [sys.executable, "scripts/parity", *(f"tests/golden/{case}.safetensors" for case in cases)]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == f"{len(cases)} passed, 0 failed", run.stdout + run.stderr
