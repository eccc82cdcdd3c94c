"""Branches that one convolution can replace once they are trained: `vitgraph.reparameterize` does that.

All read the same map, all are linear, and their sum is the next map. Such a sum trains better than the one convolution
that it is equal to (RepVGG: Ding et al., arXiv:2101.03697).
"""

from keras import layers

from vitgraph.blocks import DepthwiseConv2D, Residual
from vitgraph.wiring.layers import batch_norm, conv_norm


def depthwise_norm(x, kernel_size, strides, name, multiplier=1, gamma="ones"):
    """A depthwise convolution without a bias, `multiplier` times as wide, and the batch norm that follows it."""
    x = DepthwiseConv2D(kernel_size, strides, False, depth_multiplier=multiplier, name=name)(x)
    return batch_norm(x, f"{name}_norm", gamma=gamma)


def branches(x, filters, kernel_size, strides, name, *, depthwise=False, scale=True):
    """MobileOne's branches (Vasu et al., arXiv:2206.04040): (B, H, W, C) -> (B, ceil(H / s), ceil(W / s), filters).

    A convolution, one of single positions with `scale`, and the map itself where it has the shape of the output; each
    followed by a batch norm.
    """

    def branch(size, name):
        if depthwise:
            return depthwise_norm(x, size, strides, name, filters // x.shape[-1])
        return conv_norm(x, filters, size, strides, name, padding=size // 2)

    found = [branch(kernel_size, f"{name}_conv")]
    if scale and kernel_size > 1:
        found.append(branch(1, f"{name}_scale"))
    if strides == 1 and filters == x.shape[-1]:
        found.append(batch_norm(x, f"{name}_identity"))
    return layers.Add(name=name)(found) if len(found) > 1 else found[0]


def large_kernel(x, filters, kernel_size, strides, name, small=3):
    """RepLKNet's branches (Ding et al., arXiv:2203.06717): a large depthwise kernel and a small one."""
    multiplier = filters // x.shape[-1]
    sizes = {"large": kernel_size, "small": small}
    found = [depthwise_norm(x, size, strides, f"{name}_{kind}", multiplier) for kind, size in sizes.items()]
    return layers.Add(name=name)(found)


def mixer(x, kernel_size, init_values, name):
    """RepMixer (Vasu et al., arXiv:2303.14189): x + gamma (branches(x) - norm(x)), mixes positions of each channel."""
    y = branches(x, x.shape[-1], kernel_size, 1, f"{name}_mixed", depthwise=True)
    y = layers.Subtract(name=f"{name}_difference")([y, batch_norm(x, f"{name}_norm")])
    return Residual(init_values, name=name)(x, y)
