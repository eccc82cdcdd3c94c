"""A first convolution made to fit another number of channels, or patches of another size."""

import math

import keras
import numpy as np

from vitgraph.blocks import DepthwiseConv2D
from vitgraph.checkpoints.resample import patch_kernel


def adapted(model, layer, kernel, shape):
    """The kernel (rows, columns, in, out) for the layer's shape, if the layer sees the image; else as it is.

    Args:
        shape: the shape that the layer's kernel has.
    """
    is_convolution = isinstance(layer, keras.layers.Conv2D) and not isinstance(layer, DepthwiseConv2D)
    if not is_convolution or kernel.ndim != 4 or kernel.shape == tuple(shape) or kernel.shape[3] != shape[3]:
        return kernel
    if shape[2] != model.inputs[0].shape[-1]:
        return kernel
    if kernel.shape[2] != shape[2]:
        kernel = _for_channels(kernel, shape[2])
    is_patch = tuple(layer.kernel_size) == tuple(layer.strides)
    return patch_kernel(kernel, tuple(shape[:2])) if is_patch and kernel.shape[:2] != tuple(shape[:2]) else kernel


def _for_channels(kernel, count):
    """The sum over the channels for one channel; else the channels in turn, scaled so that gray stays as it is."""
    channels = kernel.shape[2]
    if count == 1:
        return kernel.sum(axis=2, keepdims=True)
    kernel = np.tile(kernel, (1, 1, math.ceil(count / channels), 1))[:, :, :count]
    return (kernel * (channels / count)).astype(kernel.dtype)
