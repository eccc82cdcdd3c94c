"""Sines and cosines of rows and columns, from which a linear layer makes position embeddings."""

import math

import numpy as np
from keras import ops

from vitgraph.blocks.base import Layer, is_static, sizes


class FourierPositions(Layer):
    """(B, H, W, .) -> (1, H, W, 2 width): XCiT's positions (arXiv:2106.09681), first of the row, then of the column.

    A position goes from 1 / n to 1 along a side of n, times 2 pi; channel c has its sine (c even) or cosine (c odd) at
    the frequency temperature ** (-2 (c // 2) / width). Only the input's size matters.

    Args:
        width: channels per axis, an even number.
        temperature: ratio of the largest and the smallest frequency, but for one step.
    """

    def __init__(self, width=32, temperature=10000.0, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.temperature = temperature

    def call(self, x):
        height, width = sizes(x)
        xp = np if is_static(height, width) else ops
        rows, columns = self._waves(xp, height)[:, None], self._waves(xp, width)[None]
        parts = [xp.broadcast_to(part, (height, width, self.width)) for part in (rows, columns)]
        return ops.cast(xp.concatenate(parts, axis=-1)[None], self.compute_dtype)

    def _waves(self, xp, count):
        """(count, width), float32."""
        channel = np.arange(self.width)
        frequency = (self.temperature ** (-2.0 * (channel // 2) / self.width)).astype("float32")
        position = xp.arange(1, count + 1)
        position = position.astype("float32") if xp is np else ops.cast(position, "float32")
        angle = (position / (position[-1:] + 1e-6) * (2 * math.pi))[:, None] * frequency
        return xp.where(channel % 2 == 0, xp.sin(angle), xp.cos(angle))

    def compute_output_shape(self, input_shape):
        return (1, *input_shape[1:3], 2 * self.width)
