"""A 1x1 convolution in groups of channels, as a product of matrices, which every backend and exporter has."""

from keras import ops

from vitgraph.blocks.base import Layer
from vitgraph.blocks.initializers import initial_linear


class GroupedDense(Layer):
    """(..., groups d) -> (..., groups d): a linear layer without a bias for each group of channels, d to d.

    Args:
        groups: number of groups.
    """

    def __init__(self, groups, **kwargs):
        super().__init__(**kwargs)
        self.groups = groups

    def build(self, input_shape):
        width = input_shape[-1] // self.groups
        kernel, _ = initial_linear("conv", self.name, width, width)
        self.kernel = self.add_weight(name="kernel", shape=(self.groups, width, width), initializer=kernel)

    def call(self, x):
        shape = ops.shape(x)
        x = ops.reshape(x, (-1, self.groups, x.shape[-1] // self.groups))
        y = ops.matmul(ops.transpose(x, (1, 0, 2)), self.kernel)  # (groups, N, d)
        return ops.reshape(ops.transpose(y, (1, 0, 2)), (-1, *shape[1:]))
