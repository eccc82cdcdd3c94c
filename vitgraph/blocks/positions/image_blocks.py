"""The position embedding of NesT, whose blocks are parts of an image."""

from keras import ops

from vitgraph.blocks.base import Layer, pair
from vitgraph.blocks.initializers import initial


class BlockPositions(Layer):
    """(B T, N, C) -> (B T, N, C): adds a learned table (1, T, N, C) with a row for every token of every block.

    Args:
        blocks: number T of blocks per sample.
        block_size: (rows, columns) of a block, N tokens.
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
            initializer=initial("table", f"{self.name}/table"),
        )

    def call(self, x):
        blocks = ops.reshape(x, (-1, *self.table.shape[1:]))
        return ops.reshape(blocks + ops.cast(self.table, x.dtype), (-1, *self.table.shape[2:]))
