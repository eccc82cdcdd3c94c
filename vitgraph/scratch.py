"""Files and folders that are written beside their place, and moved there whole.

A process that is killed leaves its scratch folder behind. While it lives it holds a lock on that folder, which the
operating system takes away with the process: the next writer of the same target removes the folders without a lock.
"""

import contextlib
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

try:
    import fcntl as locks
except ImportError:  # on Windows: nothing is locked there, and what was left stays
    locks: Any = None  # type: ignore[no-redef]

_MARK = ".writing-"


def cache() -> pathlib.Path:
    """The folder of what can be made or fetched again: VITGRAPH_CACHE, or vitgraph in the user's cache."""
    usual = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "vitgraph"
    return pathlib.Path(os.environ.get("VITGRAPH_CACHE") or usual).expanduser()


@contextlib.contextmanager
def written(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A place to write a file or folder, which is then moved to `path`; after an error, what was there is as before.

    Inside of what is being written that way already, it is the path itself.
    """
    if re.fullmatch(rf"\..*{re.escape(_MARK)}\w{{8}}", path.parent.name):
        yield path
        return
    with _folder(path) as scratch:
        new = scratch / f"new{path.suffix}"
        yield new
        if new.is_dir() and path.exists():
            path.rename(_replaced(scratch))
        new.replace(path)


def clean(path: pathlib.Path) -> None:
    """Removes what killed processes left when they wrote `path`."""
    own = re.compile(re.escape(f".{path.name}{_MARK}") + r"\w{8}")
    for left in [entry for entry in path.parent.iterdir() if own.fullmatch(entry.name)]:
        with _locked(left) as is_free:
            if is_free:
                _remove(left, path)


@contextlib.contextmanager
def _folder(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A new folder beside `path`, on the same disk, which is removed in the end."""
    with contextlib.ExitStack() as stack:
        with _locked(path.parent, wait=True):  # else another process might take the new folder for one that was left
            clean(path)
            scratch = pathlib.Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}{_MARK}"))
            stack.callback(_remove, scratch, path)
            stack.enter_context(_locked(scratch))
        yield scratch


def _replaced(scratch: pathlib.Path) -> pathlib.Path:
    """Where a folder is kept until the new one has its place."""
    return scratch / "old"


def _remove(scratch: pathlib.Path, path: pathlib.Path) -> None:
    if not path.exists() and _replaced(scratch).exists():
        _replaced(scratch).rename(path)
    shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: pathlib.Path, *, wait: bool = False) -> Iterator[bool]:
    """Holds a folder's lock, and says whether it does."""
    with contextlib.ExitStack() as stack:
        is_ours = False
        if locks is not None:
            with contextlib.suppress(OSError):  # another process has it, the folder is gone, or its disk has no locks
                handle = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, handle)
                locks.flock(handle, locks.LOCK_EX | (0 if wait else locks.LOCK_NB))
                is_ours = True
        yield is_ours
