"""The locality feed-forward layer (Li et al., arXiv:2104.05707), which `localvit.py` and `localvit_pvt.py` share.

map of the patches (B, H, W, dim), the class token aside
  linear layer, batch norm, activation              (B, H, W, hidden)
  depthwise 3x3 convolution, batch norm, activation (B, H, W, hidden)
  gate: each channel times a number from 0 to 1     (B, H, W, hidden)
  linear layer, batch norm                          (B, H, W, dim)
added to the map; there is no norm before it
"""

import dataclasses
import math

from keras import layers

from vitgraph.blocks import DepthwiseConv2D, Residual, ToMap, ToTokens
from vitgraph.wiring.layers import ACTIVATIONS, activation, batch_norm, dense


@dataclasses.dataclass(frozen=True)
class Locality:
    """The locality feed-forward layer; the words are those of `build_localvit`."""

    act: str
    channel_attention: str | None
    reduction: int | None
    depthwise: str

    def check(self, check, dim, hidden):
        """What may be wrong with the words, for blocks that widen `dim` channels to `hidden`."""
        gates, places = (None, "se", "eca", "ecah"), ("middle", "first", "none")
        check.that(self.act in ACTIVATIONS, "act", self.act, ", ".join(ACTIVATIONS))
        allowed = ", ".join(map(repr, gates))
        check.that(self.channel_attention in gates, "channel_attention", self.channel_attention, allowed)
        check.that(self.depthwise in places, "depthwise", self.depthwise, ", ".join(map(repr, places)))
        if self.reduction is not None:
            check.positive(reduction=self.reduction)
        good = self.channel_attention != "se" or hidden // (self.reduction or dim) >= 1
        check.that(good, "reduction", self.reduction, f"at most the widened channels, here {hidden}")

    def __call__(self, x, grid, hidden, block):
        """The second half of a block: on a map (B, H, W, C), or on what comes after the class token of tokens."""
        tokens, name = len(x.shape) == 3, f"{block}_mlp"
        y = ToMap(1, name=f"{name}_map")(x, grid) if tokens else x
        dim = y.shape[-1]
        if self.depthwise == "first":
            y = self._depthwise(y, f"{name}_dwconv")
        y = _dense_norm(y, hidden, f"{name}_fc1")
        y = activation(y, self.act, f"{name}_fc1_act")
        if self.depthwise == "middle":
            y = self._depthwise(y, f"{name}_dwconv")
        if self.channel_attention:
            y = self._gate(y, hidden // (self.reduction or dim), name)
        y = _dense_norm(y, dim, f"{name}_fc2")
        if tokens:  # nothing is added to the class token
            y = layers.ZeroPadding1D((1, 0), name=f"{name}_pad")(ToTokens(name=f"{name}_tokens")(y))
        return Residual(name=f"{block}_res2")(x, y)

    def _depthwise(self, x, name):
        x = batch_norm(DepthwiseConv2D(3, use_bias=False, name=name)(x), f"{name}_norm")
        return activation(x, self.act, f"{name}_act")

    def _gate(self, x, squeezed, name):
        """Each channel of a map times a number between 0 and 1, which comes from the means of all channels."""
        y = layers.GlobalAveragePooling2D(name=f"{name}_pool")(x)
        y = _squeeze_excitation(y, squeezed, name) if self.channel_attention == "se" else _over_neighbours(y, name)
        y = layers.Activation("sigmoid" if self.channel_attention == "eca" else "hard_sigmoid", name=f"{name}_gate")(y)
        y = layers.Reshape((1, 1, x.shape[-1]), name=f"{name}_gate_map")(y)
        return layers.Multiply(name=f"{name}_gated")([x, y])


def _dense_norm(x, units, name):
    """A linear layer without a bias (the official code's 1x1 convolution), and its batch norm."""
    return batch_norm(dense(x, units, name, use_bias=False), f"{name}_norm")


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
