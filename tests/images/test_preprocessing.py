"""Does an image become what timm's evaluation makes of it with Pillow, in whichever form it is given?"""

import io
import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_sample_image

import vitgraph
from vitgraph import export
from vitgraph.images import Preprocessing

PHOTOGRAPH = Image.fromarray(load_sample_image("flower.jpg")).crop((100, 50, 501, 317))
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)


@pytest.fixture
def path(tmp_path):
    PHOTOGRAPH.save(tmp_path / "flower.jpg", quality=85, subsampling=2)
    return tmp_path / "flower.jpg"


def by_pillow(path, size, interpolation, crop_pct, crop_mode):
    """The steps of timm's transform, from 0 to 255."""
    image = Image.open(path).convert("RGB")
    height, width = (math.floor(side / crop_pct) for side in size)
    if crop_mode == "center" and height == width:
        short, long = sorted(image.size)
        resized = [height, int(height * long / short)]
        width, height = resized if image.size[0] == short else resized[::-1]
    elif crop_mode == "center":
        ratio = min(image.size[1] / height, image.size[0] / width)
        width, height = (round(side / ratio) for side in image.size)
    image = image.resize((width, height), Image.Resampling[interpolation.upper()])
    top, left = round((height - size[0]) / 2), round((width - size[1]) / 2)
    return np.asarray(image.crop((left, top, left + size[1], top + size[0])), "float64")


@pytest.mark.parametrize(
    ("size", "interpolation", "crop_pct", "crop_mode"),
    [
        ((224, 224), "bicubic", 0.9, "center"),
        ((224, 224), "bilinear", 0.875, "center"),
        ((96, 160), "bicubic", 0.9, "center"),
        ((384, 384), "bicubic", 1.0, "squash"),
    ],
)
def test_the_numbers_are_pillows(path, size, interpolation, crop_pct, crop_mode):
    """To one level of 255, but for one value in a thousand."""
    prepare = Preprocessing(size, MEAN, STD, interpolation, crop_pct, crop_mode)
    pixels = (prepare(path)[0] * STD + MEAN) * 255
    differences = np.abs(pixels - by_pillow(path, size, interpolation, crop_pct, crop_mode))
    assert (differences > 1.01).mean() < 1e-3 and differences.max() < 3


def test_hard_edges_are_clipped_between_rows_and_columns(tmp_path):
    """A bicubic curve overshoots at them: Pillow clips twice."""
    board = np.kron(np.indices((40, 40)).sum(axis=0) % 2, np.ones((5, 5))) * 255
    Image.fromarray(board.astype("uint8")).convert("RGB").save(tmp_path / "board.png")
    pixels = Preprocessing((64, 64), (0.0,) * 3, (1.0,) * 3)(tmp_path / "board.png")[0] * 255
    expected = by_pillow(tmp_path / "board.png", (64, 64), "bicubic", 1.0, "center")
    assert np.abs(pixels - expected).max() < 1.01


def test_all_forms_of_an_image_are_alike(path):
    prepare = Preprocessing((32, 48), MEAN, STD)
    expected, content = prepare(path), path.read_bytes()
    pixels = np.asarray(Image.open(path))
    assert expected.shape == (1, 32, 48, 3) and expected.dtype == np.float32
    for image in (str(path), content, Image.open(path), pixels, pixels / 255, pixels[None], [path]):
        np.testing.assert_allclose(prepare(image), expected, atol=1e-6)
    mixed = prepare([path, content, PHOTOGRAPH])
    np.testing.assert_array_equal(mixed[:2], np.repeat(expected, 2, axis=0))
    for source in ([str(path)], [content], pixels[None]):
        (prepared,) = prepare(tf.data.Dataset.from_tensor_slices(source)).batch(1)
        np.testing.assert_allclose(prepared, expected, atol=1e-6)
    ((prepared, label),) = prepare(tf.data.Dataset.from_tensor_slices(([str(path)], [7])).batch(1))
    np.testing.assert_allclose(prepared, expected, atol=1e-6)
    assert label.numpy().tolist() == [7]


def test_exif_is_obeyed_when_asked(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    PHOTOGRAPH.save(tmp_path / "turned.jpg", exif=exif)
    stored, upright = (Preprocessing((64, 64), upright=upright) for upright in (False, True))
    turned = PHOTOGRAPH.transpose(Image.Transpose.ROTATE_270)
    content = io.BytesIO()
    turned.save(content, "jpeg")
    assert np.abs(upright(tmp_path / "turned.jpg") - stored(turned)).mean() < 0.05
    assert np.abs(stored(tmp_path / "turned.jpg") - stored(PHOTOGRAPH)).mean() < 0.05
    assert np.abs(stored(tmp_path / "turned.jpg") - upright(tmp_path / "turned.jpg")).mean() > 0.3
    np.testing.assert_array_equal(upright(Image.open(tmp_path / "turned.jpg")), upright(tmp_path / "turned.jpg"))


def test_grey_levels_and_the_order_of_channels(path):
    rgb, bgr = (Preprocessing((32, 32), MEAN, STD, channel_order=order) for order in ("RGB", "BGR"))
    pixels = np.asarray(PHOTOGRAPH.resize((32, 32)))
    np.testing.assert_array_equal(bgr(pixels), rgb(pixels[..., ::-1]))
    assert Preprocessing((32, 32), (0.5,), (0.5,))(path).shape == (1, 32, 32, 1)
    assert rgb(pixels[..., 0]).shape == (1, 32, 32, 3)


def test_in_the_graph():
    """All but resize and crop."""
    net = vitgraph.build_vit((16, 16, 3), patch_size=8, dim=8, depth=1, num_heads=1, num_classes=2)
    prepare = Preprocessing((16, 16), MEAN, STD, channel_order="BGR")
    pixels = np.asarray(PHOTOGRAPH.resize((16, 16)))
    behind = export.with_preprocessing(net, preprocessing=prepare)
    np.testing.assert_allclose(behind(pixels[None]), net(prepare(pixels)), atol=1e-6)
    net.about = {"preprocessing": {"size": (16, 16), "mean": MEAN, "std": STD}}
    by_itself = export.with_preprocessing(net)
    np.testing.assert_allclose(by_itself(pixels[None]), net(Preprocessing((16, 16), MEAN, STD)(pixels)), atol=1e-6)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (5, TypeError, "images=5; allowed: paths, bytes of image files"),
        ([], ValueError, r"images=\[\]; allowed: at least one image"),
        (b"no image\0", ValueError, "allowed: whole image files: Unknown image file format"),
        (np.zeros((4, 4, 7), "uint8"), ValueError, "allowed: images of 3 channels, or that can be made so, not 7"),
        (np.full((4, 4, 3), 2.0), ValueError, "allowed: floats from 0 to 1"),
        ("absent.jpg", FileNotFoundError, "absent.jpg"),
    ],
)
def test_what_is_no_image_is_refused(images, error, message):
    with pytest.raises(error, match=message):
        Preprocessing((8, 8))(images)
