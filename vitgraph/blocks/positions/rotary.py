"""Rotary positions (arXiv:2104.09864) of a map: queries and keys are turned by angles that grow with the position."""

import keras
import numpy as np
from keras import ops

from vitgraph.blocks.base import Layer, is_static, pair, sizes
from vitgraph.blocks.initializers import Uniform


class RotaryTable(Layer):
    """(B, H, W, .) -> (1, prefix + H W, 1, 2 d): cosines, then signed sines, for heads of width d; see `Rotate`.

    Pair i of a head's d / 2 pairs of channels is turned by coordinate * temperature^(-4 i / d): the first half of the
    pairs by rows, the second by columns. Tokens of the prefix aren't turned. Only the input's size matters.

    Args:
        width: width d of a head, a multiple of 4.
        prefix: number of leading tokens (class, registers) without a position.
        temperature: base of the frequencies.
        centred: whether coordinates are 2 pi times -1 to 1, between the map's edges (DINOv3, arXiv:2508.10104);
            otherwise they count positions.
        reference: (rows, columns) of the grid of pre-training, to which the positions are scaled (EVA-02,
            arXiv:2303.11331); None: they aren't scaled. Not with `centred`.
        offset: added to each position before that.
        x_first: whether columns come before rows.
        halves: whether a pair is a channel of the head's first half and one of its second; otherwise neighbours.
    """

    def __init__(
        self,
        width,
        prefix=0,
        temperature=10000.0,
        centred=False,
        reference=None,
        offset=0.0,
        x_first=False,
        halves=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.width = width
        self.prefix = prefix
        self.temperature = temperature
        self.centred = centred
        self.reference = None if reference is None else pair(reference)
        self.offset = offset
        self.x_first = x_first
        self.halves = halves

    def call(self, x):
        xp, rows, columns = self._coordinates(x)
        bands = self.temperature ** (-4.0 * np.arange(self.width // 4) / self.width)
        first, second = np.pad(bands, (0, bands.size)), np.pad(bands, (bands.size, 0))
        down, across = (second, first) if self.x_first else (first, second)
        angles = rows[:, None, None] * down + columns[None, :, None] * across
        return self._table(xp, xp.reshape(angles, (1, -1, 1, self.width // 2)))

    def _coordinates(self, x):
        """(numpy or `keras.ops`, coordinates of the rows, of the columns): NumPy where the map's size is known."""
        grid = sizes(x)
        xp, references = np if is_static(*grid) else ops, self.reference or (None, None)
        return xp, *(self._axis(xp, count, reference) for count, reference in zip(grid, references, strict=True))

    def _axis(self, xp, count, reference):
        position = np.arange(count) if xp is np else ops.cast(ops.arange(count), "float32")
        position = position + self.offset
        size = count if xp is np else ops.cast(count, "float32")
        if self.centred:
            return 2.0 * np.pi * (2.0 * (position + 0.5) / size - 1.0)
        return position if reference is None else position / size * reference

    def _table(self, xp, angles):
        """Angles (K, N, heads, d / 2) -> (K, prefix + N, heads, 2 d)."""
        sines, cosines = xp.sin(angles), xp.cos(angles)
        if self.halves:
            parts = [cosines, cosines, -sines, sines]
        else:
            shape = (*angles.shape[:1], -1, angles.shape[2], self.width)
            sines, cosines = (xp.reshape(each, (-1, self.width // 2)) for each in (sines, cosines))  # at most four axes
            pairs = [[cosines, cosines], [-sines, sines]]
            parts = [xp.reshape(xp.stack(each, axis=-1), shape) for each in pairs]
        table = xp.concatenate(parts, axis=-1)
        if self.prefix:
            unturned = np.repeat([1.0, 0.0], self.width).astype("float32")
            unturned = np.broadcast_to(unturned, (angles.shape[0], self.prefix, angles.shape[2], 2 * self.width))
            table = xp.concatenate([unturned, table], axis=1)
        return ops.cast(table, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        _, height, width, _ = input_shape
        return (1, self.prefix + height * width if is_static(height, width) else None, 1, 2 * self.width)


class MixedRotaryTable(RotaryTable):
    """(B, H, W, .) -> (depth, prefix + H W, heads, 2 d): a table for each block, with learned directions per head.

    Each pair of channels is turned by rows and columns at once, at frequencies that are weights (Heo et al.,
    arXiv:2403.13298). They start as those of `RotaryTable`, along an axis that each head draws.

    Args:
        depth: number of blocks.
        num_heads: number of heads of each.
    """

    def __init__(self, width, depth, num_heads, prefix=0, temperature=10.0, x_first=False, **kwargs):
        super().__init__(width, prefix, temperature, x_first=x_first, **kwargs)
        self.depth = depth
        self.num_heads = num_heads

    def build(self, input_shape):
        shape = (2, self.depth, self.num_heads, self.width // 2)
        self.freqs = self.add_weight(name="freqs", shape=shape, initializer=self._directions, autocast=False)

    def _directions(self, shape, dtype=None):
        bands = self.temperature ** (-4.0 * np.arange(self.width // 4) / self.width)
        turn = keras.ops.convert_to_numpy(Uniform(0.0, 2.0 * np.pi)((*shape[1:3], 1)))
        turns = np.concatenate([turn + 0.0 * bands, turn + np.pi / 2 + 0.0 * bands], axis=-1)
        return ops.convert_to_tensor(np.tile(bands, 2) * np.stack([np.cos(turns), np.sin(turns)]), dtype)

    def call(self, x):
        _, rows, columns = self._coordinates(x)
        first, second = ops.cast(self.freqs[0], "float32"), ops.cast(self.freqs[1], "float32")
        down, across = (second, first) if self.x_first else (first, second)  # (depth, heads, d / 2)
        rows, columns = ops.cast(rows, "float32")[:, None], ops.cast(columns, "float32")[None]
        rows, columns = (ops.reshape(each, (-1, 1, 1)) for each in (rows + 0 * columns, columns + 0 * rows))
        return self._table(ops, rows * down[:, None] + columns * across[:, None])  # (depth, H W, heads, d / 2)

    def compute_output_shape(self, input_shape):
        _, tokens, _, channels = super().compute_output_shape(input_shape)
        return (self.depth, tokens, self.num_heads, channels)


class Rotate(Layer):
    """(B, N, heads, d), (K, N, 1 or heads, 2 d) -> (B, N, heads, d): queries or keys, turned by a `RotaryTable`.

    Args:
        index: which of the K tables.
        halves: as of the table.
    """

    def __init__(self, index=0, halves=False, **kwargs):
        super().__init__(**kwargs)
        self.index = index
        self.halves = halves

    def call(self, x, table):
        width = x.shape[-1]
        table = table[self.index : self.index + 1]
        return x * table[..., :width] + self._partners(x) * table[..., width:]

    def _partners(self, x):
        """Each channel's place is taken by the other one of its pair."""
        half = x.shape[-1] // 2
        if self.halves:
            return ops.concatenate([x[..., half:], x[..., :half]], axis=-1)
        pairs = ops.reshape(x, (-1, 2))
        return ops.reshape(ops.concatenate([pairs[:, 1:], pairs[:, :1]], axis=-1), ops.shape(x))

    def compute_output_shape(self, x_shape, table_shape):
        return x_shape
