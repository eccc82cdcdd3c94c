"""The values of an attention layer, for what is done to them beside it."""

from vitgraph.blocks.base import Block


class TakeValues(Block):
    """(..., 3 C) -> (..., C): the values, the last of queries, keys and values side by side."""

    def call(self, qkv):
        return qkv[..., qkv.shape[-1] // 3 * 2 :]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 3)
