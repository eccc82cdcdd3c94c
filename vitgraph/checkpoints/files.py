"""Checkpoint files as plain dictionaries of arrays. Nothing is unpickled."""

import os
import pathlib
import re
import tempfile
import zipfile

import keras
import numpy as np

READABLE = ".safetensors, .npz, .keras, .pth, .pt"


def read_checkpoint(path):
    """Reads a checkpoint: a dictionary from names to numpy arrays.

    `.safetensors` and `.npz` need nothing else; a `.keras` file must hold a model; `.pth` and `.pt` need torch, which
    reads them with `weights_only=True`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file of another kind, or one that is truncated or corrupt.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {str(path)!r}")
    readers = {".safetensors": _safetensors, ".npz": _npz, ".keras": _keras, ".pth": _torch, ".pt": _torch}
    if path.suffix not in readers:
        raise ValueError(f"checkpoint {path.name!r}: unknown kind {path.suffix!r}; allowed: {READABLE}")
    return readers[path.suffix](path)


def save_weights(model, path, *, skip_head=False):
    """Writes every weight under its variable's path to a `.safetensors` file, whole or not at all.

    Args:
        model: a graph of this package.
        path: the file.
        skip_head: leave out the head; `load_weights` reads the file with `skip_head=True`.

    Returns:
        The path.

    Raises:
        ValueError: the path doesn't end in `.safetensors`.
    """
    from safetensors.numpy import save

    path = pathlib.Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"save_weights: path={str(path)!r}; allowed: a file name that ends in .safetensors")
    kept = [v for v in model.weights if not (skip_head and v.path.startswith("head"))]
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
    """Writes bytes beside `path` and renames: an interruption leaves what was there."""
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
        raise ValueError(f"checkpoint {path.name!r} is no whole safetensors file of known dtypes: {error}") from error


def _npz(path):
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {re.sub(r"^(opt/target/|params/img/|params/)", "", name): file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise ValueError(f"checkpoint {path.name!r} is no whole .npz file of plain arrays: {error}") from error


def _keras(path):
    try:
        model = keras.saving.load_model(path, compile=False)
    except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"checkpoint {path.name!r} is no whole .keras file: {error}") from error
    return {v.path: keras.ops.convert_to_numpy(v) for v in model.weights}


def _torch(path):
    try:
        import torch
    except ImportError as error:
        raise ValueError(f"checkpoint {path.name!r}: .pth and .pt files need torch; .safetensors doesn't") from error
    import pickle

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, KeyError) as error:
        raise ValueError(f"checkpoint {path.name!r} is no whole file of plain tensors: {error}") from error
    for wrapper in ("model", "state_dict", "teacher"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    tensors = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    return {name.removeprefix("module."): value.float().numpy() for name, value in tensors.items()}
