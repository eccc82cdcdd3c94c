"""Masked patch prediction: the mean colours of hidden patches, in a few bits.

Paper: Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv:2010.11929, appendix B.1.2, after BERT.
Code: the authors published none; vit-pytorch's mpp.py is in use, and this computes the same.

    image                                          (B, H, W, C)
      patches, as wide as the encoder's last stride (B, N, p p C)
      of those chosen: mask token | another patch | as it is
      image again, encoder                         (B, prefix + N, dim), or a map
      scores: a class for every mean colour        (B, N, 2 ** (bits C))
      cross-entropy over the chosen patches

Patches are hidden in the image, as in vit-pytorch, and not in the embedding, so that the encoder may be any graph whose
last map has a position for every patch. The paper doesn't say where other patches come from; here it is the same image.
"""

import math
from collections.abc import Sequence
from typing import Annotated

import keras
from keras import layers, ops

from vitgraph import contract as c
from vitgraph.blocks import (
    ColourBins,
    CorruptTokens,
    DropPrefix,
    MaskedCrossEntropy,
    Patchify,
    RandomSubset,
    ToTokens,
    Unpatchify,
)
from vitgraph.blocks.base import is_static, pair
from vitgraph.objectives.base import Objective, features, image_of, policy_of, replay

_Chosen = Annotated[float, c.Rule("a number over 0: from 0.000001 to 1", lambda v: 1e-6 <= v <= 1)]
_Mean = Annotated[float, c.Rule("a number from -1000000 to 1000000", lambda v: -1e6 <= v <= 1e6)]
_Width = Annotated[float, c.Rule("a number over 0: from 0.000001 to 1000000", lambda v: 1e-6 <= v <= 1e6)]
_MOST_BITS = 18  # of all channels together


class MaskedPatchPrediction(Objective):
    """The model that `masked_patch_prediction` returns."""

    def wire(self):
        image = image_of(self.encoder)
        end, stage, grid = features(self.encoder)
        sides, channels, self.patch_size = tuple(image.shape[1:3]), image.shape[-1], pair(stage.stride)
        self._check_colours(channels)
        whole = not is_static(*sides) or all(n % p == 0 for n, p in zip(sides, self.patch_size, strict=True))
        allowed = f"a graph whose last stride, here {stage.stride}, divides the image, {sides}"
        c.require(whole, "encoder", allowed)
        patches = Patchify(self.patch_size, dtype="float32", name="pixels")(image)
        c.require(grid.shape[1:3] == patches.shape[1:3], "encoder", allowed)

        count = math.prod(patches.shape[1:3]) if is_static(*sides) else None
        noise, first, second = (keras.Input((count,), name=name) for name in ("noise", "first", "second"))
        others = keras.Input((count,), dtype="int32", name="others")
        with policy_of(self.encoder):
            chosen = RandomSubset(float(self.masking_ratio), dtype="float32", name="chosen")(noise)
            x = ToTokens(name="patches")(patches)
            corrupt = CorruptTokens(self.mask_prob, self.random_prob, name="corrupt")
            x = corrupt(x, chosen, first, second, others)
            x = Unpatchify(self.patch_size, name="corrupted")(x, patches)
            x = replay(image, end, x, "encoder")
            x = ToTokens(name="positions")(x) if len(x.shape) == 4 else x
            x = DropPrefix(stage.prefix, name="hidden")(x) if stage.prefix else x
            scores = layers.Dense(2 ** (self.bits * channels), name="to_bits")(x)
            colours = ColourBins(channels, self.bits, self.mean, self.std, self.max_value, name="colours")
            loss = MaskedCrossEntropy(name="loss")(scores, colours(patches), chosen)
        inputs = {"image": image, "noise": noise, "first": first, "second": second, "others": others}
        return keras.Model(inputs, {"loss": loss, "scores": scores, "chosen": chosen})

    def _check_colours(self, channels):
        allowed = f"such that bits * channels, of which there are {channels}, is at most {_MOST_BITS}"
        c.require(self.bits * channels <= _MOST_BITS, "bits", allowed)
        for argument, value in (("mean", self.mean), ("std", self.std)):
            one_each = not isinstance(value, tuple) or len(value) == channels
            c.require(one_each, argument, f"a number, or {channels} of them, one per channel")

    def draw(self, images):
        batch, *size, _ = ops.shape(images)
        count = math.prod(n // side for n, side in zip(size, self.patch_size, strict=True))

        def uniform():
            return keras.random.uniform((batch, count), seed=self.seed_generator)

        others = ops.cast(uniform() * count, "int32")
        return {"noise": uniform(), "first": uniform(), "second": uniform(), "others": others}


@c.public
def masked_patch_prediction(
    encoder: c.Graph,
    masking_ratio: _Chosen = 0.5,
    mask_prob: c.Share = 0.8,
    random_prob: c.Share = 0.1,
    bits: Annotated[int, c.between(1, _MOST_BITS)] = 3,
    mean: _Mean | Sequence[_Mean] = 0.0,
    std: _Width | Sequence[_Width] = 1.0,
    max_value: _Width = 1.0,
    seed: c.Seed | None = None,
    name: c.Name = "masked_patch_prediction",
) -> MaskedPatchPrediction:
    """Trains a graph to tell the mean colours of hidden patches (arXiv:2010.11929, B.1.2).

    `predict` draws masks, too, and gives {"scores": (B, N, 2 ** (bits C)), "chosen": (B, N)}, 1 for a patch whose
    colour is asked for.

    Args:
        encoder: a graph of this package, with or without its top. Its last stride is the width of the patches, and has
            to divide the image.
        masking_ratio: share of the patches whose colours are asked for; rounded up.
        mask_prob: share of those that a learned token replaces.
        random_prob: share of those that another patch of the image replaces. The rest stay as they are.
        bits: bits of each channel of the mean colour.
        mean: mean that the images were normalised by, a number or one per channel; colours are binned without it.
        std: deviation that the images were normalised by, likewise.
        max_value: the largest value of a pixel before normalisation; the least is 0.

    Returns:
        A `keras.Model` to compile with an optimizer and fit to images; its `encoder` is the graph that it trains.

    Example:
        >>> encoder = vitgraph.build_vit((32, 32, 3), include_top=False, patch_size=8, dim=32, depth=1, num_heads=2)
        >>> model = vitgraph.masked_patch_prediction(encoder, bits=2)
        >>> model.predict(numpy.zeros((4, 32, 32, 3)), verbose=0)["scores"].shape
        (4, 16, 64)
    """
    fits = random_prob == 0 or (mask_prob < 1 and mask_prob + random_prob < 1 + 1e-6)
    c.require(fits, "random_prob", f"a number from 0 to 1 - mask_prob ({mask_prob})")
    return MaskedPatchPrediction(
        encoder, seed, name, masking_ratio=masking_ratio, mask_prob=mask_prob, random_prob=random_prob, bits=bits,
        mean=mean, std=std, max_value=max_value,
    )  # fmt: skip
