"""Checkpoint files as plain dictionaries of arrays. Nothing is unpickled."""

import os
import pathlib
import re
import tempfile
import zipfile

import keras
import numpy as np

from vitgraph import contract as c

READABLE = (".safetensors", ".npz", ".keras", ".pth", ".pt")
"""The endings of the files that can be read."""


@c.public
def read_checkpoint(path: c.Path) -> dict[str, np.ndarray]:
    """Reads a checkpoint file.

    `.safetensors` and `.npz` need nothing else; a `.keras` file must hold a model; `.pth` and `.pt` need torch, which
    reads them with `weights_only=True`.

    Args:
        path: the file to read.

    Returns:
        A dictionary of NumPy arrays, by name.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; a file of another kind, or a damaged one.
        OSError: there is no such file, or it can't be read.

    Example:
        >>> net = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2, num_classes=5)
        >>> path = vitgraph.save_weights(net, "vit.safetensors")
        >>> vitgraph.checkpoints.read_checkpoint(path)["head/kernel"].shape
        (16, 5)
    """
    return read(pathlib.Path(path), "path")


def read(path, argument):
    """As `read_checkpoint`; `argument` is the one that is refused if the file isn't a checkpoint."""
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {str(path)!r}")
    c.require(path.suffix in READABLE, argument, f"a file that ends in {', '.join(READABLE)}", value=str(path))
    readers = {".safetensors": _safetensors, ".npz": _npz, ".keras": _keras}
    try:
        return readers.get(path.suffix, _torch)(path)
    except _Unreadable as error:
        c.require(False, argument, str(error), value=str(path))


class _Unreadable(Exception):
    """A file that isn't what its reader reads; the message says what that is."""


@c.public
def save_weights(model: c.Model, path: c.Path, *, skip_head: bool = False) -> pathlib.Path:
    """Writes every weight under its variable's path to a `.safetensors` file, whole or not at all.

    Args:
        path: the file to write, ending in ".safetensors".
        skip_head: leave out the head; `load_weights` reads the file with `skip_head=True`.

    Returns:
        The path.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; the message says what is.
        OSError: the file can't be written; what was there before is left as it was.

    Example:
        >>> net = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2, num_classes=5)
        >>> vitgraph.save_weights(net, "vit.safetensors").name
        'vit.safetensors'
    """
    from safetensors.numpy import save

    path = pathlib.Path(path)
    c.require(path.suffix == ".safetensors", "path", "a file name that ends in .safetensors")
    kept = [v for v in model.weights if not (skip_head and v.path.startswith("head"))]
    once = len({v.path for v in kept}) == len(kept)
    c.require(once, "model", "a model each of whose variables has a path of its own")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"save_weights: {path}: there is no folder {path.parent}")
    tensors = {v.path: np.ascontiguousarray(keras.ops.convert_to_numpy(v)) for v in kept}
    write_atomically(path, save(tensors, metadata={"format": "vitgraph"}))
    return path


def save_model(model, path):
    """Writes a `.keras` file, whole or not at all."""
    path = pathlib.Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        model.save(pathlib.Path(scratch, path.name))
        pathlib.Path(scratch, path.name).replace(path)


def write_atomically(path, data):
    """Writes bytes beside `path` and renames: after an interruption, what was there before is still there."""
    path = pathlib.Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        pathlib.Path(temporary).replace(path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise


def _safetensors(path):
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, TypeError, AttributeError) as error:
        raise _Unreadable(f"a whole safetensors file of known dtypes: {error}") from error


def _npz(path):
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {re.sub(r"^(opt/target/|params/img/|params/)", "", name): file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise _Unreadable(f"a whole .npz file of plain arrays: {error}") from error


def _keras(path):
    try:
        model = keras.saving.load_model(path, compile=False)
    except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise _Unreadable(f"a whole .keras file: {error}") from error
    return {v.path: keras.ops.convert_to_numpy(v) for v in model.weights}


def _torch(path):
    try:
        import torch
    except ImportError as error:
        raise _Unreadable(".safetensors, or with torch .pth and .pt") from error
    import pickle

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, KeyError) as error:
        raise _Unreadable(f"a whole file of plain tensors: {error}") from error
    for wrapper in ("model", "state_dict", "teacher"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict):
        raise _Unreadable("a whole file of plain tensors: a dictionary of them, by name")
    tensors = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    if any(value.layout is not torch.strided or value.is_complex() for value in tensors.values()):
        raise _Unreadable("a whole file of plain tensors: dense and real ones")
    return {name.removeprefix("module."): value.float().numpy() for name, value in tensors.items()}
