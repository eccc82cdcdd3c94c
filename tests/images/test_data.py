"""Images for training: what is read, what is refused, and that an epoch is the same whenever it is made."""

import os
import re
import shutil

import keras
import numpy as np
import pytest
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from vitgraph.images import Augmentation, Images, from_arrays, from_folder
from vitgraph.images.crops import View
from vitgraph.images.reading import decode, decode_part
from vitgraph.training import batches, preview

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (12, 20, 24, 3), "uint8")
LABELS = np.arange(12) % 3
PLAIN = {"normalization": ((0.0,) * 3, (1.0,) * 3), "seed": 1, "epoch": 2}
STRONG = Augmentation(
    crop_scale=(0.3, 1.0),
    flip=0.5,
    auto_augment="rand-m9-mstd0.5",
    color_jitter=0.4,
    mixup=0.8,
    cutmix=1.0,
    erasing=0.5,
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


def test_every_kind_of_file_is_read_as_pillow_reads_it(tmp_path):
    """What is grey, transparent, or printed in four colours, as colour and as grey."""
    picture = Image.fromarray(PIXELS[0]).resize((96, 80), Image.Resampling.BICUBIC)
    kinds = [("L", "png"), ("LA", "png"), ("P", "png"), ("RGBA", "png"), ("1", "png"), ("L", "bmp"), ("RGBA", "bmp")]
    kinds += [("RGB", "gif"), ("RGBA", "webp"), ("RGB", "webp"), ("L", "jpg"), ("CMYK", "jpg"), ("L", "jfif")]
    kinds += [
        ("L", "jpe"),
        ("RGB", "tif"),
        ("L", "tiff"),
        ("1", "tif"),
        ("P", "tiff"),
        ("CMYK", "tif"),
        ("RGBA", "tif"),
    ]
    kinds += [("RGB", "avif"), ("RGBA", "AVIF")]
    wanted = []
    for i, (mode, kind) in enumerate(kinds):
        path, image = tmp_path / f"{i:02}.{kind}", picture.convert(mode)
        if mode in ("LA", "RGBA"):
            image.putalpha(128)
        image.save(path, **({"lossless": True} if kind == "webp" else {}))
        with Image.open(path) as read:
            wanted.append([np.asarray(read.convert(m), "float32") for m in ("RGB", "L")])
    images = from_folder(tmp_path, labelled=False)
    options = {"batch_size": len(kinds), "image_size": (80, 96), "training": False, "seed": 0, "epoch": 0}
    ((colour,),) = arrays(batches(images, normalization=PLAIN["normalization"], **options))
    ((grey,),) = arrays(batches(images, channels=1, normalization=((0.0,), (1.0,)), **options))
    for i, (rgb, luma) in enumerate(wanted):
        np.testing.assert_allclose(colour[i] * 255, rgb, atol=3, err_msg=str(kinds[i]))
        np.testing.assert_allclose(grey[i, ..., 0] * 255, luma, atol=3, err_msg=str(kinds[i]))


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "avif"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_pictures_are_turned_upright(ending, order, tmp_path):
    """As Pillow turns them; the file lies on its side in four of the eight ways."""
    picture = Image.fromarray(PIXELS[0]).convert("L").resize((96, 80), Image.Resampling.BICUBIC).convert("RGB")
    for way in range(1, 9):
        exif = Image.Exif()
        exif.endian = order
        exif[0x010E], exif[0x0112] = "a picture", way
        picture.save(tmp_path / f"{way}.{ending}", exif=exif)
    files = sorted(tmp_path.iterdir())
    images = from_folder(tmp_path, labelled=False)
    for options in ({"training": False}, {"training": True, "augmentation": Augmentation()}):
        seen = batches(images, batch_size=1, image_size=(96, 80), **options, **PLAIN)
        seen = {x.tobytes(): x[0] for ((x,),) in ([batch] for batch in arrays(seen))}
        for path in files[4:]:
            with Image.open(path) as image:
                wanted = np.asarray(ImageOps.exif_transpose(image).convert("RGB"), "float32")
            assert wanted.shape == (96, 80, 3)
            assert min(abs(x * 255 - wanted).max() for x in seen.values()) <= 3
    ((whole,),) = arrays(batches(images, batch_size=8, image_size=(80, 96), training=False, **PLAIN))
    for i in range(4):
        with Image.open(files[i]) as image:
            wanted = np.asarray(ImageOps.exif_transpose(image).convert("RGB"), "float32")
        np.testing.assert_allclose(whole[i] * 255, wanted, atol=3)


@pytest.mark.parametrize(
    "content", [b"Exif\0\0II*\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"]
)
def test_damaged_exif_turns_nothing(content, tmp_path):
    for name, options in (("0.jpg", {"exif": content}), ("1.jpg", {})):
        Image.fromarray(PIXELS[0]).save(tmp_path / name, **options)
    images = from_folder(tmp_path, labelled=False)
    ((pixels,),) = arrays(batches(images, batch_size=2, image_size=(20, 24), training=False, **PLAIN))
    np.testing.assert_array_equal(*pixels)


def test_what_is_left_out_is_counted(tmp_path):
    write(tmp_path, ("png",) * 4)
    for name in ("1.heic", "2.HEIC", "3", "4.txt", ".hidden"):
        (tmp_path / "a" / name).write_bytes(b"")
    with pytest.warns(UserWarning, match="left out because of their endings: 2 .heic, 1 without one, 1 .txt$"):
        assert from_folder(tmp_path).count == 12
    with pytest.raises(ValueError, match="allowed: a folder that has images .*left out.*: 1 .pdf"):
        (tmp_path / "a" / "deep").mkdir()
        (tmp_path / "a" / "deep" / "1.pdf").write_bytes(b"")
        from_folder(tmp_path / "a" / "deep", labelled=False)


def test_without_pillow_its_files_are_counted_too(tmp_path, fresh_process):
    write(tmp_path, ("png",) * 4)
    Image.fromarray(PIXELS[0]).save(tmp_path / "a" / "1.tif")
    code = """
import sys, warnings
sys.modules["PIL"] = None
from vitgraph.images import from_folder
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    print(from_folder(sys.argv[1]).count, said[-1].message)
"""
    assert "12 images: files left out because of their endings: 1 .tif (pip install pillow" in fresh_process(
        code, tmp_path
    )


def test_files_that_cannot_be_opened_are_refused(tmp_path):
    write(tmp_path, ("png",) * 4)
    os.mkfifo(tmp_path / "a" / "pipe.png")
    (tmp_path / "b" / "lost.png").symlink_to("nowhere.png")
    shutil.copy(tmp_path / "a" / "3.png", os.fsencode(tmp_path / "c") + b"/\xff.png")
    Image.fromarray(np.zeros((4, 4), "uint16")).save(tmp_path / "c" / "deep.tif")
    (tmp_path / "c" / "broken.avif").write_bytes(b"\0\0\0\x20ftypavif")
    with pytest.raises(ValueError, match="5 of 17 files") as refused:
        from_folder(tmp_path)
    for line in ("pipe.png: no regular file", "lost.png: .*No such file", r"\\xff.png: a name that isn't UTF-8"):
        assert re.search(line, str(refused.value))
    assert re.search("deep.tif: numbers beyond 8 bits", str(refused.value))
    str(refused.value).encode()
    with pytest.warns(UserWarning, match="5 of 17 files can't be read and are left out"):
        assert from_folder(tmp_path, unreadable="skip").count == 12


@pytest.mark.parametrize(
    ("labels", "says"), [(LABELS + 1, "of the 4 .*: 0$"), (LABELS * 8, "of the 17 .*: 1, 2, .* 11 and 4 more$")]
)
def test_classes_without_images_are_named(labels, says):
    with pytest.warns(UserWarning, match=f"no images of these {says}"):
        from_arrays(PIXELS, labels)
    with pytest.warns(UserWarning, match=f"no images of these {says}"):
        from_arrays(PIXELS, np.eye(labels.max() + 1)[labels])


def test_files_that_would_be_read_wrongly_are_refused(tmp_path):
    picture = Image.fromarray(PIXELS[0])
    picture.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "colours.bmp")
    picture.save(tmp_path / "moving.webp", save_all=True, append_images=[picture.rotate(90)])
    picture.save(tmp_path / "cut.jpg", quality=95)
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:-40])
    with pytest.raises(ValueError, match="3 of 3(?s:.*)a palette of colours(?s:.*)cut.jpg(?s:.*)an animated WebP"):
        from_folder(tmp_path, labelled=False)


@pytest.mark.parametrize(("crop_pct", "crop_mode"), [(0.9, "center"), (0.875, "squash")])
def test_published_checkpoints_are_evaluated_as_by_timm(crop_pct, crop_mode, tmp_path):
    """Its steps in Pillow: resize by cubic curves, crop in the centre. Whole levels, so that a few differ by one."""
    pixels = np.random.default_rng(1).integers(0, 256, (30, 40, 3), "uint8")
    picture = Image.fromarray(pixels).resize((500, 375), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "0.png")
    side = int(224 / crop_pct)
    width = side * 500 // 375 if crop_mode == "center" else side
    left, top = round((width - 224) / 2), round((side - 224) / 2)
    resized = picture.resize((width, side), Image.Resampling.BICUBIC)
    wanted = np.asarray(resized.crop((left, top, left + 224, top + 224)), "float32")
    options = {"batch_size": 1, "image_size": 224, "training": False, "crop_pct": crop_pct, "crop_mode": crop_mode}
    ((given,),) = arrays(batches(from_folder(tmp_path, labelled=False), **options, **PLAIN))
    difference = abs(given[0] * 255 - wanted)
    assert (difference > 1.5).mean() < 1e-4 and difference.mean() < 2e-3


PHOTOGRAPHS = [Image.fromarray(pixels) for pixels in load_sample_images()["images"]]


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 90},
        {"quality": 50, "subsampling": "4:2:2"},
        {"quality": 98, "subsampling": 0},
        {"progressive": True},
    ],
)
def test_photographs_are_decoded_as_by_pillow(options, tmp_path):
    for i, photograph in enumerate([*PHOTOGRAPHS, PHOTOGRAPHS[0].convert("L"), PHOTOGRAPHS[1].crop((3, 2, 402, 303))]):
        photograph.save(tmp_path / f"{i}.jpg", **options)
        with Image.open(tmp_path / f"{i}.jpg") as read:
            given = decode((tmp_path / f"{i}.jpg").read_bytes())
            np.testing.assert_array_equal(given, read.convert("RGB"))


@pytest.mark.parametrize("kind", ["jpg", "grey", "four colours", "progressive", "turned", "png", "tif"])
def test_a_part_of_a_photograph_is_decoded_as_the_whole(kind, tmp_path):
    """Parts that begin between blocks, at a block's edge and at the picture's."""
    photograph = PHOTOGRAPHS[0].resize((151, 101)).convert({"grey": "L", "four colours": "CMYK"}.get(kind, "RGB"))
    path, options = tmp_path / f"0.{kind if kind in ('png', 'tif') else 'jpg'}", {}
    if kind == "turned":
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = 6
    photograph.save(path, progressive=kind == "progressive", **options)
    content = path.read_bytes()
    whole = decode(content).numpy()
    height, width = whole.shape[:2]
    for top, left, h, w in [(0, 0, height, width), (16, 32, 30, 1), (5, 3, 1, 50), (height - 9, width - 7, 9, 7)]:
        given, view = decode_part(content, lambda shape, part=(top, left, h, w): View(part[:2], part[2:]))
        np.testing.assert_array_equal(given, whole[top : top + h, left : left + w])
        assert view.extent == (h, w)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("crop_pct", "crop_mode"), [(0.9, "center"), (0.875, "squash"), (1.0, "center")])
def test_photographs_are_evaluated_as_by_timm(crop_pct, crop_mode, interpolation, tmp_path):
    """timm's steps in Pillow, of two photographs and one that is enlarged: 99.9 % of the values to one level."""
    small = PHOTOGRAPHS[1].resize((150, 190), Image.Resampling.BICUBIC)
    side, wanted = int(224 / crop_pct), []
    for i, photograph in enumerate([*PHOTOGRAPHS, small]):
        photograph.save(tmp_path / f"{i}.jpg", quality=90)
        width = height = side
        with Image.open(tmp_path / f"{i}.jpg") as read:
            if crop_mode == "center":
                shorter = min(read.size)
                width, height = (side if n == shorter else side * n // shorter for n in read.size)
            resized = read.resize((width, height), Image.Resampling[interpolation.upper()])
        left, top = round((width - 224) / 2), round((height - 224) / 2)
        wanted.append(np.asarray(resized.crop((left, top, left + 224, top + 224)), "float32"))
    options = {"batch_size": 3, "image_size": 224, "training": False, "crop_pct": crop_pct, "crop_mode": crop_mode}
    images = from_folder(tmp_path, labelled=False)
    ((given,),) = arrays(batches(images, interpolation=interpolation, **options, **PLAIN))
    assert (abs(given * 255 - wanted) < 1.5).mean() > 0.999


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
    with pytest.raises(OSError, match="^from_folder: folder=.*absent'.*; allowed: a folder that exists"):
        from_folder(tmp_path / "absent")
    with pytest.raises(ValueError, match="2 or more classes, not 0 folders"):
        from_folder(tmp_path)
    (tmp_path / "one").mkdir()
    with pytest.raises(ValueError, match="the one folder 'one'"):
        from_folder(tmp_path)
    (tmp_path / "two").mkdir()
    with pytest.raises(ValueError, match="allowed: a folder that has images"):
        from_folder(tmp_path)
    Image.fromarray(PIXELS[0]).save(tmp_path / "one" / "0.png")
    with pytest.raises(ValueError, match="allowed: images of every class; no images of: two"):
        from_folder(tmp_path)
    Image.fromarray(PIXELS[0]).save(tmp_path / "two" / "0.png")
    Image.fromarray(PIXELS[0]).save(tmp_path / "stray.png")
    with pytest.raises(ValueError, match="not beside them: stray.png"):
        from_folder(tmp_path)


@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [
        (PIXELS[0, 0], None, r"images=.*; allowed: \(N, H, W, C\).* not \(24, 3\)"),
        (PIXELS[:, :0], None, r"each at least 1, not \(12, 0, 24, 3\)"),
        (None, None, "images=None; allowed: an array"),
        ([[1], [1, 2]], None, "images=.*; allowed: an array"),
        (np.full((2, 4, 4, 3), 1j), None, "not complex128"),
        (PIXELS, np.r_[np.inf, LABELS[1:]], "to inf"),
        (PIXELS, LABELS + 2**40, "12 integers from 0 to 1048575"),
        (PIXELS.astype("float32"), None, "allowed: uint8, or floats from 0 to 1, not from 0.0 to 255.0"),
        (np.full((2, 4, 4, 3), np.nan), None, "floats from 0 to 1"),
        (PIXELS, LABELS[:5], r"12 integers from 0 .* int64 \(5,\)"),
        (PIXELS, LABELS - 1, "12 integers from 0 .* from -1 to 1"),
        (PIXELS, LABELS + 0.5, "allowed: as labels 12 integers"),
        (PIXELS, np.full((12, 3), 0.5), "a single 1 per row"),
        (PIXELS, ["cat"] * 12, "allowed: as labels 12 integers"),
        (PIXELS, [], "allowed: as labels 12 integers"),
    ],
)
def test_wrong_arrays(images, labels, says):
    with pytest.raises((ValueError, TypeError), match=f"^from_arrays: .*{says}"):
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


def test_split_leaves_something_to_train_on():
    images = from_arrays(PIXELS, [0] * 11 + [1])
    rest, held = images.split(0.1, seed=0)
    assert (sorted(set(rest.labels)), list(held.labels)) == ([0, 1], [0])
    for fraction in (0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="split: fraction=.*; allowed: a number over 0, less than 1"):
            images.split(fraction, seed=0)
    with pytest.raises(ValueError, match="batch_size=13; allowed: at most 12"):
        batches(images, batch_size=13, image_size=16, training=True, **PLAIN)


def test_as_many_images_and_classes_as_imagenet_has():
    """A table of their labels in the graph would be too large for it."""
    images = from_arrays(np.zeros((540_000, 1, 1, 3), "uint8"), np.arange(540_000) % 1000)
    _, labels = next(iter(batches(images, batch_size=2, image_size=1, training=True, label_smoothing=0.1, **PLAIN)))
    np.testing.assert_allclose(np.asarray(labels).max(axis=1), 0.9001, rtol=1e-6)


def test_an_epoch_is_the_same_in_any_process_and_others_are_not(tmp_path, fresh_process):
    write(tmp_path, ("png",) * 4)
    code = """
import sys, numpy as np
from tests.images.test_data import PLAIN, STRONG, arrays
from vitgraph.images import from_folder
from vitgraph.training import batches
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


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_labels_say_what_cutmix_shows(policy):
    """White images of one class, black ones of the other: the mean of the pixels is the share of the first."""
    classes = np.arange(64) % 2
    images = from_arrays(np.broadcast_to(np.uint8(255 * classes[:, None, None, None]), (64, 16, 16, 3)), classes)
    keras.config.set_dtype_policy(policy)
    try:
        options = {"batch_size": 64, "image_size": 16, "training": True, "augmentation": Augmentation(cutmix=1.0)}
        ((pixels, labels),) = arrays(batches(images, **options, **PLAIN))
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_allclose(labels[:, 1], pixels.mean(axis=(1, 2, 3)), atol=1e-5)
    assert ((labels[:, 1] > 0.05) & (labels[:, 1] < 0.95)).sum() > 10


def test_preview_is_a_picture(tmp_path):
    images = from_arrays(np.concatenate([PIXELS, PIXELS]), np.concatenate([LABELS, LABELS]))
    preview(images, Augmentation(mixup=0.8, flip=0.5), tmp_path / "sheet.png", image_size=32)
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ({"crop_scale": (0.5, 0.2)}, "crop_scale"),
        ({"flip": 2}, "flip=2; allowed: a number from 0 to 1"),
        ({"repeats": 0}, "repeats=0; allowed: an integer from 1 to 64"),
        ({"repeats": True}, "repeats=True"),
        ({"erasing_count": (3, 1)}, r"erasing_count=\(3, 1\); allowed: \(least, most\), in this order"),
        ({"erasing_count": (0, 1)}, r"erasing_count=\(0, 1\)"),
        ({"erasing_mode": "noise"}, "erasing_mode='noise'; allowed: 'pixel', 'rand', 'const'"),
        ({"erasing_area": (0.5, 2)}, "erasing_area="),
        ({"mix_mode": "half"}, "mix_mode='half'; allowed: 'batch', 'pair', 'elem'"),
        ({"cutmix_minmax": (0.8, 0.2)}, "cutmix_minmax="),
        ({"switch_prob": -0.1}, "switch_prob=-0.1; allowed: a number from 0 to 1"),
        ({"color_jitter": (0.4, 0.4)}, "color_jitter="),
        ({"color_jitter": (0.4, 0.4, 0.4, 0.6)}, "color_jitter="),
        ({"mixup": "much"}, "mixup='much'"),
        ({"mixup": (1,)}, r"mixup=\(1,\)"),
        ({"blur": float("nan")}, "blur=nan; allowed: a number from 0 to 1"),
        ({"crop_scale": (1e-300, 1)}, r"crop_scale=\(1e-300, 1\)"),
        ({"crop_ratio": None}, "crop_ratio=None"),
    ],
)
def test_wrong_numbers(numbers, says):
    with pytest.raises((ValueError, TypeError), match=f"^Augmentation: {says}"):
        Augmentation(**numbers)


GOOD = {"batch_size": 4, "image_size": 8, "training": True, **PLAIN}
WRONG = [
    ({"batch_size": 13}, "batch_size=13; allowed: at most 12"),
    ({"batch_size": True}, "batch_size=True; allowed: an integer"),
    ({"image_size": 2**40}, "image_size=1099511627776; allowed"),
    ({"channels": 5}, "channels=5; allowed: 1 or 3 for these images"),
    ({"channels": 1, "augmentation": Augmentation(color_jitter=0.5)}, "channels=1; allowed: 3 with color_jitter"),
    ({"channels": 1, "augmentation": Augmentation(grey=0.5)}, "channels=1; allowed: 3 with grey"),
    ({"normalization": ((0.0,) * 2, (1.0,) * 3)}, "normalization=.*; allowed: .* 3, one per channel"),
    ({"normalization": ((0.0,) * 3, (1e-300,) * 3)}, "normalization=.*; allowed: a sequence of 2"),
    ({"augmentation": {"mixup": 1}}, "augmentation=.*; allowed: None, or a vitgraph Augmentation"),
    ({"label_smoothing": 1.0}, "label_smoothing=1.0; allowed: 0 <= rate < 1"),
    ({"seed": -1}, "seed=-1; allowed: an integer from 0"),
    ({"epoch": 2**40}, "epoch=1099511627776; allowed: an integer from 0"),
    ({"interpolation": "nearest"}, "interpolation='nearest'; allowed: 'bicubic', 'bilinear'"),
    ({"crop_pct": 1e-9}, "crop_pct=1e-09; allowed: a number from 0.1 to 1"),
    ({"crop_mode": None}, "crop_mode=None; allowed: 'center', 'squash'"),
]


@pytest.mark.parametrize(("options", "says"), WRONG)
def test_wrong_batches(options, says):
    with pytest.raises((ValueError, TypeError), match=f"^batches: {says}"):
        batches(from_arrays(PIXELS, LABELS), **{**GOOD, "normalization": (0.0, 1.0), **options})


def test_images_must_fit_together():
    for wrong in ({"source": PIXELS[0]}, {"labels": LABELS[:5]}, {"labels": LABELS + 1}, {"class_names": ("a",)}):
        with pytest.raises(ValueError, match=f"^Images: {next(iter(wrong))}="):
            Images(**{"source": PIXELS, "labels": LABELS, "class_names": None, "num_classes": 3, **wrong})
    with pytest.raises(ValueError, match="images=.*; allowed: at least 16 images, not 12"):
        preview(from_arrays(PIXELS), Augmentation(), "absent/sheet.png")
