"""The residual connection: layer scale, dropout, stochastic depth and the addition, in one node."""

import keras
from keras import ops

from vitgraph.blocks.base import Layer, dense_rows


class Residual(Layer):
    """x + drop_path(gamma * dropout(branch)): (..., C), (..., C) -> (..., C).

    LayerScale (Touvron et al., arXiv:2103.17239) and stochastic depth (Huang et al., arXiv:1603.09382) are arguments
    rather than layers, so that the names in a graph don't depend on its rates.

    Args:
        init: initial value of the layer scale `gamma` (C,); None: no layer scale.
        drop_path: probability, per sample, of dropping the branch in training; branches that stay are scaled up.
        dropout: rate of ordinary dropout on the branch.
    """

    def __init__(self, init=None, drop_path=0.0, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.init = init
        self.drop_path = drop_path
        self.dropout = dropout
        self.seed_generator = keras.random.SeedGenerator() if drop_path or dropout else None

    def build(self, x_shape, branch_shape):
        if self.init is not None:
            self.gamma = self.add_weight(
                name="gamma", shape=(branch_shape[-1],), initializer=keras.initializers.Constant(self.init)
            )

    def call(self, x, branch, training=False):
        if training and self.dropout:
            branch = keras.random.dropout(branch, self.dropout, seed=self.seed_generator)
        if self.init is not None:
            branch = branch * ops.cast(self.gamma, branch.dtype)
        if training and self.drop_path:
            noise_shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
            branch = keras.random.dropout(branch, self.drop_path, noise_shape, seed=self.seed_generator)
        rows, shape = dense_rows(branch)  # oneDNN computes a product, its bias and this sum in one operation
        if shape is None or x.shape[0] != branch.shape[0]:  # such as positions, the same for all images
            return x + branch
        return ops.reshape(ops.reshape(x, (-1, x.shape[-1])) + rows, shape)

    def compute_output_shape(self, x_shape, branch_shape):
        return x_shape
