"""Attention of linear cost whose kernel is ReLU, over several scales (EfficientViT, arXiv:2205.14756)."""

from keras import ops

from vitgraph.blocks.attention.core import AttentionCore
from vitgraph.blocks.base import Layer
from vitgraph.blocks.initializers import initial_linear


class ReLULinearAttention(AttentionCore):
    """(B, ..., heads 3 d) -> (B, ..., heads d): queries, keys and values head by head, without an N x N map.

    relu(q) (relu(k)' v) / (relu(q) (relu(k)' 1) + epsilon), computed in float32 under any policy.

    Args:
        num_heads: number of heads, of all scales together.
        epsilon: added to the sum of a query's weights.
    """

    def __init__(self, num_heads, epsilon=1e-5, **kwargs):
        super().__init__(num_heads, **kwargs)
        self.epsilon = epsilon

    def call(self, qkv, training=False):
        return self.attend(qkv, training=training)

    def heads(self, qkv):
        (x,) = self._split(qkv, 1)
        q, k, v = ops.split(x, 3, axis=-1)
        return ops.relu(q), ops.relu(k), v, None

    def attend(self, qkv, training):
        q, k, v = self._in_float32(qkv)
        sums = ops.matmul(q, ops.expand_dims(ops.sum(k, axis=2), 3))  # (B, heads, N, 1)
        y = ops.matmul(q, ops.matmul(ops.transpose(k, (0, 1, 3, 2)), v)) / (sums + self.epsilon)
        return self._merge(ops.cast(ops.transpose(y, (0, 2, 1, 3)), qkv.dtype), qkv)

    def probabilities(self, qkv):
        """Their rows sum to a little less than 1, for `epsilon`."""
        q, k, _ = self._in_float32(qkv)
        weights = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2)))
        return weights / (ops.sum(weights, axis=-1, keepdims=True) + self.epsilon)

    def _in_float32(self, qkv):
        """Queries, keys and values (B, heads, N, d)."""
        return [ops.transpose(ops.cast(x, "float32"), (0, 2, 1, 3)) for x in self.heads(qkv)[:3]]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 3)


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
