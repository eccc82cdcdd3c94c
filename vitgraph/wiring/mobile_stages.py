"""The parts of both MobileViTs: inverted residuals, and what stands before their transformers."""

from collections.abc import Sequence
from typing import Annotated, TypeVar

from vitgraph.blocks import DepthwiseConv2D, Residual, ResizeToMultiple
from vitgraph.blocks.base import pair
from vitgraph.contract import Per, Rule, Window
from vitgraph.wiring.layers import activation, batch_norm, conv_norm

T = TypeVar("T")

PerTransformer = Annotated[Sequence[T], Per("transformer", 32)]
OddSide = Annotated[int, Rule("an odd integer from 1 to 31", lambda v: 1 <= v < 32 and v % 2 == 1)]
Patch = Window | tuple[Window, Window]


def inverted_residuals(x, dim, depth, stride, expansion, act, rates, stage):
    """`depth` inverted residuals, the first of which reduces the map; `rates` are of stochastic depth, an iterator."""
    for j in range(depth):
        step = stride if j == 0 else 1
        x = _inverted_residual(x, dim, step, expansion, act, next(rates), f"{stage}_block_{j}")
    return x


def _inverted_residual(x, dim, stride, expansion, act, drop_path, name):
    """MobileNetV2's block (arXiv:1801.04381): wide and depthwise inside, narrow and linear at its ends."""
    y = conv_norm_act(x, multiple_of_8(x.shape[-1] * expansion), 1, 1, act, f"{name}_conv1_1x1")
    y = DepthwiseConv2D(3, stride, use_bias=False, name=f"{name}_conv2_kxk")(y)
    y = activation(batch_norm(y, f"{name}_conv2_kxk_norm"), act, f"{name}_conv2_kxk_act")
    is_residual = stride == 1 and x.shape[-1] == dim
    y = conv_norm(y, dim, 1, 1, f"{name}_conv3_1x1", gamma="zeros" if is_residual else "ones")
    if not is_residual:
        return y
    return Residual(drop_path=drop_path, name=f"{name}_res")(x, y)


def conv_norm_act(x, filters, kernel_size, strides, act, name):
    x = conv_norm(x, filters, kernel_size, strides, name, padding=kernel_size // 2)
    return activation(x, act, f"{name}_act")


def resize_to_patches(x, patch_size, name, align_corners=False):
    """The map in a size that patches divide; no node where its size is known to be one."""
    divisible = all(n and n % size == 0 for n, size in zip(x.shape[1:3], pair(patch_size), strict=True))
    return x if divisible else ResizeToMultiple(patch_size, align_corners, name=name)(x)


def multiple_of_8(width, least=0.9):
    """The nearest multiple of 8, at least 8 and at least a share of the width."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded if rounded >= least * width else rounded + 8
