"""Masked patch prediction: which colour, in few bits, had the patches that are hidden?

Paper: Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv:2010.11929, appendix B.1.2, after BERT.
Code: the authors published none; vit-pytorch's mpp.py is the one in use, and this computes the same.

    image                                          (B, H, W, C)
      patches, as wide as the encoder's last stride (B, N, p p C)
      of those chosen: mask token | another patch | as it is
      image again, encoder                         (B, prefix + N, dim), or a map
      scores: a class for every mean colour        (B, N, 2 ** (bits C))
      cross-entropy over the chosen patches

Patches are hidden in the image, as in vit-pytorch, and not in the embedding: so the encoder may be any graph whose last
map has a position for every patch. The paper doesn't say where other patches come from; here it is the same image.
"""

import math

import keras
from keras import layers, ops

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
from vitgraph.contract import Check
from vitgraph.objectives.base import Objective, features, policy_of, replay


class MaskedPatchPrediction(Objective):
    """Trains a graph to tell the mean colours of hidden patches (arXiv:2010.11929, B.1.2).

    Args:
        encoder: a graph of this package, with or without its top. Its last stride is the width of the patches, and has
            to divide the image.
        masking_ratio: the share of patches whose colours are asked for; rounded up.
        mask_prob: of those, the share that a learned token replaces.
        random_prob: of those, the share that another patch of the image replaces. The rest stay as they are.
        bits: of each channel of the mean colour.
        mean, std: the normalisation of the images, a number or one a channel; their colours are binned without it.
        max_value: the largest value of a pixel before normalisation; the least is 0.
        seed: of the random draws; None: another one each time.
        name: the model's name.

    `predict` gives {"scores": (B, N, 2 ** (bits C)), "chosen": (B, N)}, of draws of its own.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """

    def __init__(
        self,
        encoder,
        masking_ratio=0.5,
        mask_prob=0.8,
        random_prob=0.1,
        bits=3,
        mean=0.0,
        std=1.0,
        max_value=1.0,
        seed=None,
        name="masked_patch_prediction",
    ):
        check = Check("masked_patch_prediction")
        check.over_zero(masking_ratio=masking_ratio)
        check.shares(masking_ratio=masking_ratio, mask_prob=mask_prob, random_prob=random_prob)
        check.that(mask_prob + random_prob < 1 + 1e-6, "random_prob", random_prob, f"0 ... 1 - mask_prob ({mask_prob})")
        check.positive(bits=bits)
        check.over_zero(std=std, max_value=max_value)
        super().__init__(encoder, seed, name)
        self.masking_ratio = masking_ratio
        self.mask_prob = mask_prob
        self.random_prob = random_prob
        self.bits = bits
        self.mean = mean
        self.std = std
        self.max_value = max_value

        image = encoder.input
        end, stage, grid = features(encoder)
        channels = image.shape[-1]
        self.patch_size = pair(stage.stride)
        patches = Patchify(self.patch_size, dtype="float32", name="pixels")(image)
        sides = image.shape[1:3]
        whole = not is_static(*sides) or all(n % side == 0 for n, side in zip(sides, self.patch_size, strict=True))
        allowed = f"one whose last stride, here {stage.stride}, divides the image, here {sides}"
        check.that(whole and grid.shape[1:3] == patches.shape[1:3], "encoder", encoder.name, allowed)

        count = math.prod(patches.shape[1:3]) if is_static(*sides) else None
        noise, first, second = (keras.Input((count,), name=name) for name in ("noise", "first", "second"))
        others = keras.Input((count,), dtype="int32", name="others")
        with policy_of(encoder):
            chosen = RandomSubset(masking_ratio, dtype="float32", name="chosen")(noise)
            x = ToTokens(name="patches")(patches)
            x = CorruptTokens(mask_prob, random_prob, name="corrupt")(x, chosen, first, second, others)
            x = Unpatchify(self.patch_size, name="corrupted")(x, patches)
            x = replay(image, end, x, "encoder")
            x = ToTokens(name="positions")(x) if len(x.shape) == 4 else x
            x = DropPrefix(stage.prefix, name="hidden")(x) if stage.prefix else x
            scores = layers.Dense(2 ** (bits * channels), name="to_bits")(x)
            labels = ColourBins(channels, bits, mean, std, max_value, name="colours")(patches)
            loss = MaskedCrossEntropy(name="loss")(scores, labels, chosen)
        inputs = {"image": image, "noise": noise, "first": first, "second": second, "others": others}
        self.connect(keras.Model(inputs, {"loss": loss, "scores": scores, "chosen": chosen}))

    def draw(self, images):
        batch, *size, _ = ops.shape(images)
        count = math.prod(n // side for n, side in zip(size, self.patch_size, strict=True))

        def uniform():
            return keras.random.uniform((batch, count), seed=self.seed_generator)

        others = ops.cast(uniform() * count, "int32")
        return {"noise": uniform(), "first": uniform(), "second": uniform(), "others": others}


masked_patch_prediction = MaskedPatchPrediction
"""The same, called after what it does."""
