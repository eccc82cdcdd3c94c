"""What NesT's nested blocks need beside windows: positions of all blocks, heads side by side, an overlapping pool."""

from keras import ops

from vitgraph.blocks.base import Block, pair
from vitgraph.blocks.initializers import TruncatedNormal


class BlockPositions(Block):
    """(B T, N, C) -> (B T, N, C): adds a learned table of every token of every block, (1, T, N, C).

    Args:
        blocks: number T of blocks in a sample.
        block_size: (rows, columns) of one of them, N tokens.
    """

    def __init__(self, blocks, block_size, **kwargs):
        super().__init__(**kwargs)
        self.blocks = blocks
        self.block_size = pair(block_size)

    def build(self, input_shape):
        rows, columns = self.block_size
        self.table = self.add_weight(
            name="table",
            shape=(1, self.blocks, rows * columns, input_shape[-1]),
            initializer=TruncatedNormal(stddev=0.02),
        )

    def call(self, x):
        blocks = ops.reshape(x, (-1, *self.table.shape[1:]))
        return ops.reshape(blocks + ops.cast(self.table, x.dtype), (-1, *self.table.shape[2:]))


class InterleaveHeads(Block):
    """(B, N, heads d) -> (B, N, d heads): channels of heads one after another -> each channel of all heads."""

    def __init__(self, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def call(self, x):
        tokens, channels = ops.shape(x)[1], x.shape[-1]
        x = ops.reshape(x, (-1, tokens, self.num_heads, channels // self.num_heads))
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2)), (-1, tokens, channels))


class MaxPooling(Block):
    """(B, H, W, C) -> (B, H', W', C), H' = (H + 2 p - k) // s + 1: PyTorch's, whose padding is never the maximum.

    Args:
        pool_size: side k of a window.
        strides: step s.
        padding: positions p on each side.
    """

    def __init__(self, pool_size, strides, padding=0, **kwargs):
        super().__init__(**kwargs)
        self.pool_size = pool_size
        self.strides = strides
        self.padding = padding

    def call(self, x):
        sides = (self.padding, self.padding)
        x = ops.pad(x, ((0, 0), sides, sides, (0, 0)), constant_values=float("-inf"))
        return ops.max_pool(x, self.pool_size, self.strides, "valid", data_format="channels_last")

    def compute_output_shape(self, input_shape):
        batch, *grid, channels = input_shape
        reach = 2 * self.padding - self.pool_size
        return (batch, *(None if n is None else (n + reach) // self.strides + 1 for n in grid), channels)
