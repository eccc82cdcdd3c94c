"""The images that a table lists: a manifest, in which each row names a file and its class."""

import csv
import importlib.util
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import numpy as np

from vitgraph import contract as c
from vitgraph.images.arrays import warn_of_empty_classes
from vitgraph.images.collection import Images
from vitgraph.images.files import file_at
from vitgraph.images.folders import Unreadable, readable, require_every_class

KINDS = (".csv", ".tsv", ".jsonl", ".parquet")
IMAGE_COLUMNS = ("image", "file_name", "filename", "path", "file")
LABEL_COLUMNS = ("label", "class", "class_name")


@c.public
def from_manifest(
    manifest: c.Path,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
    unreadable: Unreadable = "refuse",
    labelled: bool = True,
) -> Images:
    """Lists the images of a manifest: a table with a row per image, of which one column has paths, and one classes.

    Files are read as by `from_folder`. Paths are absolute, or relative to the manifest's folder. Classes are integers
    from 0, or names, which are numbered in their order in the alphabet.

    Args:
        manifest: a file in CSV (.csv), with tabs (.tsv), in JSON lines (.jsonl), or in parquet (.parquet, which needs
            pyarrow). CSV and TSV begin with a row of column names.
        image_column: the column of paths; None: "image", "file_name", "filename", "path" or "file".
        label_column: the column of classes; None: "label", "class" or "class_name".
        labelled: whether classes are read.

    Returns:
        The `Images`.

    Raises:
        ValueError, TypeError: an argument that isn't allowed, a broken or empty table, no such column, a row without a
            path or a class, unreadable images.
        OSError: there is no such file, or it can't be read.

    Example:
        >>> vitgraph.images.from_manifest("absent.csv")
        Traceback (most recent call last):
        FileNotFoundError: from_manifest: manifest='absent.csv'; allowed: a file that exists
    """
    return images_of_manifest(manifest, unreadable, labelled, "manifest", image_column, label_column)


def is_manifest(path: Any) -> bool:
    """Whether a path is a table's rather than a folder's."""
    return path.suffix.lower() in KINDS and not path.is_dir()


def images_of_manifest(
    manifest: Any,
    when_unreadable: Unreadable,
    labelled: bool,
    argument: str,
    image_column: str | None = None,
    label_column: str | None = None,
) -> Images:
    """`from_manifest`; `argument` is what errors call the manifest."""
    rows = _rows(manifest, {*IMAGE_COLUMNS, *LABEL_COLUMNS, image_column, label_column}, argument)
    files = [file_at(path) for path in _paths(manifest, rows, image_column, argument)[1]]
    labels, names = np.zeros(len(files), int), None
    if labelled:
        labels, names = _classes(_column(rows, label_column, LABEL_COLUMNS, argument, "label_column"), argument)
    num_classes = len(names) if names else int(labels.max()) + 1
    files, labels = readable(manifest, files, labels, when_unreadable, argument, "")
    paths = np.array([file.path for file in files])
    if not labelled:
        return Images(paths, None, None, 0)
    if names:
        require_every_class(labels, names, argument)
    else:
        warn_of_empty_classes(labels, num_classes)
    return Images(paths, labels, names, num_classes)


def paths_of_manifest(manifest: Any, argument: str) -> tuple[list[str], list[str]]:
    """(the paths as they stand in a manifest, the paths of the files)."""
    return _paths(manifest, _rows(manifest, IMAGE_COLUMNS, argument), None, argument)


def _paths(
    manifest: Any, rows: list[dict[str, Any]], image_column: str | None, argument: str
) -> tuple[list[str], list[str]]:
    c.require(rows, argument, "a table with rows")
    paths = _column(rows, image_column, IMAGE_COLUMNS, argument, "image_column")
    odd = _first(not _is_path(path) for path in paths)
    c.require(not odd, argument, f"a table whose column of images has paths, unlike row {odd}")
    folder = os.path.abspath(manifest.parent)  # noqa: PTH100  (there may be millions of paths)
    return paths, [os.path.join(folder, path) for path in paths]  # noqa: PTH118


def _rows(manifest: Any, wanted: Collection[str | None], argument: str) -> list[dict[str, Any]]:
    kind = manifest.suffix.lower()
    c.require(kind in KINDS, argument, f"a file that ends in {', '.join(KINDS)}")
    c.require(manifest.is_file(), argument, "a file that exists", error=FileNotFoundError)
    if kind == ".parquet":
        return _rows_of_parquet(manifest, wanted, argument)
    rows = []
    with manifest.open(encoding="utf-8-sig", newline="") as file:
        try:
            rows = list(_lines(file, argument) if kind == ".jsonl" else _records(file, kind, argument))
        except UnicodeDecodeError:
            c.require(False, argument, "a text in UTF-8")
    return rows


def _records(file: Any, kind: str, argument: str) -> Iterator[dict[str, Any]]:
    """The rows of a table whose first row has the columns' names."""
    reader = csv.DictReader(file, delimiter="\t" if kind == ".tsv" else ",", strict=True)
    try:
        for row in reader:
            whole = None not in row and None not in row.values()
            c.require(whole, argument, f"as many values in each row as columns, unlike in line {reader.line_num}")
            yield row
    except csv.Error as error:
        line = f"line {reader.line_num}: {error}"
        c.require(False, argument, f"a table of comma- or tab-separated values, unlike {line}")


def _lines(file: Any, argument: str) -> Iterator[dict[str, Any]]:
    """The objects of a text with one per line."""
    for number, line in enumerate(file, start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            c.require(isinstance(row, dict), argument, f"an object of JSON in each line, unlike line {number}")
            yield row


def _rows_of_parquet(manifest: Any, wanted: Collection[str | None], argument: str) -> list[dict[str, Any]]:
    is_there = importlib.util.find_spec("pyarrow") is not None
    c.require(is_there, argument, "another kind of table, or pip install pyarrow", error=ModuleNotFoundError)
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    try:
        with pq.ParquetFile(manifest) as file:
            columns = [name for name in file.schema_arrow.names if name in wanted]
            rows = file.read(columns or None).to_pylist()
    except (pa.ArrowException, OSError) as error:
        c.require(False, argument, f"a whole parquet file: {str(error).splitlines()[0]}")
    return rows


def _column(
    rows: list[dict[str, Any]], given: str | None, usual: tuple[str, ...], argument: str, column_argument: str
) -> list[Any]:
    """The values of the column that was named, or of the first of the usual ones; none of them may be missing."""
    there = list(rows[0])
    found = [name for name in usual if name in there]
    if given is None:
        c.require(found, argument, f"a table with a column {' or '.join(usual)}, or {column_argument}=; it has {there}")
    else:
        c.require(given in there, column_argument, f"one of the table's columns: {', '.join(map(str, there))}")
    name = given or found[0]
    values = [row.get(name) for row in rows]
    missing = _first(value in (None, "") or value != value for value in values)
    c.require(not missing, argument, f"a value of {name!r} in each row, unlike in row {missing}")
    return values


def _classes(values: list[Any], argument: str) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """(integers from 0, the classes' names or None)."""
    odd = _first(not isinstance(value, (str, int, float)) for value in values)
    c.require(not odd, argument, f"a name or a number as the class of each row, unlike in row {odd}")
    texts = [str(int(value) if isinstance(value, float) and value.is_integer() else value) for value in values]
    if all(re.fullmatch("-?[0-9]+", text) for text in texts):
        longest = max(texts, key=len)
        good = len(longest) < 10 and min(map(int, texts)) >= 0 and max(map(int, texts)) < 2**20
        c.require(good, argument, f"classes from 0 to {2**20 - 1}")
        return np.array(list(map(int, texts))), None
    names, labels = np.unique(texts, return_inverse=True)
    c.require(len(names) > 1, argument, f"2 or more classes, not {str(names[0])!r} alone")
    return labels, tuple(names.tolist())


def _first(flags: Iterable[bool]) -> int:
    """The number of the first row, from 1, that has a flag; 0: none has."""
    return next((number for number, flag in enumerate(flags, start=1) if flag), 0)


def _is_path(value: Any) -> bool:
    try:
        return isinstance(value, str) and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
