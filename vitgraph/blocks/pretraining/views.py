"""Random views of images, as layers of a graph."""

import math

import keras
from keras import ops

from vitgraph.blocks.base import Layer, pair, sizes


class RandomResizedCrop(Layer):
    """(B, H, W, C) -> (B, h, w, C): a random box of each image, resized by linear interpolation.

    Each side is resampled by a matrix product, which all backends and compilers support; shrinking is antialiased.

    Args:
        size: (h, w), or the side of a square.
        scale: (least, most) share of the image's area.
        ratio: (least, most) ratio of width to height; boxes are clipped to the image.
        seed: seed of the random draws.
    """

    def __init__(self, size, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3), seed=None, **kwargs):
        super().__init__(**kwargs)
        self.size = pair(size)
        self.scale = tuple(scale)
        self.ratio = tuple(ratio)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x):
        batch, (height, width), channels = ops.shape(x)[0], sizes(x), x.shape[-1]
        area = self._uniform(batch, *self.scale)
        ratio = ops.exp(self._uniform(batch, *map(math.log, self.ratio)))
        rows = self._matrix(batch, height, self.size[0], ops.sqrt(area / ratio))
        columns = self._matrix(batch, width, self.size[1], ops.sqrt(area * ratio))
        y = ops.matmul(rows, ops.reshape(ops.cast(x, "float32"), (batch, height, width * channels)))
        y = ops.matmul(columns[:, None], ops.reshape(y, (batch, self.size[0], width, channels)))
        return ops.cast(y, x.dtype)

    def _matrix(self, batch, old, new, share):
        """(B, new, old): `new` samples of a random section, whose share of a side of `old` is `share` (B,)."""
        old_size = ops.cast(old, "float32")
        length = ops.minimum(share, 1.0) * old_size
        start = self._uniform(batch, 0.0, 1.0) * (old_size - length)
        step = length / new
        centre = start[:, None] + (ops.arange(new, dtype="float32") + 0.5) * step[:, None] - 0.5
        distance = ops.abs(ops.arange(old, dtype="float32") - ops.clip(centre, 0.0, old_size - 1.0)[:, :, None])
        weights = ops.maximum(1.0 - distance / ops.maximum(step, 1.0)[:, None, None], 0.0)
        return weights / ops.sum(weights, axis=-1, keepdims=True)

    def _uniform(self, batch, low, high):
        return keras.random.uniform((batch,), low, high, dtype="float32", seed=self.seed_generator)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.size, input_shape[-1])
