"""Shifting: a map next to shifted copies of itself."""

from keras import ops

from vitgraph.blocks.base import Layer, pad_map, pair, sizes


class DiagonalShifts(Layer):
    """(B, H, W, C) -> (B, H, W, 5 C): the map, then copies shifted along the diagonals.

    They are shifted to the lower right, lower left, upper right and upper left; empty positions are zeros. With shifts
    of half a patch, a patch of the result also holds the surroundings of a patch of the map: the idea of shifted patch
    tokenization (arXiv:2112.13492).

    Args:
        shift: distance, an integer or (rows, columns).
    """

    def __init__(self, shift, **kwargs):
        super().__init__(**kwargs)
        self.shift = pair(shift)

    def call(self, x):
        (height, width), (rows, columns) = sizes(x), self.shift
        padded = pad_map(x, (rows, rows), (columns, columns))
        corners = [(top, left) for top in (0, 2 * rows) for left in (0, 2 * columns)]
        moved = [padded[:, top : top + height, left : left + width] for top, left in corners]
        return ops.concatenate([x, *moved], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 5 * input_shape[-1])
