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

from vitgraph import contract as c
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
from vitgraph.objectives.base import Objective, embedded, features, image_of, policy_of, replay
from vitgraph.objectives.pictures import pictures
from vitgraph.wiring import layers as w

PATCHWISE = (
    LayerNorm,
    PadToMultiple,
    Patchify,
    layers.Dense,
    layers.InputLayer,
    layers.Normalization,
    layers.Rescaling,
)
"""The layers that an embedding may have, besides convolutions whose strides are as wide as their kernels."""


class SimMIM(Objective):
    """The model that `simmim` returns."""

    def wire(self):
        image, start = image_of(self.encoder), embedded(self.encoder)
        alone = all(map(_is_patchwise, keras.Model(image, start).layers))
        c.require(alone, "encoder", "a graph whose patches don't overlap: overlapping ones show hidden pixels")
        end, stage, grid = features(self.encoder)
        sides, stride = tuple(image.shape[1:3]), pair(stage.stride)
        c.require(is_static(*sides), "encoder", "a graph for images of a known size")
        whole = all(n * step == side for n, step, side in zip(grid.shape[1:3], stride, sides, strict=True))
        c.require(whole, "encoder", f"a graph whose last stride, here {stage.stride}, divides the image, {sides}")
        self._plan(sides, start.shape[1:3])

        mask = keras.Input(self.embedded, name="mask")
        with policy_of(self.encoder):
            x = HideTokens(name="hide")(start, mask)
            x = replay(start, end, x, "encoder", allowed="a graph in which all comes from the embedding of patches")
            x = ToMap(stage.prefix, name="features")(x, grid) if len(x.shape) == 3 else x
            x = w.dense(x, math.prod(stride) * image.shape[-1], "decoder")
            x = Unpatchify(stride, name="prediction")(ToTokens(name="pixels")(x), grid)
        loss = HiddenPixelsError(dtype="float32", name="loss")(x, image, mask)
        return keras.Model({"image": image, "mask": mask}, {"loss": loss, "prediction": x, "mask": mask})

    def _plan(self, sides, embedded):
        """The rows and columns of embedded patches, and of the squares of them that are hidden together."""
        self.embedded = tuple(embedded)
        self.units = tuple(side // self.mask_patch_size for side in sides)
        fits = all(n and side == n * self.mask_patch_size for n, side in zip(self.units, sides, strict=True))
        fits = fits and all(n % units == 0 for n, units in zip(self.embedded, self.units, strict=True))
        allowed = f"the side of squares that divide the image, here {sides}, and hold whole patches, here {embedded}"
        c.require(fits, "mask_patch_size", allowed)
        count = math.prod(self.units)
        hidden = math.ceil(self.masking_ratio * count)
        c.require(0 < hidden < count, "masking_ratio", f"a share that hides 1 to {count - 1} of {count} squares")

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


@c.public
def simmim(
    encoder: c.Graph,
    masking_ratio: c.Share = 0.6,
    mask_patch_size: c.Side = 32,
    seed: c.Seed | None = None,
    name: c.Name = "simmim",
) -> SimMIM:
    """Trains a graph to draw what is hidden from it, plain or hierarchical (arXiv:2111.09886).

    `predict` draws a mask, too, and gives {"prediction": (B, H, W, C), "mask": (B, h, w)}, 1 for a patch that was
    hidden. `reconstruct` makes images of that.

    Args:
        encoder: a graph of this package, with or without its top, for images of a known size, that begins with an
            embedding of patches which don't overlap: ViT, BEiT, Swin, Swin V2, PVT, Twins, NesT and their like.
        masking_ratio: share of the squares that are hidden, rounded up.
        mask_patch_size: side of such a square, in pixels.

    Returns:
        A `keras.Model` to compile with an optimizer and fit to images; its `encoder` is the graph that it trains.

    Example:
        >>> encoder = vitgraph.build_vit((32, 32, 3), include_top=False, patch_size=8, dim=32, depth=1, num_heads=2)
        >>> model = vitgraph.simmim(encoder, mask_patch_size=16)
        >>> model.predict(numpy.zeros((4, 32, 32, 3)), verbose=0)["prediction"].shape
        (4, 32, 32, 3)
    """
    return SimMIM(encoder, seed, name, masking_ratio=masking_ratio, mask_patch_size=mask_patch_size)


def _is_patchwise(layer):
    if isinstance(layer, layers.Conv2D):
        return tuple(layer.kernel_size) == tuple(layer.strides)
    return isinstance(layer, PATCHWISE)
