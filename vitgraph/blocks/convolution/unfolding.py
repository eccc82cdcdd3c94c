"""Unfolding: the pixels of a map grouped by their position within their patch, and folding them back."""

from keras import ops

from vitgraph.blocks.base import Layer, is_static, pair, sizes


class _Folding(Layer):
    """What `Unfold` and `Fold` share.

    Args:
        patch_size: an integer, or (rows, columns), by which the sides of the map are divisible.
    """

    def __init__(self, patch_size, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = pair(patch_size)


class Unfold(_Folding):
    """(B, H, W, C) -> (B, P, N, C): for each of the P positions in a patch, the N patches' pixels there."""

    def call(self, x):
        (height, width), (rows, columns), channels = sizes(x), self.patch_size, x.shape[-1]
        patches = (height // rows) * (width // columns)
        x = ops.reshape(x, (-1, height // rows, rows, width * channels))
        x = ops.transpose(x, (0, 2, 1, 3))
        x = ops.reshape(x, (-1, patches, columns, channels))  # (B p, N, q, C)
        x = ops.transpose(x, (0, 2, 1, 3))
        return ops.reshape(x, (-1, rows * columns, patches, channels))

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        rows, columns = self.patch_size
        patches = (height // rows) * (width // columns) if is_static(height, width) else None
        return (batch, rows * columns, patches, channels)


class Fold(_Folding):
    """(B, P, N, C), (B, H, W, .) -> (B, H, W, C): the inverse of `Unfold`, for a map of the second input's size."""

    def call(self, x, like):
        (height, width), (rows, columns), channels = sizes(like), self.patch_size, x.shape[-1]
        patches = (height // rows) * (width // columns)
        x = ops.reshape(x, (-1, columns, patches, channels))  # (B p, q, N, C)
        x = ops.transpose(x, (0, 2, 1, 3))
        x = ops.reshape(x, (-1, rows, height // rows, width * channels))
        x = ops.transpose(x, (0, 2, 1, 3))
        return ops.reshape(x, (-1, height, width, channels))

    def compute_output_shape(self, x_shape, like_shape):
        return (*like_shape[:3], x_shape[-1])
