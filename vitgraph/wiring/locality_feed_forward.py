"""The locality feed-forward layer (Li et al., arXiv:2104.05707), which LocalViT on ViT and on PVT share.

map of the patches, without the class token         (B, H, W, dim)
  linear layer, batch norm, activation              (B, H, W, hidden)
  depthwise 3x3 convolution, batch norm, activation (B, H, W, hidden)
  gate: each channel times a number from 0 to 1     (B, H, W, hidden)
  linear layer, batch norm                          (B, H, W, dim)
added to the map; there is no norm before it
"""

import dataclasses
import math
from typing import Literal

from keras import layers

from vitgraph.blocks import DepthwiseConv2D, Residual, ToMap, ToTokens
from vitgraph.contract import require
from vitgraph.wiring.layers import activation, batch_norm, dense, dense_norm

Gate = Literal["se", "eca", "ecah"]
"""Squeeze-excitation; a convolution over channels and a sigmoid; the same with a hard sigmoid."""

Place = Literal["middle", "first", "none"]
"""Of the depthwise convolution: between the two linear layers, before them, or nowhere."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LocalityFeedForward:
    """The options of the feed-forward layer, called as builders call them, and its wiring."""

    act: str
    channel_attention: str | None
    reduction: int | None
    depthwise: str

    def check(self, dim, hidden):
        """Squeeze-excitation of `hidden` channels, in blocks of width `dim`, leaves at least one."""
        squeezed = hidden // (self.reduction or dim)
        good = self.channel_attention != "se" or squeezed >= 1
        require(good, "reduction", f"at most the hidden width, here {hidden}; None is {dim}")

    def __call__(self, x, grid, hidden, block):
        """The second half of a block: of a map (B, H, W, C), or of what comes after the class token of tokens."""
        tokens, name = len(x.shape) == 3, f"{block}_mlp"
        y = ToMap(1, name=f"{name}_map")(x, grid) if tokens else x
        dim = y.shape[-1]
        if self.depthwise == "first":
            y = self._depthwise(y, f"{name}_dwconv")
        y = dense_norm(y, hidden, f"{name}_fc1")
        y = activation(y, self.act, f"{name}_fc1_act")
        if self.depthwise == "middle":
            y = self._depthwise(y, f"{name}_dwconv")
        if self.channel_attention:
            y = self._gate(y, hidden // (self.reduction or dim), name)
        y = dense_norm(y, dim, f"{name}_fc2")
        if tokens:  # nothing is added to the class token
            y = layers.ZeroPadding1D((1, 0), name=f"{name}_pad")(ToTokens(name=f"{name}_tokens")(y))
        return Residual(name=f"{block}_res2")(x, y)

    def _depthwise(self, x, name):
        x = batch_norm(DepthwiseConv2D(3, use_bias=False, name=name)(x), f"{name}_norm")
        return activation(x, self.act, f"{name}_act")

    def _gate(self, x, squeezed, name):
        """Each channel of a map times a number from 0 to 1, which comes from the means of all channels."""
        y = layers.GlobalAveragePooling2D(name=f"{name}_pool")(x)
        y = _squeeze_excitation(y, squeezed, name) if self.channel_attention == "se" else _over_neighbours(y, name)
        y = layers.Activation("sigmoid" if self.channel_attention == "eca" else "hard_sigmoid", name=f"{name}_gate")(y)
        y = layers.Reshape((1, 1, x.shape[-1]), name=f"{name}_gate_map")(y)
        return layers.Multiply(name=f"{name}_gated")([x, y])


def _squeeze_excitation(x, squeezed, name):
    """Two linear layers (Hu et al., arXiv:1709.01507): (B, C) -> (B, C)."""
    y = dense(x, squeezed, f"{name}_se_fc1")
    y = activation(y, "relu", f"{name}_se_act")
    return dense(y, x.shape[-1], f"{name}_se_fc2")


def _over_neighbours(x, name):
    """A convolution along the channels (ECA: Wang et al., arXiv:1910.03151): (B, C) -> (B, C, 1)."""
    kernel_size = int((math.log2(x.shape[-1]) + 1) / 2) // 2 * 2 + 1
    y = layers.Reshape((-1, 1), name=f"{name}_channels")(x)
    return layers.Conv1D(1, kernel_size, padding="same", use_bias=False, name=f"{name}_eca")(y)
