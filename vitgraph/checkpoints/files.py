"""Checkpoint files as plain dictionaries of arrays. Nothing is unpickled."""

import hashlib
import importlib.util
import json
import os
import pathlib
import re
import secrets
import zipfile

import keras
import numpy as np

from vitgraph import contract as c
from vitgraph.checkpoints.tables import grids_of


class Tensors(dict):
    """A checkpoint, {name: array}; `grids` has those of its tables of positions, {layer name: (rows, columns)}."""

    def __init__(self, tensors, grids):
        super().__init__(tensors)
        self.grids = grids


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
    reader, allowed = _READERS[path.suffix]
    with path.open("rb"):  # whatever is wrong from here on is wrong with what the file holds
        pass
    has_reader = reader is not _torch or importlib.util.find_spec("torch")
    c.require(has_reader, argument, ".safetensors, or with torch .pth and .pt", value=str(path))
    try:
        return reader(path)
    except Exception as error:  # the libraries that read files raise errors of every kind at damaged ones
        reason = str(error) if isinstance(error, _Unreadable) else c.shown(error)
        c.require(False, argument, f"{allowed}: {reason}", value=str(path))


class _Unreadable(Exception):
    """A file that isn't what its reader reads; the message says what is wrong with it."""


@c.public
def save_weights(model: c.Model, path: c.Path, *, skip_head: bool = False) -> pathlib.Path:
    """Writes every weight under its variable's path to a `.safetensors` file, whole or not at all.

    Its header says what the net is, as far as that is known (`model.about`), so that `load` can build it again.

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
    path = pathlib.Path(path)
    c.require(path.suffix == ".safetensors", "path", "a file name that ends in .safetensors")
    kept = [v for v in model.weights if not (skip_head and v.path.startswith("head"))]
    once = len({v.path for v in kept}) == len(kept)
    c.require(once, "model", "a model each of whose variables has a path of its own")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"save_weights: {path}: there is no folder {path.parent}")
    tensors = {v.path: np.ascontiguousarray(keras.ops.convert_to_numpy(v)) for v in kept}
    about = {**getattr(model, "about", {}), **({"skip_head": True} if skip_head else {})}
    metadata = {"format": "vitgraph", _GRIDS: json.dumps(grids_of(model)), _ABOUT: json.dumps(about)}
    write_tensors(path, tensors, metadata)
    return path


def read_about(path):
    """What a `.safetensors` file of ours says of its net, as `GraphModel.about`; {} if it says nothing.

    Raises:
        ValueError: no safetensors file, or one whose header is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get(_ABOUT, "{}"))
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} isn't a whole safetensors file: {error}") from error
    return about if isinstance(about, dict) else {}


def tensors_of(model):
    """The weights of a model as a checkpoint."""
    return Tensors({v.path: keras.ops.convert_to_numpy(v) for v in model.weights}, grids_of(model))


def write_tensors(path, tensors, metadata):
    """Writes a safetensors file, whole or not at all, with a checksum in its header."""
    from safetensors.numpy import save

    write_atomically(path, save(tensors, metadata={**metadata, _CHECKSUM: _checksum(tensors, metadata)}))


def check_tensors(tensors, metadata):
    """Raises ValueError unless the content of a safetensors file has the checksum that `write_tensors` gave it."""
    metadata = dict(metadata)
    if metadata.pop(_CHECKSUM, None) not in (None, _checksum(tensors, metadata)):
        raise ValueError("its content isn't what was written: the checksum differs")


_CHECKSUM, _GRIDS, _ABOUT = "vitgraph.sha256", "vitgraph.grids", "vitgraph.about"
"""Our keys in the header of a safetensors file."""


def _checksum(tensors, metadata):
    shapes = {name: [str(array.dtype), *array.shape] for name, array in tensors.items()}
    digest = hashlib.sha256(json.dumps([metadata, shapes], sort_keys=True).encode())
    for _, array in sorted(tensors.items()):
        digest.update(np.ascontiguousarray(array).reshape(-1).view("uint8").data)
    return digest.hexdigest()


def write_atomically(path, data):
    """Writes bytes beside `path` and renames: after an interruption, what was there before is still there."""
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # less what the umask takes away
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _safetensors(path):
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        metadata = file.metadata() or {}
    check_tensors(tensors, metadata)
    grids = json.loads(metadata.get(_GRIDS, "{}"))
    return Tensors(tensors, {name: (int(rows), int(columns)) for name, (rows, columns) in grids.items()})


def _npz(path):
    _check_zip(path)
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        members = {name: file[name] for name in file.files}
    for name, array in members.items():
        if not isinstance(array, np.ndarray):
            raise _Unreadable(f"{name!r} in it isn't one")
    names = {name: re.sub(r"^(opt/target/|params/img/|params/)", "", name) for name in members}
    return Tensors({names[name]: array for name, array in members.items()}, {})


def _keras(path):
    _check_zip(path)
    model = keras.saving.load_model(path, compile=False)
    return tensors_of(model)


def _torch(path):
    import torch

    if zipfile.is_zipfile(path):
        _check_zip(path)
    content = torch.load(path, map_location="cpu", weights_only=True)
    for wrapper in ("model", "state_dict", "teacher"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict):
        raise _Unreadable(f"a dictionary of them by name, not a {type(content).__name__}")
    tensors = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    for name, value in tensors.items():
        if value.layout is not torch.strided or value.is_complex():
            raise _Unreadable(f"{name!r} in it isn't dense and real")
    return Tensors({name.removeprefix("module."): _array(value) for name, value in tensors.items()}, {})


def _array(tensor):
    """A tensor of PyTorch's as an array; of the floating dtypes that NumPy may lack, as float32."""
    narrow = tensor.is_floating_point() and tensor.element_size() < 4
    return (tensor.float() if narrow else tensor).numpy(force=True)


def _check_zip(path):
    """Refuses an archive with a damaged member, which not every library that reads one looks for."""
    with zipfile.ZipFile(path) as file:
        if not any(member.CRC for member in file.infolist()):  # PyTorch can be told to write no checksums
            return
        damaged = file.testzip()
    if damaged:
        raise _Unreadable(f"{damaged!r} in it is damaged")


_READERS = {
    ".safetensors": (_safetensors, "a whole safetensors file of known dtypes"),
    ".npz": (_npz, "a whole .npz file of plain arrays"),
    ".keras": (_keras, "a whole .keras file"),
    ".pth": (_torch, "a whole file of plain tensors"),
    ".pt": (_torch, "a whole file of plain tensors"),
}

READABLE = tuple(_READERS)
"""The endings of the files that can be read."""
