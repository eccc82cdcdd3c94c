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
