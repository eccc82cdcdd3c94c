"""Groups of a map's positions, adjacent or spread out: CrossFormer's short- and long-distance attention.

All layers share one geometry (`_Grouped`): a group holds every `interval`-th position along both axes; if the map's
shorter side isn't longer than a group, the whole map is one group; the last groups are padded with zeros.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from vitgraph.blocks.base import Layer, is_static, pad_map, sizes


class _Axis(NamedTuple):
    """How groups are laid out along one axis of a map: `spans` times `interval` groups.

    Each holds every `interval`-th position of a span. All are integers, or scalar tensors if the map's size is known
    only at run time.
    """

    size: Any
    group: Any
    interval: Any
    spans: Any
    before: Any
    """Zeros before the map's first position."""

    @property
    def length(self):
        """Number of positions, including the zeros."""
        return self.spans * self.group * self.interval

    @property
    def zeros(self):
        """Number of zeros (before, after) the map's own positions."""
        return self.before, self.length - self.size - self.before

    @property
    def dense(self):
        """Whether a group's positions are known to be adjacent."""
        return is_static(self.interval) and self.interval == 1


class _Grouped(Layer):
    """The geometry of groups.

    Args:
        group_size: positions along a side of a group.
        interval: distance between a group's positions; 1: adjacent; None: such that one group spans the longer side.
        centre: whether the zeros are added at both ends of an axis, not only at the bottom and the right.
    """

    def __init__(self, group_size, interval=1, centre=False, **kwargs):
        super().__init__(**kwargs)
        self.group_size = group_size
        self.interval = interval
        self.centre = centre

    def geometry(self, height, width):
        """The two axes of a map."""
        if is_static(height, width):
            shorter, longer, where = min(height, width), max(height, width), _either
        else:
            shorter, longer, where = ops.minimum(height, width), ops.maximum(height, width), ops.where
        group, interval = self.group_size, self.interval
        whole = shorter <= group
        if interval != 1:
            interval = where(whole, 1, interval or (longer + group - 1) // group)
        return [self._axis(size, where(whole, size, group), interval) for size in (height, width)]

    def _axis(self, size, group, interval):
        spans = (size + group * interval - 1) // (group * interval)
        return _Axis(size, group, interval, spans, (spans * group * interval - size) // 2 if self.centre else 0)


class GroupPartition(_Grouped):
    """(B, H, W, C) -> (B n, w, C): n groups of w tokens."""

    def call(self, x):
        rows, columns = self.geometry(*sizes(x))
        return _partition(ops, pad_map(x, rows.zeros, columns.zeros), rows, columns)

    def compute_output_shape(self, input_shape):
        _, height, width, channels = input_shape
        if not is_static(height, width):
            return (None, None, channels)
        rows, columns = self.geometry(height, width)
        return (None, rows.group * columns.group, channels)


class GroupReverse(_Grouped):
    """(B n, w, C), (B, H, W, .) -> (B, H, W, C): groups back into the map of the second input's size."""

    def call(self, groups, like):
        height, width = sizes(like)
        rows, columns = self.geometry(height, width)
        interval, channels = rows.interval, groups.shape[-1]
        x = ops.reshape(groups, (-1, columns.spans * interval, rows.group, columns.group * channels))
        x = ops.transpose(x, (0, 2, 1, 3))
        if not rows.dense:
            x = ops.reshape(x, (-1, interval, columns.group, channels))
            x = ops.transpose(x, (0, 2, 1, 3))
            x = ops.reshape(x, (-1, interval, rows.group, columns.length * channels))
            x = ops.transpose(x, (0, 2, 1, 3))
        x = ops.reshape(x, (-1, rows.length, columns.length, channels))
        if is_static(height, width) and (height, width) == (rows.length, columns.length):
            return x
        return x[:, rows.before : rows.before + height, columns.before : columns.before + width]

    def compute_output_shape(self, groups_shape, like_shape):
        return (*like_shape[:3], groups_shape[-1])


class GroupOffsets(_Grouped):
    """(B, H, W, .) -> (1, (2 G - 1)^2, 2): all offsets (rows, columns) between two positions of a G x G group.

    Only the input's size matters. Offsets count positions of the group, whatever the interval.
    """

    def call(self, x):
        height, width = sizes(x)
        xp = np if is_static(height, width) else ops
        rows, columns = (xp.arange(1 - axis.group, axis.group) for axis in self.geometry(height, width))
        grid = xp.stack(xp.meshgrid(rows, columns, indexing="ij"), axis=-1)
        return ops.cast(xp.reshape(grid, (1, -1, 2)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        _, height, width, _ = input_shape
        if not is_static(height, width):
            return (1, None, 2)
        rows, columns = self.geometry(height, width)
        return (1, (2 * rows.group - 1) * (2 * columns.group - 1), 2)


class GroupBias(_Grouped):
    """(1, (2 G - 1)^2, heads), (B, H, W, .) -> (1 or n, heads, w, w): each pair's bias, looked up by its offset.

    Args:
        mask: whether zeros that fill up groups are hidden from attention.
    """

    def __init__(self, group_size, interval=1, centre=False, mask=True, **kwargs):
        super().__init__(group_size, interval, centre, **kwargs)
        self.mask = mask

    def call(self, steps, x):
        height, width = sizes(x)
        xp = np if is_static(height, width) else ops
        rows, columns = self.geometry(height, width)
        index = xp.reshape(self._index(xp, rows.group, columns.group), (-1,))
        tokens = rows.group * columns.group
        bias = ops.reshape(ops.take(steps[0], index, axis=0), (1, tokens, tokens, steps.shape[-1]))
        bias = ops.transpose(bias, (0, 3, 1, 2))
        if not self._masks(rows, columns):
            return bias
        outside = xp.where(_inside(xp, rows)[:, None] & _inside(xp, columns)[None, :], 0.0, -1e4)  # fits float16
        outside = _partition(xp, xp.expand_dims(outside, (0, 3)), rows, columns)  # (n, w, 1)
        return bias + ops.cast(xp.reshape(outside, (-1, 1, 1, tokens)), bias.dtype)

    def _masks(self, rows, columns):
        """Whether there can be zeros, and they are masked."""
        zeros = (*rows.zeros, *columns.zeros)
        return self.mask and (not is_static(*zeros) or any(zeros))

    @staticmethod
    def _index(xp, rows, columns):
        """(rows, columns, rows, columns): the index of the offset from each key to each query."""
        y, x = xp.arange(rows), xp.arange(columns)
        down = (y[:, None] - y[None, :] + rows - 1) * (2 * columns - 1)
        across = x[:, None] - x[None, :] + columns - 1
        return xp.expand_dims(down, (1, 3)) + xp.expand_dims(across, (0, 2))

    def compute_output_shape(self, steps_shape, x_shape):
        _, height, width, _ = x_shape
        if not is_static(height, width):
            return (None if self.mask else 1, steps_shape[-1], None, None)
        rows, columns = self.geometry(height, width)
        tokens = rows.group * columns.group
        groups = rows.length * columns.length // tokens if self._masks(rows, columns) else 1
        return (groups, steps_shape[-1], tokens, tokens)


def _partition(xp, x, rows, columns):
    """(B, H, W, C), padded to the axes' lengths -> (B n, w, C), by numpy or `keras.ops`."""
    interval, channels = rows.interval, x.shape[-1]
    if not rows.dense:  # collect a group's positions, along one axis and then the other
        x = xp.reshape(x, (-1, rows.group, interval, columns.length * channels))
        x = xp.transpose(x, (0, 2, 1, 3))
        x = xp.reshape(x, (-1, columns.group, interval, channels))
        x = xp.transpose(x, (0, 2, 1, 3))
    x = xp.reshape(x, (-1, rows.group, columns.spans * interval, columns.group * channels))
    return xp.reshape(xp.transpose(x, (0, 2, 1, 3)), (-1, rows.group * columns.group, channels))


def _inside(xp, axis):
    """(length,): whether a position belongs to the map."""
    position = xp.arange(axis.length)
    return (position >= axis.before) & (position < axis.before + axis.size)


def _either(condition, one, other):
    return one if condition else other
