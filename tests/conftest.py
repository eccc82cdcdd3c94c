"""What all tests share: seeds, and Python processes that know nothing of this one."""

import os

from tests import ROOT

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test asks the real hub
# Tiny nets: compiling is what takes time.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false")
if "PYTEST_XDIST_WORKER" in os.environ:  # as many tests at once as there are cores: each has one
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")

import gc
import itertools
import signal
import subprocess
import sys

import keras
import pytest

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and so would all tests


def pytest_collection_modifyitems(items):
    """The longest first, so that no process is left alone with one of them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("heavy") is None)


def pytest_collection_finish():
    """What was imported is there for good: the garbage collector needn't look through it again and again."""
    gc.collect()
    gc.freeze()
    gc.disable()


@pytest.fixture(autouse=True)
def seeds():
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def garbage(tests=itertools.count(1)):  # noqa: B008  (counts over all tests)
    """Graphs are full of cycles: they go after every tenth test; those that were in use then, after every 400th."""
    yield
    number = next(tests)
    if number % 400 == 0:
        gc.unfreeze()
    if number % 10 == 0:
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """The user's cache isn't written to."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def fresh_process():
    """A function (code, *arguments) -> standard output, run by a new interpreter in which warnings are errors.

    But for one of Keras' saving: its variables' `__array__` is older than NumPy 2.
    """

    def run(code, *arguments):
        warnings = ["-W", "error", "-W", "ignore:__array__ implementation:DeprecationWarning"]
        command = [sys.executable, *warnings, "-c", code, *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    return run
