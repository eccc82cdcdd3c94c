"""Augmentation: operations as Pillow's, which timm and torchvision call, and draws as timm's.

Numbers of timm in here were measured with timm 1.0.31, 20,000 draws each.
"""

import functools

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from sklearn.datasets import load_sample_images

from vitgraph.images import Augmentation, from_arrays, operations, policies, seeds
from vitgraph.images.crops import random_box
from vitgraph.images.erasing import erase
from vitgraph.images.mixing import draw_mixes, mix
from vitgraph.training import batches

PHOTOGRAPHS = [
    Image.fromarray(pixels).resize((224, 200), Image.Resampling.BICUBIC) for pixels in load_sample_images()["images"]
]
FILL = (124, 116, 104)
COUNT = 10_000
KERNELS = {name: Image.Resampling[name.upper()] for name in ("nearest", "bilinear", "bicubic")}


def assert_equal_pictures(given, wanted, share=0.99):
    """Equal to one level of 255 in that share of the values."""
    difference = abs(np.asarray(given).astype(int) - np.asarray(wanted).astype(int))
    assert (difference <= 1).mean() >= share, (difference.max(), (difference <= 1).mean())


def enhanced(kind):
    return lambda image, factor: kind(image).enhance(factor)


def added(image, addend):
    return image.point([min(255, i + addend) if i < 128 else i for i in range(256)] * len(image.getbands()))


def hue_turned(image, turn):
    hue, *rest = image.convert("HSV").split()
    turned = Image.fromarray(np.asarray(hue) + np.uint8(int(turn * 255) % 256))
    return Image.merge("HSV", (turned, *rest)).convert("RGB")


def moved(image, matrix, kernel):
    return image.transform(image.size, Image.Transform.AFFINE, matrix, resample=kernel, fillcolor=FILL)


COLOURS = {
    "invert": (ImageOps.invert, [()]),
    "autocontrast": (ImageOps.autocontrast, [()]),
    "equalize": (ImageOps.equalize, [()]),
    "solarize": (ImageOps.solarize, [(0,), (26,), (128,), (256,)]),
    "solarize_add": (added, [(0,), (99,), (128,)]),
    "posterize": (ImageOps.posterize, [(1,), (3,), (8,)]),
    "brightness": (enhanced(ImageEnhance.Brightness), [(0.1,), (0.73,), (1.9,)]),
    "contrast": (enhanced(ImageEnhance.Contrast), [(0.1,), (0.73,), (1.9,)]),
    "color": (enhanced(ImageEnhance.Color), [(0.0,), (0.73,), (1.9,)]),
    "sharpness": (enhanced(ImageEnhance.Sharpness), [(0.1,), (0.73,), (1.9,)]),
    "gaussian_blur": (lambda image, r: image.filter(ImageFilter.GaussianBlur(r)), [(0.1,), (0.62,), (1.37,), (2.0,)]),
    "hue": (hue_turned, [(-0.1,), (0.05,), (0.5,)]),
}
SHAPES = {
    "shear_x": (lambda image, a, k: moved(image, (1, a, 0, 0, 1, 0), k), [0.27, -0.1]),
    "shear_y": (lambda image, a, k: moved(image, (1, 0, 0, a, 1, 0), k), [0.27, -0.1]),
    "translate_x": (lambda image, a, k: moved(image, (1, 0, a, 0, 1, 0), k), [90.72, -33.3, 0.0]),
    "translate_y": (lambda image, a, k: moved(image, (1, 0, 0, 0, 1, a), k), [90.72, -33.3, 0.0]),
    "rotate": (lambda image, a, k: image.rotate(a, resample=k, fillcolor=FILL), [27.0, -13.3, 0.0]),
}


def pictures():
    """Photographs, one of them paler, one grey."""
    pale = Image.fromarray((np.asarray(PHOTOGRAPHS[1]) // 2 + 30).astype("uint8"))
    return [*PHOTOGRAPHS, pale, PHOTOGRAPHS[0].convert("L")]


def pixels_of(image):
    pixels = np.asarray(image)
    return tf.constant(pixels if pixels.ndim == 3 else pixels[..., None])


@pytest.mark.parametrize("name", COLOURS)
def test_colours_are_changed_as_by_pillow(name):
    reference, arguments = COLOURS[name]
    for image in pictures()[: 3 if name == "hue" else 4]:
        for values in arguments:
            given = getattr(operations, name)(pixels_of(image), *map(tf.constant, values))
            assert_equal_pictures(np.squeeze(given), reference(image, *values))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", SHAPES)
def test_pictures_are_turned_and_shifted_as_by_pillow(name, kernel):
    reference, arguments = SHAPES[name]
    for image in PHOTOGRAPHS:
        for value in arguments:
            given = getattr(operations, name)(pixels_of(image), tf.constant(value, tf.float64), kernel, FILL)
            assert_equal_pictures(given, reference(image, value, KERNELS[kernel]))


def test_extremes():
    """A picture of one colour, and one of one pixel."""
    for pixels in (np.full((5, 7, 3), 90, "uint8"), np.full((1, 1, 3), 200, "uint8")):
        image = Image.fromarray(pixels)
        for name, (reference, arguments) in COLOURS.items():
            given = getattr(operations, name)(tf.constant(pixels), *map(tf.constant, arguments[0]))
            assert_equal_pictures(given, reference(image, *arguments[0]), 1)
    assert not operations.posterize(tf.constant(pixels), 0).numpy().any()


LEVELS = {  # {(name, level, draw): Pillow's call} by timm's functions from levels to arguments
    ("Rotate", 9, 0.9): lambda i: i.rotate(27, resample=Image.Resampling.BICUBIC, fillcolor=FILL),
    ("Rotate", 9, 0.1): lambda i: i.rotate(-27, resample=Image.Resampling.BICUBIC, fillcolor=FILL),
    ("ShearX", 9, 0.9): lambda i: moved(i, (1, 0.27, 0, 0, 1, 0), KERNELS["bicubic"]),
    ("ShearY", 5, 0.1): lambda i: moved(i, (1, 0, 0, -0.15, 1, 0), KERNELS["bicubic"]),
    ("TranslateXRel", 9, 0.9): lambda i: moved(i, (1, 0, 0.405 * i.width, 0, 1, 0), KERNELS["bicubic"]),
    ("TranslateYRel", 10, 0.1): lambda i: moved(i, (1, 0, 0, 0, 1, -0.45 * i.height), KERNELS["bicubic"]),
    ("Posterize", 9, 0.9): lambda i: ImageOps.posterize(i, 3),
    ("PosterizeIncreasing", 9, 0.9): lambda i: ImageOps.posterize(i, 1),
    ("PosterizeOriginal", 6, 0.9): lambda i: ImageOps.posterize(i, 6),
    ("Solarize", 7, 0.9): lambda i: ImageOps.solarize(i, 179),
    ("SolarizeIncreasing", 9, 0.9): lambda i: ImageOps.solarize(i, 26),
    ("SolarizeAdd", 7, 0.9): lambda i: added(i, 77),
    ("Color", 7, 0.9): lambda i: ImageEnhance.Color(i).enhance(1.36),
    ("Brightness", 0, 0.9): lambda i: ImageEnhance.Brightness(i).enhance(0.1),
    ("ContrastIncreasing", 9, 0.9): lambda i: ImageEnhance.Contrast(i).enhance(1.81),
    ("SharpnessIncreasing", 9, 0.1): lambda i: ImageEnhance.Sharpness(i).enhance(0.19),
    ("Desaturate", 10, 0.9): lambda i: i.convert("L").convert("RGB"),
    ("Desaturate", 5, 0.9): lambda i: ImageEnhance.Color(i).enhance(0.25),
    ("GaussianBlur", 5, 0.9): lambda i: i.filter(ImageFilter.GaussianBlur(1.05)),
    ("GaussianBlurRand", 10, 0.5): lambda i: i.filter(ImageFilter.GaussianBlur(1.05)),
    ("WidePosterize", 10, 0.9): lambda i: ImageOps.posterize(i, 2),
    ("WideSolarize", 5, 0.9): lambda i: ImageOps.solarize(i, 127.5),
    ("WideBrightness", 10, 0.9): lambda i: ImageEnhance.Brightness(i).enhance(1.99),
    ("WideTranslateX", 5, 0.9): lambda i: moved(i, (1, 0, 16, 0, 1, 0), KERNELS["bicubic"]),
}


@pytest.mark.parametrize(("name", "level", "draw"), LEVELS)
def test_levels_mean_what_they_mean_to_timm(name, level, draw):
    numbers = (tf.constant(float(n), tf.float64) for n in (level, draw))
    given = policies.operate(name, pixels_of(PHOTOGRAPHS[0]), *numbers, "bicubic", FILL)
    assert_equal_pictures(given, LEVELS[name, level, draw](PHOTOGRAPHS[0]))


@functools.cache
def drawn(name):
    """{operation: (images on which it is done / images, its levels)} over 10,000 images."""
    policy = policies.find(name)
    data = tf.data.Dataset.range(COUNT).map(lambda i: policies._drawn(policy, seeds.of_image(0, 0, i)))
    (batch,) = data.batch(COUNT)
    numbers, done, levels, _ = (part.numpy() for part in batch)  # (images, steps)
    chosen = {name: levels[(numbers == number) & done] for number, name in enumerate(policy.names)}
    return {name: (len(found) / COUNT, found) for name, found in chosen.items()}


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("rand-m9-mstd0.5-inc1", {"AutoContrast": 0.066, "SolarizeIncreasing": 0.067, "TranslateYRel": 0.067}),
        ("rand-m7-n3-p0.8", {"Equalize": 0.16, "Solarize": 0.16, "ShearX": 0.16}),
        ("original", {"Equalize": 0.446, "Rotate": 0.144, "Color": 0.153, "Solarize": 0.139, "ShearX": 0.024}),
        ("v0-mstd0.5", {"Equalize": 0.322, "Rotate": 0.184, "Color": 0.197, "Posterize": 0.049, "ShearX": 0.007}),
        ("3a", {"Solarize": 0.333, "Desaturate": 0.333, "GaussianBlurRand": 0.333}),
        ("rand-m9-tweights-mstd0.5", {"Rotate": 0.272, "ShearX": 0.199, "TranslateXRel": 0.106, "Invert": 0.005}),
        ("rand-m10-n3-t3aw-mstd101", {"Desaturate": 0.244, "Rotate": 0.145, "ShearY": 0.1, "Equalize": 0.052}),
        ("trivial", {"WideIdentity": 1 / 14, "WideRotate": 1 / 14, "WideEqualize": 1 / 14}),  # torchvision's
    ],
)
def test_operations_are_as_frequent_as_timms(name, shares):
    found = drawn(name)
    for operation, share in shares.items():
        assert found[operation][0] == pytest.approx(share, abs=4 * np.sqrt(share / COUNT) + 0.001), operation


@pytest.mark.parametrize(
    ("name", "operation", "mean", "deviation"),
    [
        ("rand-m9-mstd0.5-inc1", "Rotate", 8.97, 0.46),  # timm: 26.92 degrees, by 3
        ("rand-m7-n3-p0.8", "Solarize", 7, 0),
        ("original", "ShearX", 5, 0),
        ("v0-mstd0.5", "TranslateYRel", 8.98, 0.46),
        ("rand-m10-n3-t3aw-mstd101", "Rotate", 5.04, 2.89),
        ("trivial", "WideRotate", 5, 2.98),
    ],
)
def test_levels_are_spread_as_timms(name, operation, mean, deviation):
    _, levels = drawn(name)[operation]
    error = 4 * max(deviation, 1e-6) / np.sqrt(len(levels))
    assert levels.mean() == pytest.approx(mean, abs=error + 0.02)
    assert levels.std() == pytest.approx(deviation, abs=error + 0.02)
    assert levels.min() >= 0 and levels.max() <= 10


def test_images_of_a_batch_are_changed_by_themselves():
    """One picture 64 times: as many results as draws, not one for all."""
    images = from_arrays(np.stack([np.asarray(PHOTOGRAPHS[0])[:64, :64]] * 64))
    options = {"batch_size": 64, "image_size": 64, "normalization": (0.0, 1.0), "training": True, "seed": 0, "epoch": 0}
    (pixels,) = batches(images, augmentation=Augmentation(auto_augment="rand-m9-mstd0.5-inc1"), **options)
    assert len({picture.tobytes() for picture in pixels.numpy()}) > 32


@pytest.mark.parametrize(
    ("shape", "scale", "quantiles"),
    [
        ((375, 500), (0.08, 1.0), (0.114, 0.249, 0.42, 0.591, 0.811)),
        ((375, 500), (0.2, 1.0), (0.229, 0.34, 0.481, 0.623, 0.83)),
        ((60, 500), (0.08, 1.0), (0.086, 0.112, 0.16, 0.16, 0.16)),
    ],
)
def test_crops_are_as_large_as_torchvisions(shape, scale, quantiles):
    """Quantiles at 5, 25, 50, 75 and 95 %."""
    data = tf.data.Dataset.range(COUNT).map(lambda i: random_box(shape, scale, (3 / 4, 4 / 3), seeds.of_image(0, 0, i)))
    corner, extent = (part.numpy() for part in next(iter(data.batch(COUNT))))
    assert (corner >= 0).all() and (corner + extent <= shape).all()
    shares = extent.prod(axis=1) / np.prod(shape)
    np.testing.assert_allclose(np.quantile(shares, (0.05, 0.25, 0.5, 0.75, 0.95)), quantiles, atol=0.012)
    if shape[0] == 60:  # too flat for most: the largest in the middle
        in_the_middle = (corner == (0, 210)).all(axis=1) & (extent == (60, 80)).all(axis=1)
        assert in_the_middle.mean() == pytest.approx(12256 / 20000, abs=0.02)
    else:
        assert np.log(extent[:, 1] / extent[:, 0]).std() == pytest.approx(0.164, abs=0.006)


@pytest.mark.parametrize(
    ("mode", "count", "quantiles"),
    [("pixel", (1, 1), (0.037, 0.099, 0.177, 0.254, 0.313)), ("rand", (1, 3), (0.056, 0.121, 0.165, 0.211, 0.289))],
)
def test_as_much_is_erased_as_by_timm(mode, count, quantiles):
    def erased(i):
        options = (0.25, mode, count, (0.02, 1 / 3), (0.3, 1 / 0.3))
        return tf.reduce_any(erase(tf.fill((64, 64, 3), 7.0), *options, seeds.of_image(0, 0, i)) != 7, axis=2)

    (masks,) = tf.data.Dataset.range(COUNT).map(erased).batch(COUNT)
    shares = masks.numpy().mean(axis=(1, 2))
    assert (shares > 0).mean() == pytest.approx(0.25, abs=0.017)
    np.testing.assert_allclose(np.quantile(shares[shares > 0], (0.05, 0.25, 0.5, 0.75, 0.95)), quantiles, atol=0.012)


def test_what_erased_boxes_become():
    options = (1.0, (0.02, 1 / 3), (0.3, 1 / 0.3))

    def boxes(mode):
        for i in range(20):
            made = erase(tf.fill((32, 32, 3), 7.0), options[0], mode, (1, 1), *options[1:], seeds.of_image(0, 0, i))
            yield made.numpy()[(made.numpy() != 7).any(axis=2)]

    noise = np.concatenate(list(boxes("pixel")))
    assert abs(noise.mean()) < 0.05 and abs(noise.std() - 1) < 0.05
    assert all(len(np.unique(box, axis=0)) == 1 for box in boxes("rand"))
    assert all((box == 0).all() for box in boxes("const"))


@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
def test_mixing_is_drawn_as_by_timm(mode):
    act = Augmentation(mixup=0.8, cutmix=1.0, mix_prob=0.9, switch_prob=0.3, mix_mode=mode)
    drawn = draw_mixes(act, 4000, 8, (224, 224), np.random.default_rng(0))
    kept, box = drawn["kept"], drawn["box"]
    assert kept.shape == (4000, 1 if mode == "batch" else 8)
    assert (kept == 1).mean() == pytest.approx(0.1, abs=0.02)
    is_cut = box[..., 1] > box[..., 0]
    assert is_cut[kept < 1].mean() == pytest.approx(0.3, abs=0.03)
    areas = (box[..., 1] - box[..., 0]) * (box[..., 3] - box[..., 2]) / 224**2
    np.testing.assert_allclose(1 - areas[is_cut], kept[is_cut], rtol=1e-5)
    quantiles = np.quantile(kept[(kept < 1) & ~is_cut], (0.05, 0.25, 0.5, 0.75, 0.95))
    np.testing.assert_allclose(quantiles, (0.034, 0.229, 0.5, 0.771, 0.966), atol=0.04)
    quantiles = np.quantile(kept[is_cut], (0.05, 0.25, 0.5, 0.75, 0.95))
    np.testing.assert_allclose(quantiles, (0.335, 0.556, 0.696, 0.829, 0.96), atol=0.04)
    if mode == "pair":
        np.testing.assert_array_equal(kept, kept[:, ::-1])
        np.testing.assert_array_equal(box, box[:, ::-1])


def test_boxes_of_cutmix_between_two_sizes():
    act = Augmentation(cutmix_minmax=(0.2, 0.8), mix_mode="elem")
    kept = draw_mixes(act, 4000, 1, (224, 224), np.random.default_rng(0))["kept"]
    np.testing.assert_allclose(
        np.quantile(kept, (0.05, 0.25, 0.5, 0.75, 0.95)), (0.512, 0.671, 0.778, 0.852, 0.919), atol=0.02
    )


@pytest.mark.parametrize("size", [6, 5])
@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
@pytest.mark.parametrize("numbers", [{"mixup": 1.0}, {"cutmix": 1.0}, {"mixup": 1.0, "cutmix_minmax": (0.3, 0.7)}])
def test_images_are_mixed_with_their_mirror_in_the_batch(numbers, mode, size):
    """Each image is of one value, its own: labels say how much of which is in the mixture."""
    values = tf.constant([1.0, 10.0, 100.0, 1000.0, 10000.0, 100000.0][:size])
    images = values[:, None, None, None] * tf.ones((size, 20, 24, 3))
    drawn = draw_mixes(Augmentation(**numbers, mix_mode=mode), 20, size, (20, 24), np.random.default_rng(0))
    for step in range(20):
        mixed, labels = mix(images, tf.eye(size), **{name: part[step] for name, part in drawn.items()})
        np.testing.assert_allclose(tf.reduce_mean(mixed, axis=(1, 2, 3)), tf.linalg.matvec(labels, values), rtol=1e-4)
        others = labels.numpy() * (1 - np.eye(size)) * (1 - np.eye(size)[::-1])
        assert not others.any()


def test_images_are_what_seed_epoch_and_number_say():
    """Whatever comes before them: other batches have the same images, from any of them on."""
    images = from_arrays(np.stack([np.asarray(PHOTOGRAPHS[i % 2])[i : i + 60, i : i + 70] for i in range(12)]))
    act = Augmentation(
        crop_scale=(0.2, 1.0), flip=0.5, auto_augment="rand-m9-mstd0.5-inc1", color_jitter=(0.4, 0.4, 0.2, 0.1),
        grey=0.2, blur=0.5, solarize=0.2, erasing=0.5, erasing_count=(1, 3),
    )  # fmt: skip
    options = {"image_size": 32, "normalization": (0.5, 0.25), "augmentation": act, "training": True, "seed": 3}
    whole = np.concatenate(list(batches(images, batch_size=4, epoch=1, **options)))
    np.testing.assert_array_equal(
        whole[6:], np.concatenate(list(batches(images, batch_size=6, epoch=1, **options).skip(1)))
    )
    assert not np.array_equal(whole, np.concatenate(list(batches(images, batch_size=4, epoch=2, **options))))


def test_repeated_augmentation():
    images = from_arrays(np.arange(12, dtype="uint8")[:, None, None, None] * np.ones((12, 8, 8, 3), "uint8"), range(12))
    options = {"batch_size": 12, "image_size": 8, "normalization": (0.0, 1.0), "training": True, "seed": 0}
    seen = set()
    for epoch in range(12):
        act = Augmentation(repeats=3, erasing=1.0)
        ((pixels, labels),) = batches(images, augmentation=act, epoch=epoch, **options)
        kinds = labels.numpy().argmax(axis=1)
        assert (np.unique(kinds, return_counts=True)[1] == 3).all()
        assert len({picture.tobytes() for picture in pixels.numpy()}) == 12
        seen |= set(kinds)
    assert seen == set(range(12))


def test_colour_jitter_is_torchvisions():
    """In any order, so that the results are among those of the six orders of Pillow's enhancements."""
    images = from_arrays(np.stack([np.full((4, 4, 3), (150, 100, 60), "uint8")] * 512))
    options = {"batch_size": 512, "image_size": 4, "normalization": (0.0, 1.0), "training": True, "seed": 0, "epoch": 0}
    for strengths, measured in (((0.4, 0, 0), 150), ((0, 0, 0.4), None)):
        (pixels,) = batches(images, augmentation=Augmentation(color_jitter=strengths), **options)
        pixels = pixels.numpy()[:, 0, 0] * 255
        if measured:
            factors = pixels[:, 0] / measured
        else:
            grey = (19595 * 150 + 38470 * 100 + 7471 * 60) / 2**16
            factors = (pixels[:, 0] - pixels[:, 2]) / 90
            np.testing.assert_allclose(pixels @ [0.299, 0.587, 0.114], grey, atol=1.5)
        assert 0.58 < factors.min() < 0.62 and 1.38 < factors.max() < 1.42
        assert factors.mean() == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["rand-m9-mstd0.5-inc1", "original", "v0r-mstd1", "3a", "trivial", "rand-n8-p1-t3aw"])
def test_every_policy_runs_on_colour_and_grey(name, channels):
    images = from_arrays(np.stack([np.asarray(PHOTOGRAPHS[i % 2])[i : i + 40, :50, :channels] for i in range(32)]))
    options = {"batch_size": 32, "image_size": (24, 20), "training": True, "seed": 0, "epoch": 0}
    act = Augmentation(auto_augment=name, blur=0.5, solarize=0.5)
    (pixels,) = batches(images, channels=channels, augmentation=act, normalization=(0.0, 1.0), **options)
    assert pixels.shape == (32, 24, 20, channels)
    assert tf.reduce_min(pixels) >= 0 and tf.reduce_max(pixels) <= 1


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("rand-m9-mstd0.5-in1", r"in 'rand-m9-mstd0.5-in1' parts of mstd, m, n, p, mmax, inc, t, .* not 'in1'"),
        ("rand-m9-w2", "not 'w2'"),
        ("rand-m99", "as m an integer from 0 to 30, not '99'"),
        ("rand-m11", "a level of at most 10, not m11; or mmax11 as well"),
        ("rand-m-1", "as m an integer from 0 to 30, not ''"),
        ("rand-m9.5", "as m an integer"),
        ("rand-m9-m8", "each part once, not 'm' again"),
        ("rand-n0", "as n an integer from 1 to 8, not '0'"),
        ("rand-p1.5", "as p a number from 0 to 1, not '1.5'"),
        ("rand-mstdinf", "not 'mstdinf'"),
        ("rand-mstd-m9", "as mstd a number"),
        ("rand-inc2", "as inc an integer from 0 to 1"),
        ("rand-tall", "as t one of weights, 3a, 3aw, not 'all'"),
        ("original-m9", "parts of mstd, each with its value, not 'm9'"),
        ("randm9", "None, or rand, and parts of m9 .*; original, originalr, v0, v0r, 3a, .*; trivial"),
        ("", "None, or rand"),
        (9, "None, or a string"),
    ],
)
def test_names_that_are_no_policy(name, says):
    with pytest.raises((ValueError, TypeError), match=f"^Augmentation: auto_augment=.*; allowed: .*{says}"):
        Augmentation(auto_augment=name)
