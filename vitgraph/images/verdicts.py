"""Which files of a folder or a manifest were tried before: a training that goes on needn't decode all again.

What is known of them stands in the user's cache, in one file. An image is tried again if its size or the time of its
last change differs. A cache that is lost or damaged costs time, and nothing else.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import zlib
from typing import NamedTuple

import numpy as np

from vitgraph.images.reading import has_pillow
from vitgraph.scratch import cache, written


class File(NamedTuple):
    """A file, and what tells whether it is still the same."""

    path: str
    size: int
    changed: int


def unreadable(source, files, try_all):
    """{path: why} of the `File`s of a folder or a manifest that can't be read.

    `try_all(files)` -> [why or None] tries the new ones.
    """
    place, is_folder = _place(source), os.path.isdir(source)  # noqa: PTH112
    prefix = os.path.join(source, "") if is_folder else ""  # noqa: PTH118  (there may be millions of paths)
    digest = _digest(files, prefix)
    header, rows = _read(place)
    if header.get("digest") == digest:
        return {prefix + path: why for path, why in header["bad"].items()}
    known = {File(prefix + path, size, changed): why for path, size, changed, why in rows()}
    new = [file for file in files if file not in known]
    known.update(zip(new, try_all(new), strict=True))
    bad = {file.path: known[file] for file in files if known[file]}
    header = {"digest": digest, "bad": {path.removeprefix(prefix): why for path, why in bad.items()}}
    rows = [(file.path.removeprefix(prefix), file.size, file.changed, known[file]) for file in files]
    with contextlib.suppress(OSError):  # no cache, then
        place.parent.mkdir(parents=True, exist_ok=True)
        with written(place) as path:
            path.write_bytes(zlib.compress(f"{json.dumps(header)}\n{json.dumps(rows)}".encode(), 1))
    return bad


def _place(source):
    readers = f"{importlib.metadata.version('tensorflow')} {has_pillow()}"  # others may read what these don't
    name = hashlib.sha256(os.fsencode(f"{os.path.abspath(source)}\0{readers}")).hexdigest()  # noqa: PTH100
    return cache() / "images" / f"{name[:32]}.json.z"


def _digest(files, prefix):
    numbers = np.array([(file.size, file.changed) for file in files], "int64")
    paths = os.fsencode("\0".join(file.path for file in files))
    return hashlib.sha256(os.fsencode(prefix) + b"\0" + paths + numbers.tobytes()).hexdigest()


def _read(place):
    """(what is known of the whole folder, a function that gives what is known of each file)."""
    try:
        header, _, rows = zlib.decompress(place.read_bytes()).decode().partition("\n")
        return json.loads(header), lambda: json.loads(rows)
    except (OSError, ValueError, zlib.error, RecursionError):
        return {}, tuple
