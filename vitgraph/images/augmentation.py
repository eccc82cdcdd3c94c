"""What training does to images: a record of numbers, and the order of the operations that they describe."""

import dataclasses
from typing import Annotated, Literal

from vitgraph import contract as c
from vitgraph.images import operations as op
from vitgraph.images import policies, seeds
from vitgraph.images.crops import central_view, random_view

_Area = Annotated[float, c.Rule("a number from 1e-6 to 1", lambda v: 1e-6 <= v <= 1)]
_Proportion = Annotated[float, c.Rule("a number from 0.01 to 100", lambda v: 0.01 <= v <= 100)]
_Alpha = Annotated[float, c.Rule("a number from 0 to 100", lambda v: 0 <= v <= 100)]
_Strength = Annotated[float, c.Rule("a number from 0 to 10", lambda v: 0 <= v <= 10)]
_Turn = Annotated[float, c.Rule("a number from 0 to 0.5", lambda v: 0 <= v <= 0.5)]
_Boxes = Annotated[int, c.between(1, 16)]
_Repeats = Annotated[int, c.between(1, 64)]


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The numbers of an augmentation; by default nothing is done.

    The order is that of timm: crop, flip, named operations, colours, grey, blur, solarisation, erasing, mixing.

    Args:
        repeats: how often an image comes in the epochs in which it does (arXiv:1901.09335); each epoch has another
            share of 1 / `repeats` of the images, and as many batches as without.
        crop_scale: (least, most) share of the image's area of a random crop, which is resized; None: no random crop.
        crop_ratio: (least, most) width / height of that crop.
        flip: probability of a horizontal flip.
        auto_augment: timm's name of random operations on each image, or None. RandAugment (arXiv:1909.13719):
            "rand-m9-mstd0.5-inc1", where m is the strength, n the number of operations, p the probability of each, mstd
            the deviation of the strength (over 100: any strength up to m), mmax the largest strength, inc1 says that
            all operations grow with it, tweights, t3a and t3aw choose other operations. AutoAugment (arXiv:1805.09501):
            "original", "v0", and "originalr", "v0r" with posterisation that grows, each also with "-mstd0.5".
            "3a": grey, solarised or blurred, as DeiT III does. "trivial": TrivialAugment's wide set (arXiv:2103.10158).
        color_jitter: strength of random brightness, contrast and saturation, or one strength for each, or these three
            and the turn of the hue, 0 to 0.5: each is multiplied by 1 - strength to 1 + strength, in random order.
        color_jitter_prob: probability of that.
        grey: probability that the image becomes grey.
        blur: probability of a Gaussian blur with a radius from 0.1 to 2.
        solarize: probability that values from 128 on are inverted.
        erasing: probability that boxes of an image are erased (arXiv:1708.04896).
        erasing_mode: what they become: "pixel": noise; "rand": a random colour; "const": the mean colour.
        erasing_count: (least, most) number of boxes.
        erasing_area: (least, most) area of an image's boxes together, relative to the image's.
        erasing_ratio: (least, most) height / width of a box.
        mixup: alpha of MixUp (arXiv:1710.09412), which blends images and their labels; 0: no MixUp.
        cutmix: alpha of CutMix (arXiv:1905.04899), which pastes a box of another image; 0: no CutMix.
        cutmix_minmax: (least, most) sides of that box, relative to the image's, in place of `cutmix`.
        mix_prob: probability that images are mixed at all.
        switch_prob: probability of CutMix, where there are both.
        mix_mode: what is drawn once: for the whole "batch", for a "pair" of images that mix with each other, or for
            each of them, "elem".
    """

    repeats: _Repeats = 1
    crop_scale: tuple[_Area, _Area] | None = None
    crop_ratio: tuple[_Proportion, _Proportion] = (3 / 4, 4 / 3)
    flip: c.Share = 0.0
    auto_augment: str | None = None
    color_jitter: _Strength | tuple[_Strength, _Strength, _Strength] | tuple[_Strength, _Strength, _Strength, _Turn] = (
        0.0
    )
    color_jitter_prob: c.Share = 1.0
    grey: c.Share = 0.0
    blur: c.Share = 0.0
    solarize: c.Share = 0.0
    erasing: c.Share = 0.0
    erasing_mode: Literal["pixel", "rand", "const"] = "pixel"
    erasing_count: tuple[_Boxes, _Boxes] = (1, 1)
    erasing_area: tuple[_Area, _Area] = (0.02, 1 / 3)
    erasing_ratio: tuple[_Proportion, _Proportion] = (0.3, 1 / 0.3)
    mixup: _Alpha = 0.0
    cutmix: _Alpha = 0.0
    cutmix_minmax: tuple[_Area, _Area] | None = None
    mix_prob: c.Share = 1.0
    switch_prob: c.Share = 0.5
    mix_mode: Literal["batch", "pair", "elem"] = "batch"

    def __post_init__(self) -> None:
        with c.checked_fields(self):
            for name in ("crop_scale", "crop_ratio", "erasing_count", "erasing_area", "erasing_ratio", "cutmix_minmax"):
                least, most = getattr(self, name) or (0, 0)
                c.require(least <= most, name, "(least, most), in this order")
            try:
                policies.find(self.auto_augment)
            except ValueError as error:
                c.require(False, "auto_augment", str(error))

    @property
    def mixes(self) -> bool:
        """Whether images are mixed with each other."""
        return bool(self.mixup or self.cutmix or self.cutmix_minmax)

    @property
    def jitter(self) -> tuple[float, ...]:
        """Strengths of brightness, contrast, saturation and hue."""
        given = self.color_jitter
        return (*given, 0.0)[:4] if isinstance(given, tuple) else (given, given, given, 0.0)


def check_channels(augmentation, channels):
    """Refuses operations on colours that there aren't."""
    if augmentation is not None:
        for name in ("auto_augment", "blur", "solarize"):
            c.require(not getattr(augmentation, name) or channels in (1, 3), "channels", f"1 or 3 with {name}")
        c.require(not any(augmentation.jitter) or channels == 3, "channels", "3 with color_jitter")
        c.require(not augmentation.grey or channels == 3, "channels", "3 with grey")


def view_of(act, shape, size, seed, interpolation):
    """What an image shows of a picture, by its (height, width): a `View`; equal seeds give equal ones."""
    if act.crop_scale is None:
        return central_view(shape, size, interpolation)
    return random_view(shape, size, act.crop_scale, act.crop_ratio, seeds.part(seed, 1))


def augment(act, pixels, seed, interpolation, fill):
    """(H, W, C), uint8 -> the same; equal seeds, two integers, give equal images.

    Args:
        act: an `Augmentation`, of which this does all that concerns one image, but for the crop and erasing.
        pixels: the image.
        seed: two integers.
        interpolation: "bicubic" or "bilinear".
        fill: the colour outside of an image that is turned or shifted, 0 to 255 per channel.
    """
    import tensorflow as tf

    draws = tf.random.stateless_uniform((6,), seed)

    def sometimes(share, k, change):
        return tf.cond(draws[k] < share, lambda: change(pixels), lambda: pixels) if share else pixels

    pixels = sometimes(act.flip, 0, lambda p: tf.reverse(p, [1]))
    if act.auto_augment is not None:
        pixels = policies.apply(policies.find(act.auto_augment), pixels, seeds.part(seed, 2), interpolation, fill)
    if any(act.jitter):
        pixels = sometimes(act.color_jitter_prob, 1, lambda p: _jittered(p, act.jitter, seeds.part(seed, 3)))
    pixels = sometimes(act.grey, 2, lambda p: op.color(p, 0.0))
    pixels = sometimes(act.blur, 3, lambda p: op.gaussian_blur(p, 0.1 + 1.9 * draws[5]))
    return sometimes(act.solarize, 4, lambda p: op.solarize(p, 128))


def _jittered(pixels, strengths, seed):
    """torchvision's `ColorJitter`."""
    import tensorflow as tf

    draws = tf.random.stateless_uniform((2, 4), seed)
    changes = []
    functions = (op.brightness, op.contrast, op.color, op.hue)
    for function, strength, draw in zip(functions, strengths, tf.unstack(draws[0]), strict=True):
        if strength:
            least, most = (-strength, strength) if function is op.hue else (max(0.0, 1 - strength), 1 + strength)
            changes.append((function, least + (most - least) * draw))
    order = tf.argsort(draws[1, : len(changes)])
    for number in tf.unstack(order):
        branches = [lambda p=pixels, f=function, a=argument: f(p, a) for function, argument in changes]
        pixels = tf.ensure_shape(tf.switch_case(number, branches), pixels.shape)
    return pixels
