"""Parts of what attention takes: values for branches beside it, and what belongs to one head alone."""

from keras import ops

from vitgraph.blocks.base import Layer


class InterleaveHeads(Layer):
    """(B, N, heads d) -> (B, N, d heads): from head by head to channel by channel."""

    def __init__(self, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def call(self, x):
        tokens, channels = ops.shape(x)[1], x.shape[-1]
        x = ops.reshape(x, (-1, tokens, self.num_heads, channels // self.num_heads))
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2)), (-1, tokens, channels))


class TakeValues(Layer):
    """(..., 3 C) -> (..., C): the values, the last of queries, keys and values side by side."""

    def call(self, qkv):
        return qkv[..., qkv.shape[-1] // 3 * 2 :]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 3)


class SplitBias(Layer):
    """(1, heads, N, M) -> one (1, 1, N, M) per head: a bias of attention, for heads that are computed one by one."""

    def __init__(self, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def call(self, bias):
        return tuple(bias[:, i : i + 1] for i in range(self.num_heads))

    def compute_output_shape(self, input_shape):
        batch, _, *tokens = input_shape
        return ((batch, 1, *tokens),) * self.num_heads
