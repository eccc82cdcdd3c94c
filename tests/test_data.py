"""Images for training: what is read, what is refused, and that an epoch is the same whenever it is made."""

import numpy as np
import pytest
from PIL import Image

from vitgraph.training.augmentation import Augmentation, preview
from vitgraph.training.data import batches, from_arrays, from_folder

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (12, 20, 24, 3), "uint8")
LABELS = np.arange(12) % 3
PLAIN = {"normalization": ((0.0,) * 3, (1.0,) * 3), "seed": 1, "epoch": 2}
STRONG = Augmentation(
    crop_scale=(0.3, 1.0), flip=0.5, rand_augment=2, color_jitter=0.4, mixup=0.8, cutmix=1.0, erasing=0.5
)


def write(folder, kinds=("png", "jpg", "bmp", "gif")):
    """Four images of each of three classes, one of them in a folder within, grey and transparent ones among them."""
    for i, (pixels, label) in enumerate(zip(PIXELS, LABELS, strict=True)):
        path = folder / "abc"[label] / ("" if i % 4 else "deeper")
        path.mkdir(parents=True, exist_ok=True)
        mode = ("RGB", "L", "RGBA", "RGB")[i % 4] if kinds[i % 4] == "png" else "RGB"
        Image.fromarray(pixels).convert(mode).save(path / f"{i}.{kinds[i % 4]}")
    return folder


def arrays(dataset):
    return [[np.asarray(part) for part in (batch if isinstance(batch, tuple) else (batch,))] for batch in dataset]


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


def test_folder(tmp_path):
    images = from_folder(write(tmp_path, ("png",) * 4))
    assert (images.count, images.num_classes, images.class_names) == (12, 3, ("a", "b", "c"))
    assert from_folder(tmp_path, labelled=False).count == 12 and from_folder(tmp_path, labelled=False).labels is None
    dataset = batches(images, batch_size=5, image_size=(20, 24), training=False, **PLAIN)
    assert len(dataset) == 3
    seen = {}
    for pixels, labels in arrays(dataset):
        assert pixels.shape[1:] == (20, 24, 3) and pixels.dtype == labels.dtype == "float32"
        seen.update({path.tobytes(): label for path, label in zip(pixels, labels.argmax(axis=1), strict=True)})
    colour = PIXELS[3].astype("float32") / 255
    assert seen[colour.tobytes()] == LABELS[3]  # neither grey nor transparent: as it was written


def test_all_kinds_of_files(tmp_path):
    images = from_folder(write(tmp_path))
    (pixels, _), *_ = arrays(batches(images, batch_size=12, image_size=16, training=False, **PLAIN))
    assert pixels.shape == (12, 16, 16, 3) and pixels.min() >= 0 and pixels.max() <= 1


def test_unreadable_files_are_named_or_left_out(tmp_path):
    write(tmp_path, ("png",) * 4)
    whole = (tmp_path / "a" / "3.png").read_bytes()
    (tmp_path / "a" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "b" / "empty.jpg").write_bytes(b"")
    (tmp_path / "c" / "text.gif").write_text("no image")
    (tmp_path / "c" / "notes.txt").write_text("not listed")
    with pytest.raises(ValueError, match=r"3 of 15 files(?s:.*)cut.png(?s:.*)empty.jpg(?s:.*)text.gif"):
        from_folder(tmp_path)
    with pytest.warns(UserWarning, match=r"3 of 15 files .*cut.png.*empty.jpg.*text.gif"):
        assert from_folder(tmp_path, unreadable="skip").count == 12


def test_wrong_folders(tmp_path):
    with pytest.raises(OSError, match="is no folder"):
        from_folder(tmp_path / "absent")
    with pytest.raises(ValueError, match="0 folders; allowed"):
        from_folder(tmp_path)
    (tmp_path / "one").mkdir()
    with pytest.raises(ValueError, match="the one folder 'one'"):
        from_folder(tmp_path)
    (tmp_path / "two").mkdir()
    with pytest.raises(ValueError, match="has no images"):
        from_folder(tmp_path)
    Image.fromarray(PIXELS[0]).save(tmp_path / "one" / "0.png")
    with pytest.raises(ValueError, match="no images in .* of: two"):
        from_folder(tmp_path)


@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [
        (PIXELS[0, 0], None, r"shape \(24, 3\)"),
        (PIXELS.astype("float32"), None, "allowed: uint8, or floats in 0 ... 1"),
        (np.full((2, 4, 4, 3), np.nan), None, "floats in 0 ... 1"),
        (PIXELS, LABELS[:5], r"labels of shape \(5,\).* 12 integers"),
        (PIXELS, LABELS - 1, "-1 ... 1; allowed: 12 integers from 0"),
        (PIXELS, LABELS + 0.5, "allowed: 12 integers"),
        (PIXELS, np.full((12, 3), 0.5), "one 1 a row"),
    ],
)
def test_wrong_arrays(images, labels, says):
    with pytest.raises(ValueError, match=says):
        from_arrays(images, labels)


def test_arrays_in_all_forms():
    images = from_arrays(PIXELS / 255.0, np.eye(3)[LABELS])
    np.testing.assert_array_equal(images.source, PIXELS)
    np.testing.assert_array_equal(images.labels, LABELS)
    assert from_arrays(PIXELS[..., 0]).source.shape == (12, 20, 24, 1)


def test_split_holds_out_a_share_of_each_class():
    images = from_arrays(PIXELS, LABELS)
    rest, held = images.split(0.25, seed=0)
    assert (rest.count, held.count) == (9, 3)
    np.testing.assert_array_equal(np.sort(held.labels), [0, 1, 2])
    assert not {x.tobytes() for x in rest.source} & {x.tobytes() for x in held.source}


def test_an_epoch_is_the_same_in_any_process_and_others_are_not(tmp_path, fresh_process):
    write(tmp_path, ("png",) * 4)
    code = """
import sys, numpy as np
from tests.test_data import PLAIN, STRONG, arrays
from vitgraph.training.data import batches, from_folder
for i, batch in enumerate(arrays(batches(from_folder(sys.argv[1]), batch_size=5, image_size=16, augmentation=STRONG,
                                         training=True, **PLAIN))):
    np.savez(f"{sys.argv[1]}/{i}.npz", *batch)
"""
    images = from_folder(tmp_path)
    options = {"batch_size": 5, "image_size": 16, "augmentation": STRONG, "training": True}
    here = arrays(batches(images, **options, **PLAIN))
    assert len(here) == 2  # the last two images are left out
    assert_same(here, arrays(batches(images, **options, **PLAIN)))
    fresh_process(code, tmp_path)
    for i, batch in enumerate(here):
        with np.load(tmp_path / f"{i}.npz") as there:
            assert_same([batch], [[there[name] for name in there.files]])
    other = arrays(batches(images, **options, **{**PLAIN, "epoch": 3}))
    assert not np.array_equal(here[0][0], other[0][0])


def test_augmentation_mixes_images_and_labels():
    images = from_arrays(PIXELS, LABELS)
    options = {"batch_size": 12, "image_size": (20, 24), "training": True, **PLAIN}
    (mixed, labels), *_ = arrays(batches(images, augmentation=Augmentation(mixup=1.0), label_smoothing=0.3, **options))
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-5)
    assert labels.min() > 0.05 and not np.isin(labels.max(axis=1).round(3), 0.8).all()
    (plain, sharp), *_ = arrays(batches(images, **options))
    assert set(np.unique(sharp)) == {0, 1}
    assert {x.tobytes() for x in plain} == {x.tobytes() for x in PIXELS.astype("float32") / 255}
    assert not {x.tobytes() for x in plain} & {x.tobytes() for x in mixed}
    (turned, _), *_ = arrays(batches(images, augmentation=Augmentation(flip=1.0), **options))
    np.testing.assert_array_equal(turned, plain[:, :, ::-1])


def test_preview_is_a_picture(tmp_path):
    images = from_arrays(np.concatenate([PIXELS, PIXELS]), np.concatenate([LABELS, LABELS]))
    preview(images, Augmentation(mixup=0.8, flip=0.5), tmp_path / "sheet.png", image_size=32)
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ({"crop_scale": (0.5, 0.2)}, "crop_scale"),
        ({"flip": 2}, "flip=2; allowed: 0 ... 1"),
        ({"rand_augment": -1}, "rand_augment=-1"),
        ({"mixup": "much"}, "mixup='much'"),
    ],
)
def test_wrong_numbers(numbers, says):
    with pytest.raises((ValueError, TypeError), match=says):
        Augmentation(**numbers)
