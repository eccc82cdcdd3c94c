"""PVT's pyramid of transformer stages, which LocalViT shares, and the block of PVT v2, which MiT shares."""

import dataclasses
from collections.abc import Sequence

from keras import layers

from vitgraph.blocks import DepthwiseConv2D, PositionTable, PrependTokens, Residual, Stage, ToMap, ToTokens
from vitgraph.blocks.base import pair
from vitgraph.contract import at_least, has_hidden, heads_divide, require
from vitgraph.wiring.border import Border
from vitgraph.wiring.layers import (
    activation,
    conv,
    cross_attention,
    dense,
    drop_path_rates,
    dropout,
    layer_norm,
    spatial_reduction,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pyramid:
    """The numbers of a pyramid of transformer stages, called as builders call them, and its wiring."""

    border: Border
    patch_sizes: Sequence[int | tuple[int, int]]
    dims: Sequence[int]
    depths: Sequence[int]
    num_heads: Sequence[int]
    mlp_ratios: Sequence[float]
    sr_ratios: Sequence[int]
    class_token: bool
    qkv_bias: bool
    qk_scale: float | None
    norm_eps: float
    embed_norm_eps: float = 1e-5
    img_size: int | tuple[int, int]
    drop_rate: float
    pos_drop_rate: float
    proj_drop_rate: float
    attn_drop_rate: float
    drop_path_rate: float

    def __post_init__(self):
        heads_divide(self.dims, self.num_heads)
        has_hidden(self.dims, self.mlp_ratios, "mlp_ratios")
        good = not self.class_token or self.sr_ratios[-1] == 1
        require(good, "sr_ratios", "1 in the last stage with class_token=True, where there is no map")
        stride, least = 1, 1
        for patch, ratio in zip(self.patch_sizes, self.sr_ratios, strict=True):
            stride *= max(pair(patch))
            least = max(least, stride * ratio)
        at_least(least, self.border.shape)
        at_least(least, self.border.planned(self.img_size), "img_size")

    def model(self, feed_forward):
        """Image -> the model.

        Args:
            feed_forward: the second half of a block, (x, grid, hidden, drop_path, block's name) -> x, of maps, and of
                tokens where a class token stands before the positions of the map `grid`.
        """
        x, size = self.border.image, self.border.planned(self.img_size)
        stride: tuple[int, ...] = (1, 1)
        rates = iter(drop_path_rates(self.drop_path_rate, sum(self.depths)))
        for i, depth in enumerate(self.depths):
            stage, patch = f"stage_{i + 1}", pair(self.patch_sizes[i])
            size = tuple(n // p for n, p in zip(size, patch, strict=True))
            stride = tuple(n * p for n, p in zip(stride, patch, strict=True))
            prefix = int(self.class_token and i == len(self.depths) - 1)
            x, grid = self._embed(x, self.dims[i], patch, size, prefix, stage)
            for j in range(depth):
                block, drop_path = f"{stage}_block_{j}", next(rates)
                x = self._attention(x, i, drop_path, block)
                x = feed_forward(x, grid, int(self.dims[i] * self.mlp_ratios[i]), drop_path, block)
            if prefix and not self.border.include_top and self.border.pooling != "token":
                x, prefix = ToMap(prefix, name=f"{stage}_map")(x, grid), 0  # then the last level is a map like others
            x = Stage(stride, prefix, f"{stage}_embed_norm" if prefix else None, name=stage)(x)
        return self.border.end_with_token(layer_norm(x, self.norm_eps, "norm"), grid, self.drop_rate)

    def _embed(self, x, dim, patch, size, prefix, stage):
        """Map -> its patches with their positions, as a map or after a class token; and the map of the patches."""
        x = conv(x, dim, patch, patch, f"{stage}_embed")
        x = grid = layer_norm(x, self.embed_norm_eps, f"{stage}_embed_norm")
        if prefix:
            x = PrependTokens(name="cls_token")(ToTokens(name="tokens")(x))
        x = PositionTable(size, prefix, "bilinear", antialias=False, name=f"{stage}_pos_embed")(x, grid)
        return dropout(x, self.pos_drop_rate, f"{stage}_pos_drop"), grid

    def _attention(self, x, i, drop_path, block):
        """The first half of stage i's blocks, of a map, or of tokens where nothing is reduced."""
        y, attn = layer_norm(x, self.norm_eps, f"{block}_norm1"), f"{block}_attn"
        options = {"qkv_bias": self.qkv_bias, "drop_rate": self.attn_drop_rate, "qk_scale": self.qk_scale}
        kv = spatial_reduction(y, self.sr_ratios[i], attn, self.embed_norm_eps)
        y = cross_attention(y, kv, self.num_heads[i], attn, **options)
        return Residual(drop_path=drop_path, dropout=self.proj_drop_rate, name=f"{block}_res1")(x, y)


def convolutional_block(x, t, source, drop_path, name, relu=False):
    """x + attention(norm(x)), then x + mlp(norm(x)) with a convolution inside: (B, H, W, C) -> the same.

    Args:
        t: a `Transformer`, the numbers of the block.
        source: a function (normed x, name=the attention's) -> the map that keys and values come from.
        relu: whether a ReLU comes before the convolution.
    """
    y, attn = t.norm(x, f"{name}_norm1"), f"{name}_attn"
    y = cross_attention(y, source(y, name=attn), t.num_heads, attn, qkv_bias=t.qkv_bias, drop_rate=t.attn_drop_rate)
    x = t.residual(x, y, drop_path, f"{name}_res1")
    y = _convolutional_mlp(t.norm(x, f"{name}_norm2"), t.hidden, t.act, f"{name}_mlp", t.proj_drop_rate, relu)
    return t.residual(x, y, drop_path, f"{name}_res2")


def _convolutional_mlp(x, hidden, act, name, drop_rate=0.0, relu=False):
    """A feed-forward layer with a depthwise 3x3 convolution before its activation, so that positions aren't needed.

    Linear layer, with `relu` a ReLU, convolution, activation, dropout, linear layer: (B, H, W, C) -> the same.
    """
    dim = x.shape[-1]
    x = dense(x, hidden, f"{name}_fc1")
    x = layers.ReLU(name=f"{name}_relu")(x) if relu else x
    x = DepthwiseConv2D(3, name=f"{name}_dwconv")(x)
    x = activation(x, act, f"{name}_act")
    return dense(dropout(x, drop_rate, f"{name}_drop"), dim, f"{name}_fc2")
