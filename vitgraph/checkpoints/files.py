"""Checkpoint files as plain dictionaries of arrays. Nothing is unpickled."""

import hashlib
import importlib.util
import json
import os
import pathlib
import re

import keras
import numpy as np

from vitgraph import contract as c
from vitgraph.checkpoints import torch_files
from vitgraph.checkpoints.tables import grids_of
from vitgraph.checkpoints.torch_files import Unreadable, check_zip
from vitgraph.scratch import written


class Tensors(dict):
    """A checkpoint, {name: array}; `grids` has those of its tables of positions, {layer name: (rows, columns)}."""

    def __init__(self, tensors, grids):
        super().__init__(tensors)
        self.grids = grids


@c.public
def read_checkpoint(path: c.Path) -> dict[str, np.ndarray]:
    """Reads a checkpoint file.

    `.safetensors` and `.npz` need nothing else; a `.keras` file must hold a model; `.pth`, `.pth.tar`, `.pt`, `.ckpt`
    and `.bin` need torch, which reads them with `weights_only=True`. Of dictionaries in a file the net's is read, of
    several nets the average of the weights over time, of which a warning tells.

    Args:
        path: the file to read; `.index.json` for one in several parts; or a folder as a repository is cloned.

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
    if path.is_dir():
        path, folder = in_folder(path), path
        if path is None:
            raise FileNotFoundError(f"no checkpoint at {str(folder)!r}: no file there is called like {USUAL[0]}")
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {str(path)!r}")
    c.require(ending(path), argument, f"a file that ends in {', '.join(READABLE)}", value=str(path))
    reader, allowed = _READERS[ending(path)]
    with path.open("rb"):  # whatever is wrong from here on is wrong with what the file holds
        pass
    has_reader = reader is not _torch or importlib.util.find_spec("torch")
    c.require(has_reader, argument, ".safetensors, or with torch .pth, .pth.tar, .pt and .bin", value=str(path))
    try:
        return reader(path)
    except Exception as error:  # the libraries that read files raise errors of every kind at damaged ones
        reason = str(error) if isinstance(error, Unreadable) else c.shown(error)
        c.require(False, argument, f"{allowed}: {reason}", value=str(path))


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

    data = save(tensors, metadata={**metadata, _CHECKSUM: _checksum(tensors, metadata)})
    with written(pathlib.Path(path)) as new, new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


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


def _safetensors(path):
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        metadata = file.metadata() or {}
    check_tensors(tensors, metadata)
    grids = json.loads(metadata.get(_GRIDS, "{}"))
    return Tensors(tensors, {name: (int(rows), int(columns)) for name, (rows, columns) in grids.items()})


def _npz(path):
    check_zip(path)
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        members = {name: file[name] for name in file.files}
    for name, array in members.items():
        if not isinstance(array, np.ndarray):
            raise Unreadable(f"{name!r} in it isn't one")
    names = {name: re.sub(r"^(opt/target/|params/img/|params/)", "", name) for name in members}
    return Tensors({names[name]: array for name, array in members.items()}, {})


def _keras(path):
    check_zip(path)
    model = keras.saving.load_model(path, compile=False)
    return tensors_of(model)


def _torch(path):
    return Tensors(torch_files.read(path), {})


def _sharded(path):
    """The tensors of all files that an index names; each of them is there, and whole."""
    with path.open() as file:
        places = json.load(file)["weight_map"]
    shards = sorted(set(places.values()))
    if any(pathlib.PurePosixPath(shard).name != shard for shard in shards):
        raise Unreadable("the index names files of other folders")
    tensors: dict = {}
    for shard in shards:
        part = path.with_name(shard)
        if not part.is_file():
            raise Unreadable(f"the index names {shard!r}, which isn't there")
        tensors |= _READERS[ending(part)][0](part)
    absent = [name for name in places if name not in tensors]
    if absent:
        raise Unreadable(f"{absent[0]!r} isn't in the file that the index names")
    return Tensors(tensors, {})


def in_folder(folder):
    """The checkpoint of a folder, one of the usual names or else the first of the usual endings; None: it has none."""
    names = [name for name in USUAL if (folder / name).is_file()]
    others = sorted(path.name for end in _OTHERS for path in folder.glob(f"[!.]*{end}"))
    return next((folder / name for name in (*names, *others)), None)


def ending(path):
    """The ending of a checkpoint's name, one of `READABLE`; None: it isn't one of a file that can be read."""
    return max((end for end in READABLE if path.name.endswith(end)), key=len, default=None)


USUAL = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "pytorch_model.pth",
    "model.pth",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
"""Names of the checkpoint in a repository, the preferred first."""

_OTHERS = (".safetensors", ".pth", ".pth.tar", ".bin", ".npz", ".keras")

_READERS = {
    ".safetensors": (_safetensors, "a whole safetensors file of known dtypes"),
    ".npz": (_npz, "a whole .npz file of plain arrays"),
    ".keras": (_keras, "a whole .keras file"),
    **dict.fromkeys((".pth", ".pt", ".pth.tar", ".bin", ".ckpt"), (_torch, "a whole file of plain tensors")),
    ".index.json": (_sharded, "the index of whole files"),
}

READABLE = tuple(_READERS)
"""The endings of the files that can be read."""
