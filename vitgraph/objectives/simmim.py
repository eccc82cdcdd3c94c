"""SimMIM: the pixels of hidden patches, from one linear layer.

Paper: Xie et al., "SimMIM: A Simple Framework for Masked Image Modeling", arXiv:2111.09886.
Official code: github.com/microsoft/SimMIM.

    image                                                       (B, H, W, C)
      patch embedding                                           (B, h, w, dim)
      hide: a learned token where the mask is 1
      the rest of the encoder                                   a map of the last stride s
      decoder: pixels                                           (B, H / s, W / s, s s C)
      pixels in their places                                    (B, H, W, C)
      mean absolute error over what was hidden

The official decoder's channels come before rows and columns; here they come after them, as everywhere in this package.
"""

import math

import keras
from keras import layers, ops

from vitgraph.blocks import (
    HiddenPixelsError,
    HideTokens,
    LayerNorm,
    PadToMultiple,
    Patchify,
    RandomSubset,
    ToMap,
    ToTokens,
    Unpatchify,
)
from vitgraph.blocks.base import is_static, pair
from vitgraph.contract import Check
from vitgraph.objectives.base import Objective, embedded, features, policy_of, replay
from vitgraph.objectives.pictures import pictures
from vitgraph.wiring.layers import dense

PATCHWISE = (
    LayerNorm,
    PadToMultiple,
    Patchify,
    layers.Dense,
    layers.InputLayer,
    layers.Normalization,
    layers.Rescaling,
)
"""What an embedding may consist of, beside convolutions whose steps are as wide as their kernels."""


class SimMIM(Objective):
    """Trains a graph to draw what is hidden from it, plain or hierarchical (arXiv:2111.09886).

    Args:
        encoder: a graph of this package, with or without its top, for images of a known size, that begins with an
            embedding of patches which don't overlap: ViT, BEiT, Swin, Swin V2, PVT, Twins, NesT and their like.
        masking_ratio: the share of squares that are hidden, rounded up.
        mask_patch_size: side of such a square, in pixels.
        seed: of the random draws; None: another one each time.
        name: the model's name.

    `predict` gives {"prediction": (B, H, W, C), "mask": (B, h, w) with 1 for what was hidden}, of draws of its own.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """

    def __init__(self, encoder, masking_ratio=0.6, mask_patch_size=32, seed=None, name="simmim"):
        check = Check("simmim")
        check.shares(masking_ratio=masking_ratio)
        check.positive(mask_patch_size=mask_patch_size)
        super().__init__(encoder, seed, name)
        self.masking_ratio = masking_ratio
        self.mask_patch_size = mask_patch_size

        image, start = encoder.input, embedded(encoder, check)
        alone = all(map(_is_patchwise, keras.Model(image, start).layers))
        check.that(alone, "encoder", encoder.name, "one whose patches don't overlap, and show what neighbours hide")
        end, stage, grid = features(encoder)
        sides, stride = image.shape[1:3], pair(stage.stride)
        check.that(is_static(*sides), "encoder", encoder.name, "one for images of a known size")
        whole = all(n * step == side for n, step, side in zip(grid.shape[1:3], stride, sides, strict=True))
        check.that(whole, "encoder", encoder.name, f"one whose last stride, {stage.stride}, divides the image, {sides}")
        self.embedded = tuple(start.shape[1:3])
        self.units = tuple(side // mask_patch_size for side in sides)
        fits = all(n and side == n * mask_patch_size for n, side in zip(self.units, sides, strict=True))
        fits = fits and all(n % units == 0 for n, units in zip(self.embedded, self.units, strict=True))
        allowed = f"what divides the image, here {sides}, into squares of whole patches, here {self.embedded}"
        check.that(fits, "mask_patch_size", mask_patch_size, allowed)
        count = math.prod(self.units)
        hidden = math.ceil(masking_ratio * count)
        check.that(
            0 < hidden < count, "masking_ratio", masking_ratio, f"1 ... {count - 1} of {count} squares are hidden"
        )

        mask = keras.Input(self.embedded, name="mask")
        with policy_of(encoder):
            x = HideTokens(name="hide")(start, mask)
            x = _replay(start, end, x, encoder, check)
            x = ToMap(stage.prefix, name="features")(x, grid) if len(x.shape) == 3 else x
            x = dense(x, math.prod(stride) * image.shape[-1], "decoder")
            x = Unpatchify(stride, name="prediction")(ToTokens(name="pixels")(x), grid)
        loss = HiddenPixelsError(dtype="float32", name="loss")(x, image, mask)
        self.connect(keras.Model({"image": image, "mask": mask}, {"loss": loss, "prediction": x, "mask": mask}))

    def draw(self, images):
        """Squares of `mask_patch_size` pixels, the same number in each image."""
        noise = keras.random.uniform((ops.shape(images)[0], math.prod(self.units)), seed=self.seed_generator)
        mask = ops.reshape(RandomSubset(self.masking_ratio, dtype="float32")(noise), (-1, *self.units))
        for axis, (n, units) in enumerate(zip(self.embedded, self.units, strict=True), start=1):
            mask = ops.repeat(mask, n // units, axis=axis)
        return {"mask": mask}

    def reconstruct(self, images):
        """Images with squares hidden, the same with what the decoder draws in their place, and the mask.

        Args:
            images: (B, H, W, C), as in training.

        Returns:
            Arrays (B, H, W, C), (B, H, W, C), and (B, h, w), which is 1 where the embedding of a patch was hidden.
        """
        outputs = self.predict(images, verbose=0)
        return pictures(images, outputs["prediction"], outputs["mask"])


simmim = SimMIM
"""The same, in the lower case of what makes a model."""


def _is_patchwise(layer):
    if isinstance(layer, layers.Conv2D):
        return tuple(layer.kernel_size) == tuple(layer.strides)
    return isinstance(layer, PATCHWISE)


def _replay(start, end, x, encoder, check):
    try:
        return replay(start, end, x, "encoder")
    except ValueError:
        check.that(False, "encoder", encoder.name, "one in which all comes from the embedding of patches")
