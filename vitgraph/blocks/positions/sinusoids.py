"""Fixed position embeddings along a sequence of tokens."""

import numpy as np
from keras import ops

from vitgraph.blocks.base import Layer, is_static
from vitgraph.blocks.positions.tables import PositionTable


class SinePosition(Layer):
    """Adds the fixed sinusoids of the original Transformer (arXiv:1706.03762): (B, N, C) -> (B, N, C).

    Channel c of token n is sin (c even) or cos (c odd) of n / temperature^(2 (c // 2) / C).
    """

    def __init__(self, temperature=10000.0, **kwargs):
        super().__init__(**kwargs)
        self.temperature = temperature

    def call(self, x):
        return x + ops.cast(sinusoids(ops.shape(x)[1], x.shape[-1], self.temperature), x.dtype)


class SinusoidTable(PositionTable):
    """A `PositionTable` that starts as the sinusoids of `SinePosition` and isn't trained."""

    def build(self, x_shape, grid_shape):
        rows, columns = self.grid
        table = sinusoids(self.prefix + rows * columns, x_shape[-1])[None]
        self.table = self.add_weight(
            name="table",
            shape=table.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(table, dtype),
            trainable=False,
        )


def sinusoids(count, channels, temperature=10000.0):
    """Returns the sinusoids (count, channels), float32; a NumPy array if `count` is an integer."""
    channel = np.arange(channels)
    frequency = (temperature ** (-2.0 * (channel // 2) / channels)).astype("float32")
    # A sine shifted by a quarter turn would be a cosine, but with a rounding error: compute both and choose.
    xp = np if is_static(count) else ops
    position = np.arange(count, dtype="float32") if xp is np else ops.cast(ops.arange(count), "float32")
    angle = position[:, None] * frequency
    return xp.where(channel % 2 == 0, xp.sin(angle), xp.cos(angle))
