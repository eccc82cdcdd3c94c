"""The parquet files of `embed`: a row per image, and in the metadata what is no row."""

import json
import os

from vitgraph.scratch import written


def write_part(path, ids, bad, outputs):
    """Writes a file, whole or not at all.

    Args:
        path: the file.
        ids: an id per image.
        bad: {number of an image that couldn't be read: why}.
        outputs: {name: (images that could be read, ...), float32}.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [_text(name) for name in ids]
    columns = {"id": pa.array([name for i, name in enumerate(names) if i not in bad], pa.string())}
    for name, value in outputs.items():
        columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(value.reshape(-1)), value[0].size)
    about = {
        "shapes": {name: value.shape[1:] for name, value in outputs.items()},
        "unreadable": {names[i]: why for i, why in bad.items()},
    }
    table = pa.table(columns).replace_schema_metadata({"vitgraph": json.dumps(about)})
    with written(path) as scratch:
        pq.write_table(table, scratch)


def unreadable_of(path):
    """{id: why} of the images of a part that couldn't be read."""
    import pyarrow.parquet as pq

    return json.loads(pq.read_schema(path).metadata[b"vitgraph"])["unreadable"]


def _text(name):
    """A path as parquet takes it, also where its bytes aren't UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
