"""Images that a table lists: every kind of table, and what is wrong with one."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import vitgraph
from vitgraph.images import from_manifest

NAMES = ["b", "a", "b", "c"]


@pytest.fixture
def folder(tmp_path):
    """Four photographs in a folder of their own."""
    (tmp_path / "photographs").mkdir()
    for i in range(4):
        pixels = np.random.default_rng(i).integers(0, 256, (20, 24, 3), "uint8")
        Image.fromarray(pixels).save(tmp_path / "photographs" / f"{i}.png")
    return tmp_path


def rows(labels=NAMES, image="image", label="label"):
    return [{image: f"photographs/{i}.png", label: value} for i, value in enumerate(labels)]


def write(path, table):
    """A table of rows in the form that the path's ending says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(table), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in table), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, table[0], delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(table)
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_names_and_numbers(kind, folder):
    images = from_manifest(write(folder / f"named.{kind}", rows()))
    assert images.labels.tolist() == [1, 0, 1, 2] and images.class_names == ("a", "b", "c")
    assert images.source.tolist() == [str(folder / "photographs" / f"{i}.png") for i in range(4)]
    numbered = from_manifest(write(folder / f"numbered.{kind}", rows([1, 0, 1, 2])))
    assert numbered.labels.tolist() == [1, 0, 1, 2] and (numbered.class_names, numbered.num_classes) == (None, 3)
    unlabelled = from_manifest(write(folder / f"unlabelled.{kind}", rows()), labelled=False)
    assert (unlabelled.count, unlabelled.labels) == (4, None)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_columns_by_other_names(kind, folder):
    usual = from_manifest(write(folder / f"usual.{kind}", rows(image="file_name", label="class")))
    own = write(folder / f"own.{kind}", [row | {"label": "x"} for row in rows(image="foto", label="art")])
    assert from_manifest(own, image_column="foto", label_column="art").labels.tolist() == usual.labels.tolist()
    with pytest.raises(ValueError, match="a table with a column image or file_name or .*, or image_column=; it has"):
        from_manifest(own)
    with pytest.raises(ValueError, match="from_manifest: label_column='nothing'; allowed: one of the table's columns"):
        from_manifest(own, image_column="foto", label_column="nothing")


def test_paths_of_anywhere_and_texts_of_any_kind(folder):
    """Absolute paths, detours, a byte-order mark, quotes, commas and line ends within values."""
    (folder / "photographs" / "a, b.png").write_bytes((folder / "photographs" / "0.png").read_bytes())
    text = f'image,label\r\n"photographs/a, b.png","one\nor, ""two"""\r\n{folder}/photographs/1.png,three\r\n'
    text += "./photographs//../photographs/2.png,three\r\n"
    (folder / "odd.csv").write_bytes(text.encode("utf-8-sig"))
    images = from_manifest(folder / "odd.csv")
    assert images.class_names == ('one\nor, "two"', "three") and images.labels.tolist() == [0, 1, 1]


def test_what_can_not_be_read_is_named(folder):
    (folder / "photographs" / "1.png").write_bytes(b"no image")
    table = write(folder / "table.csv", [*rows(), {"image": "absent.png", "label": "a"}])
    with pytest.raises(ValueError, match="(?s)2 of 5 files can't be read.*1.png: .*absent.png: .*No such file"):
        from_manifest(table)
    with pytest.warns(UserWarning, match="2 of 5 files can't be read and are left out"):
        assert from_manifest(table, unreadable="skip", labelled=False).count == 3
    with (
        pytest.warns(UserWarning, match="2 of 5 files"),
        pytest.raises(ValueError, match="images of every class; no images of: a$"),
    ):
        from_manifest(table, unreadable="skip")
    numbered = write(folder / "numbered.csv", rows([1, 0, 1, 2]))
    with (
        pytest.warns(UserWarning, match="1 of 4 files"),
        pytest.warns(UserWarning, match="no images of these of the 3 classes, from 0: 0"),
    ):
        assert from_manifest(numbered, unreadable="skip").count == 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "a table with rows"),
        ("head.csv", b"image,label\n", "a table with rows"),
        ("bytes.csv", b"image,label\n\xff\xfe,a\n", "a text in UTF-8"),
        ("short.csv", b"image,label\nx.png\n", "as many values in each row as columns, unlike in line 2"),
        ("long.csv", b"image,label\nx.png,a,b\n", "as many values in each row as columns, unlike in line 2"),
        (
            "quote.csv",
            b'image,label\n"x.png,a\n',
            "comma- or tab-separated values, unlike line .: unexpected end of data",
        ),
        ("gap.csv", b"image,label\nx.png,a\ny.png,\n", "a value of 'label' in each row, unlike in row 2"),
        ("one.csv", b"image,label\nx.png,a\ny.png,a\n", "2 or more classes, not 'a' alone"),
        ("huge.csv", b"image,label\nx.png,99999999\n", "classes from 0 to 1048575"),
        (
            "broken.jsonl",
            b'{"image": "x.png", "label": 1}\n{"image"\n',
            "an object of JSON in each line, unlike line 2",
        ),
        ("digits.csv", b"image,label\nx.png," + b"9" * 5000 + b"\n", "classes from 0 to 1048575"),
        ("unknown.csv", b"image,label\nx.png,-1\ny.png,0\n", "classes from 0 to 1048575"),
        ("boxes.jsonl", b'{"image": "x.png", "label": [1, 2]}\n', "as the class of each row, unlike in row 1"),
        ("nul.jsonl", b'{"image": "x\\u0000.png", "label": 1}\n', "has paths, unlike row 1"),
        ("half.jsonl", b'{"image": "x\\ud800.png", "label": 1}\n', "has paths, unlike row 1"),
        ("field.csv", b"image,label\nx.png," + b"a" * 200_000 + b"\n", "separated values, unlike line"),
        ("list.jsonl", b"[1, 2]\n", "an object of JSON in each line, unlike line 1"),
        ("deep.jsonl", b"[" * 100_000, "an object of JSON in each line, unlike line 1"),
        ("number.jsonl", b'{"image": 5, "label": 1}\n', "has paths, unlike row 1"),
        ("null.jsonl", b'{"image": "x.png", "label": null}\n', "a value of 'label' in each row, unlike in row 1"),
        ("damaged.parquet", b"PAR1 and nothing else", "a whole parquet file"),
        ("table.xlsx", b"", "a file that ends in .csv, .tsv, .jsonl, .parquet"),
    ],
)
def test_wrong_tables(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"from_manifest: manifest='.*{name}'; allowed: .*{message}"):
        from_manifest(tmp_path / name)


def test_a_net_is_trained_evaluated_and_embeds(folder):
    """Wherever images are taken."""
    table = write(folder / "table.csv", rows())
    net = vitgraph.build_vit((16, 16, 3), patch_size=8, dim=8, depth=1, num_heads=1, num_classes=3)
    assert vitgraph.evaluate(net, table, silent=True).class_names == ("a", "b", "c")
    vitgraph.embed(net, table, folder / "embedded", silent=True)
    parts = pq.read_table(folder / "embedded")
    assert parts["id"].to_pylist() == [row["image"] for row in rows()]
    with pytest.raises(FileNotFoundError, match="evaluate: images='nowhere.csv'; allowed: a file that exists"):
        vitgraph.evaluate(net, "nowhere.csv", silent=True)
