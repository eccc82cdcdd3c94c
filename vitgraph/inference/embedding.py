"""A net over a collection of images, however large: features, scores or attention into parquet files.

Images are read while the net computes. They are written in parts of a fixed size, each whole or not at all: after an
interruption at any moment the same call goes on with the first part that is missing, and every image is there once.
"""

import collections
import concurrent.futures
import csv
import dataclasses
import hashlib
import importlib.util
import json
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import keras
import numpy as np

from vitgraph import contract as c
from vitgraph.graphs.attention import attention
from vitgraph.graphs.levels import levels_of
from vitgraph.graphs.pyramid import pyramid
from vitgraph.images import Images, Preprocessing
from vitgraph.images.files import READABLE, image_files
from vitgraph.images.manifests import is_manifest, paths_of_manifest
from vitgraph.images.sources import Source, open_images
from vitgraph.inference.parquet import unreadable_of, write_part
from vitgraph.inference.preparation import preprocessing as preprocessing_of
from vitgraph.scratch import clean, written

RUN, UNREADABLE = "_run.json", "_unreadable.csv"  # what reads a folder of parquet files leaves such names out
_AHEAD = 3  # batches that are prepared while the net computes one


@dataclasses.dataclass(frozen=True)
class Embedded:
    """What `embed` leaves.

    Args:
        files: the parquet files, in the order of the images. A row has "id", the path within the folder or as it stands
            in the manifest, or the number in the array, and a list of float32 per output; the file's metadata
            "vitgraph" has the outputs' shapes.
        count: number of images that were embedded.
        unreadable: {id: why} of those that couldn't be read, which `_unreadable.csv` has, too.
    """

    files: tuple[pathlib.Path, ...]
    count: int
    unreadable: dict[str, str]


@c.public
def embed(
    model: c.ImageModel,
    images: Source,
    out: c.Path,
    *,
    output: Literal["features", "scores", "attention"] = "features",
    levels: Sequence[str] | None = None,
    pooled: bool = True,
    preprocessing: Preprocessing | None = None,
    batch_size: c.Count = 32,
    part_size: c.Count = 8192,
    silent: bool = False,
) -> Embedded:
    """Computes features, scores or attention of all images, and writes them as parquet files into a folder.

    Interrupted at any moment, the same call goes on after the last whole part. Images that can't be read are listed,
    and the others go on. It needs pyarrow.

    Args:
        images: a folder of images at any depth, a manifest (see `from_manifest`), an array (N, H, W, C), or `Images`.
        out: the folder to write, new or of the same call.
        output: "features", the maps of `levels`; "scores", the model's own output; "attention", the probabilities of
            every attention layer.
        levels: names of the levels of "features", such as ("P4", "P5"); None: the last one.
        pooled: whether a level is its map's mean (C,), and not the map (H, W, C).
        preprocessing: what images go through; None: what `preprocessing(model)` gives.
        batch_size: images at once.
        part_size: images per file.

    Returns:
        An `Embedded`.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; a folder that another call began, with what differs.
        ModuleNotFoundError: pyarrow isn't installed.
        OSError: the folder can't be written.

    Example:
        >>> net = vitgraph.build_vit((16, 16, 3), patch_size=8, dim=8, depth=1, num_heads=1)
        >>> vitgraph.embed(net, numpy.zeros((5, 16, 16, 3), "uint8"), "embedded", silent=True).count
        5
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise ModuleNotFoundError("embed: parquet files need pyarrow: pip install pyarrow")
    with c.errors_of("embed"):
        net = _net(model, output, levels, pooled)
    prepare = preprocessing or preprocessing_of(model)
    ids, items = _items(images)
    out = pathlib.Path(out)
    _begin(
        out,
        {
            "model": model.name,
            "weights": _digest(v.path.encode() + keras.ops.convert_to_numpy(v).tobytes() for v in model.weights),
            "images": _digest(name.encode("utf-8", "surrogateescape") + b"\0" for name in ids),
            "count": len(ids),
            "output": output,
            "levels": list(net.output) if output == "features" else None,
            "pooled": pooled,
            "preprocessing": json.loads(json.dumps(dataclasses.asdict(prepare))),
            "part_size": part_size,
        },
    )
    bar = None if silent else keras.utils.Progbar(len(ids), unit_name="image")
    files = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for part, start in enumerate(range(0, len(ids), part_size)):
            path = out / f"part-{part:05d}.parquet"
            files.append(path)
            if not path.exists():
                inside = slice(start, start + part_size)
                prepared = _ahead(pool, prepare, items[inside], _AHEAD * batch_size)
                write_part(path, ids[inside], *_computed(net, prepared, batch_size, start, bar))
            if bar is not None:
                bar.update(min(start + part_size, len(ids)))
    bad = {name: why for path in files for name, why in unreadable_of(path).items()}
    with written(out / UNREADABLE) as path, path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("id", "why"), *bad.items()])
    return Embedded(tuple(files), len(ids) - len(bad), bad)


def _net(model: Any, output: str, levels: Any, pooled: bool) -> Any:
    """The graph that ends in what is wanted, as {name: tensor}."""
    if output != "features":
        c.require(levels is None, "levels", 'None, but with output="features"')
        if output == "attention":
            return attention(model)
        outputs = (
            model.output
            if isinstance(model.output, dict)
            else dict(zip(model.output_names, model.outputs, strict=True))
        )
        return keras.Model(model.inputs, outputs)
    known = tuple(levels_of(model))
    c.require(known, "model", 'a graph of this package, but with output="scores"', value=model.name)
    maps = pyramid(model, levels or known[-1:])
    if not pooled:
        return maps
    pool = keras.layers.GlobalAveragePooling2D
    return keras.Model(model.input, {level: pool(name=f"mean_{level}")(x) for level, x in maps.output.items()})


def _items(images: Any) -> tuple[list[str], Any]:
    """(an id per image, what `Preprocessing` takes of each)."""
    if isinstance(images, (str, os.PathLike)):
        folder = pathlib.Path(images)
        if is_manifest(folder):
            return paths_of_manifest(folder, "images")
        c.require(folder.is_dir(), "images", "a folder that exists", error=NotADirectoryError)
        paths = [file.path for file in image_files(folder)[0]]
        c.require(paths, "images", f"a folder that has images ({', '.join(READABLE)})")
        prefix = os.path.join(folder, "")  # noqa: PTH118  (there may be millions)
        return [path.removeprefix(prefix) for path in paths], paths
    opened: Images = open_images(images, "refuse", False, "images")
    ids = opened.source.tolist() if opened.are_files else list(map(str, range(opened.count)))
    return ids, opened.source


def _begin(out: pathlib.Path, run: dict[str, Any]) -> None:
    """Makes the folder, or finds in it what this call began; removes what killed processes were writing."""
    c.require(out.is_dir() or not out.exists(), "out", "a folder, or a path for one", error=NotADirectoryError)
    out.mkdir(parents=True, exist_ok=True)
    if (out / RUN).exists():
        there = json.loads((out / RUN).read_text())
        differing = c.differences(there, run)
        lines = "".join(f"\n  {line}" for line in differing)
        c.require(not differing, "out", f"a folder of the same call, or a new one; in this one differ:{lines}")
    else:
        c.require(not any(out.glob("part-*.parquet")), "out", "a folder without parts of another call", value=str(out))
        with written(out / RUN) as path:
            path.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
    for name in (RUN, UNREADABLE, *{entry.name[1:].partition(".writing-")[0] for entry in out.glob(".part-*")}):
        clean(out / name)


def _ahead(pool: Any, prepare: Any, items: Any, count: int) -> Iterator[Any]:
    """Each image as pixels (H, W, C), or why it can't be read, in order; up to `count` are prepared ahead."""
    waiting: collections.deque[Any] = collections.deque()
    for item in items:
        waiting.append(pool.submit(_pixels, prepare, item))
        if len(waiting) > count:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _pixels(prepare: Any, item: Any) -> Any:
    try:
        return prepare(item)[0]
    except (ValueError, OSError) as error:
        return str(error).partition("whole image files: ")[2] or str(error)


def _computed(net: Any, prepared: Iterator[Any], batch_size: int, done: int, bar: Any) -> tuple[dict[int, str], Any]:
    """({number: why} of what can't be read, {output: (N, ...)} of the others)."""
    bad: dict[int, str] = {}
    batch: list[Any] = []
    rows = collections.defaultdict(list)

    def flush() -> None:
        full = np.stack(batch + batch[-1:] * (batch_size - len(batch)))  # one shape, so that nothing is traced again
        for name, value in net.predict_on_batch(full).items():
            value = np.asarray(value, "float32")  # windows stand on the batch axis, image by image
            rows[name].append(value.reshape(batch_size, -1, *value.shape[1:])[: len(batch)])
        batch.clear()

    for i, pixels in enumerate(prepared):
        if isinstance(pixels, str):
            bad[i] = pixels
        else:
            batch.append(pixels)
        if len(batch) == batch_size:
            flush()
            if bar is not None:
                bar.update(done + i + 1)
    if batch:
        flush()
    whole = {name: np.concatenate(values) for name, values in rows.items()}
    return bad, {name: value[:, 0] if value.shape[1] == 1 else value for name, value in whole.items()}


def _digest(parts: Any) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
