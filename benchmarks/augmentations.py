"""A picture of the operations that recipes are made of, ours and timm's side by side.

Operations with a strength have the same one on both sides. Boxes that are erased or pasted are each side's own draws.
"""

import argparse
import pathlib
import random

import numpy as np

from benchmarks import photographs
from benchmarks.report.store import scratch_of

SIDE, GAP, TITLE, COLUMNS = 96, 4, 16, 3
MAGNITUDE = 9
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FILL = tuple(round(255 * mean) for mean in MEAN)
JITTER = ("brightness", 1.3), ("contrast", 0.7), ("color", 1.4), ("hue", 0.05)
ERASING = {"pixel": "noise", "rand": "a colour", "const": "the mean"}


def randaugment(name, image):
    import tensorflow as tf
    from PIL import Image
    from timm.data.auto_augment import AugmentOp

    from vitgraph.images import policies

    upwards = 0.9  # what may go in two directions goes in this one, as timm's does after this seed
    level, draw = (tf.constant(value, tf.float64) for value in (MAGNITUDE, upwards))
    ours = policies.operate(name, tf.constant(np.asarray(image)), level, draw, "bicubic", FILL)
    random.seed(1)
    options = {"img_mean": FILL, "interpolation": Image.Resampling.BICUBIC}
    return ours.numpy(), AugmentOp(name, 1.0, MAGNITUDE, options)(image)


def jitter(image):
    import tensorflow as tf
    from torchvision.transforms import functional

    from vitgraph.images import operations

    ours, theirs = tf.constant(np.asarray(image)), image
    for name, strength in JITTER:
        ours = getattr(operations, name)(ours, strength)
        theirs = getattr(functional, f"adjust_{'saturation' if name == 'color' else name}")(theirs, strength)
    return ours.numpy(), theirs


def erasing(mode, image):
    import torch
    from timm.data.random_erasing import RandomErasing

    from vitgraph.images import seeds
    from vitgraph.images.erasing import erase

    pixels = _normalized(image)
    seed = seeds.of_image(0, 0, sorted(ERASING).index(mode))
    ours = erase(pixels, 1.0, mode, (1, 1), (0.1, 1 / 3), (0.3, 1 / 0.3), seed)
    random.seed(0)
    torch.manual_seed(0)
    theirs = RandomErasing(1.0, 0.1, mode=mode, device="cpu")(torch.from_numpy(pixels.transpose(2, 0, 1).copy()))
    return _shown(ours.numpy()), _shown(theirs.numpy().transpose(1, 2, 0))


def mixing(image, other, cuts):
    """MixUp, in which timm's draw is ours, too; or CutMix."""
    import torch
    from timm.data import Mixup

    from vitgraph.images import Augmentation
    from vitgraph.images.mixing import draw_mixes, mix

    pixels = np.stack([_normalized(image), _normalized(other)])
    np.random.seed(5)
    mixup = Mixup(0.0 if cuts else 1.0, 1.0 if cuts else 0.0, label_smoothing=0.0, num_classes=2)
    theirs, labels = mixup(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()), torch.arange(2))
    drawn = {"kept": labels.numpy()[:1, 0], "box": np.zeros((1, 4), "int32")}
    if cuts:
        every = draw_mixes(Augmentation(cutmix=1.0), 1, 2, (SIDE, SIDE), np.random.default_rng(5))
        drawn = {name: part[0] for name, part in every.items()}
    ours, _ = mix(pixels, np.eye(2, dtype="float32"), **drawn)
    return _shown(ours.numpy()[0]), _shown(theirs.numpy()[0].transpose(1, 2, 0))


def pairs(images):
    """(title, our image, timm's) of each operation, from two images that take turns."""
    from vitgraph.images import policies

    first, second = images
    for i, name in enumerate(policies.find("rand-m9-inc1").names):
        yield name.removesuffix("Increasing"), *randaugment(name, images[i % 2])
    yield "colour jitter", *jitter(second)
    for mode, name in ERASING.items():
        yield f"erased: {name}", *erasing(mode, first)
    yield "MixUp", *mixing(first, second, cuts=False)
    yield "CutMix", *mixing(second, first, cuts=True)


def draw(cells):
    from PIL import Image, ImageDraw, ImageFont

    width, height = 2 * SIDE + 3 * GAP, SIDE + TITLE + GAP
    rows = -(-len(cells) // COLUMNS)
    picture = Image.new("RGB", (COLUMNS * width, rows * height), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(11)
    for i, (title, *both) in enumerate(cells):
        left, top = i % COLUMNS * width + GAP, i // COLUMNS * height
        pen.text((left, top + 2), title, "black", font)
        for k, image in enumerate(both):
            picture.paste(Image.fromarray(np.asarray(image)), (left + k * (SIDE + GAP // 2), top + TITLE))
    return picture.quantize(128)  # a third of the bytes


def _normalized(image):
    return ((np.asarray(image) / 255 - MEAN) / STD).astype("float32")


def _shown(pixels):
    return np.round(np.clip(pixels * STD + MEAN, 0, 1) * 255).astype("uint8")


def _square(picture):
    from PIL import Image

    side = min(picture.size)
    left, top = ((length - side) // 2 for length in picture.size)
    return picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC, (left, top, left + side, top + side))


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.augmentations", description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the picture, a .png")
    options = parser.parse_args(arguments)
    if options.out.suffix != ".png":
        parser.error(f"--out: {options.out}; allowed: a .png file")
    cells = list(pairs([_square(picture) for picture in photographs.originals()]))
    scratch = scratch_of(options.out)
    draw(cells).save(scratch, "PNG", optimize=True)
    scratch.replace(options.out)
    for title, ours, theirs in cells:
        off = np.abs(np.asarray(ours).astype(int) - np.asarray(theirs).astype(int))
        print(f"{title:20} differs by more than one level of 255 in {(off > 1).mean():.2%} of the values")


if __name__ == "__main__":
    main()
