"""Processes that are killed while they write: `python -m tests.killed FOLDER`.

Each is a fork of this process, in which TensorFlow hasn't run anything yet, and is killed by SIGKILL when it is about
to open, make, move or remove something in the folder.
"""

import os
import pathlib
import shutil
import signal
import sys
import traceback

import keras
import numpy as np
import pyarrow.parquet as pq

import vitgraph
from vitgraph import export
from vitgraph.cli.main import main
from vitgraph.training.folder import BEST, Folder

MOMENTS = 10
SMALLEST = "cct_2_3x2_32"


def _net():
    image = keras.Input((8, 8, 3))
    return keras.Model(image, keras.layers.Conv2D(2, 3)(image))


def _convert(path):
    """As `vitgraph convert` does, from a file elsewhere."""
    source = path.parent.with_suffix(".safetensors")
    if not source.exists():
        vitgraph.save_weights(vitgraph.create(SMALLEST), source)
    assert main(["convert", str(source), SMALLEST, str(path)]) == 0


def _train(path):
    """All that `train` writes, without the steps."""
    folder = Folder(path, {"recipe": {"epochs": 1}})
    if not folder.is_finished:
        folder.begin()
        if not folder.epoch:
            folder.write(BEST, lambda path: path.write_bytes(b"best"))
            folder.keep({"kernel": np.zeros(8)}, {"loss": 1.0, "learning_rate": 1.0})
        folder.finish(_net(), lambda path: path.write_bytes(b"weights"))
    folder.result()


def _embed(path):
    images = np.zeros((4, 8, 8, 3), "uint8")
    keras.utils.set_random_seed(0)  # the same net each time
    vitgraph.embed(_net(), images, path, output="scores", batch_size=2, part_size=2, silent=True)


WRITERS = {
    "net": lambda path: export.to_saved_model(_net(), path),
    "net.tflite": lambda path: export.to_litert(_net(), path),
    "net.onnx": lambda path: export.to_onnx(_net(), path),
    "net.keras": _convert,
    "net.safetensors": lambda path: vitgraph.save_weights(_net(), path),
    "embedded": _embed,
    "training": _train,
}


def _read(path):
    """Fails unless what is there is whole."""
    if path.is_dir() and not (path / "saved_model.pb").exists():
        for file in path.glob("*.keras"):
            keras.saving.load_model(file)
        for file in path.glob("*.parquet"):
            assert pq.read_table(file).num_rows == 2
    elif path.suffix == ".safetensors" and path.exists():
        vitgraph.checkpoints.read_checkpoint(path)
    elif path.exists():
        keras.saving.load_model(path) if path.suffix == ".keras" else export.load(path)


def run(function, path, moment=None):
    """Calls a function in a fork, which is killed at a moment: a number of events in the folder of `path`.

    Returns:
        The number of events until the end; None if it was killed.
    """
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        status = os.waitpid(process, 0)[1]
        assert status in (0, signal.SIGKILL), f"{path.name}, moment {moment}: status {status}"
        return None if status else int(said)
    count = 0

    def hook(event, arguments):
        nonlocal count
        if any(str(path.parent) in os.fspath(each) for each in arguments if isinstance(each, (str, os.PathLike))):
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

    try:
        sys.addaudithook(hook)
        function(path)
        os.write(writing, str(count).encode())
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def kill(path):
    """Kills a writer at ten moments. What was there stays, or is replaced; each clears away what the last one left.

    Returns:
        How many left something behind.
    """
    write, leaving = WRITERS[path.name], 0
    count = run(write, path)
    before = _visible(path)
    for moment in np.linspace(0, count - 1, MOMENTS).astype(int):
        if path.name in ("training", "embedded"):  # which do nothing more after their end
            assert run(write, path) is not None and not _hidden(path)
            shutil.rmtree(path)
        assert run(write, path, moment) is None
        if _visible(path) != before:
            run(_read, path)
            before = _visible(path)
        assert len(_hidden(path)) <= 1, _hidden(path)
        leaving += len(_hidden(path))
    assert run(write, path) is not None and not _hidden(path)
    run(_read, path)
    return leaving


def _hidden(path):
    """What is hidden, without what is inside of that."""
    parts = [other.relative_to(path.parent).parts for other in path.parent.rglob("*")]
    return [own for own in parts if own[-1][0] == "." and not any(part[0] == "." for part in own[:-1])]


def _visible(path):
    """{name: bytes} of what isn't hidden."""
    files = [file for file in path.parent.rglob("*") if file.is_file()]
    names = {file.relative_to(path.parent): file for file in files}
    return {name: file.read_bytes() for name, file in names.items() if not any(p[0] == "." for p in name.parts)}


if __name__ == "__main__":
    for name in WRITERS:
        place = pathlib.Path(sys.argv[1], name.replace(".", "_"), name)
        place.parent.mkdir()
        print(name, kill(place))
