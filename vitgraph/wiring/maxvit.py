"""The blocks of MaxViT and CoAtNet: maps (B, H, W, C) -> (B, ceil(H / stride), ceil(W / stride), dim)."""

import dataclasses

from keras import layers

from vitgraph.blocks import (
    ContinuousWindowBias,
    DepthwiseConv2D,
    GridBias,
    GridPartition,
    GridReverse,
    InterleavedSelfAttention,
    MaxPooling,
    PadToSame,
    Residual,
    SelfAttention,
    WindowBias,
    WindowOffsets,
    WindowPartition,
    WindowReverse,
)
from vitgraph.contract import has_hidden, require
from vitgraph.wiring.layers import activation, batch_norm, conv, dense, layer_norm, mlp, squeeze_excitation
from vitgraph.wiring.mobile_stages import multiple_of_8

WHOLE = (2**14, 2**14)
"""A window that is clipped to whatever map there is."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvBlock:
    """A convolution block's numbers, called as `build_maxvit` calls them, and its wiring."""

    kind: str
    expand_ratio: float
    expand_output: bool
    kernel_size: int
    pre_norm_act: bool
    output_bias: bool
    stride_mode: str
    pool_type: str
    down_pool_type: str
    same_padding: bool
    se_early: bool
    se_act: str
    se_ratio: float
    init_values: float | None
    act: str
    norm: str
    norm_eps: float

    def check(self, dims, block_types):
        """The rules that join its numbers; `dims` begins with the width of the stem."""
        if self.kind == "mbconv":
            hidden = [b if self.expand_output else a for a, b in zip(dims, dims[1:], strict=False)]
            has_hidden(hidden, (self.se_ratio,) * len(hidden), "se_ratio")
            return
        kinds = zip(dims, dims[1:], block_types, strict=False)
        whole = all(b % a == 0 for a, b, kind in kinds if kind[0] != "T")
        require(whole, "dims", 'widths that are multiples of the one before, with conv="convnext"')
        require(self.stride_mode != "1x1", "stride_mode", '"dw" or "pool" with conv="convnext"')
        has_hidden(dims, (self.expand_ratio,) * len(dims), "expand_ratio")

    def __call__(self, x, dim, stride, drop_path, name):
        return (self._mbconv if self.kind == "mbconv" else self._convnext)(x, dim, stride, drop_path, name)

    def padded_conv(self, x, filters, kernel_size, stride, name, use_bias=False):
        """A convolution, padded on both sides alike or, with `same_padding`, as TensorFlow pads."""
        if self.same_padding:
            x = PadToSame(kernel_size, stride, name=f"{name}_pad")(x)
        return conv(x, filters, kernel_size, stride, name, 0 if self.same_padding else kernel_size // 2, use_bias)

    def normed(self, x, name, act=True):
        """Norm and activation."""
        x = (batch_norm if self.norm == "batch" else _layer_norm)(x, f"{name}", self.norm_eps)
        return activation(x, self.act, f"{name}_act") if act else x

    def _mbconv(self, x, dim, stride, drop_path, name):
        """MobileNetV2's block with squeeze-excitation and a norm before it."""
        hidden = multiple_of_8((dim if self.expand_output else x.shape[-1]) * self.expand_ratio)
        shortcut = x if stride == 1 else downsample(x, dim, self.pool_type, self.output_bias, f"{name}_shortcut", conv)
        y = self.normed(x, f"{name}_pre_norm", act=self.pre_norm_act)
        steps = {mode: stride if self.stride_mode == mode else 1 for mode in ("pool", "1x1", "dw")}
        y = _pool(y, self.down_pool_type, f"{name}_down") if steps["pool"] > 1 else y
        y = conv(y, hidden, 1, steps["1x1"], f"{name}_conv1_1x1", use_bias=False)
        y = self.normed(y, f"{name}_norm1")
        y = self._depthwise(y, steps["dw"], f"{name}_conv2_kxk")
        squeezed = int(self.se_ratio * (dim if self.expand_output else hidden))
        y = squeeze_excitation(y, squeezed, f"{name}_se_early", self.se_act) if self.se_early else y
        y = self.normed(y, f"{name}_norm2")
        y = y if self.se_early else squeeze_excitation(y, squeezed, f"{name}_se", self.se_act)
        y = conv(y, dim, 1, 1, f"{name}_conv3_1x1", use_bias=self.output_bias)
        return Residual(drop_path=drop_path, name=f"{name}_res")(shortcut, y)

    def _convnext(self, x, dim, stride, drop_path, name):
        """ConvNeXt's block (arXiv:2201.03545)."""
        shortcut = x
        if stride > 1:
            shortcut = downsample(x, dim, "avg2", True, f"{name}_shortcut", conv)
        elif x.shape[-1] != dim:
            shortcut = conv(x, dim, 1, 1, f"{name}_shortcut", use_bias=self.output_bias)
        pools = stride > 1 and self.stride_mode == "pool"
        y = _pool(x, self.down_pool_type, f"{name}_down") if pools else x
        multiplier, step = dim // x.shape[-1], 1 if pools else stride
        y = DepthwiseConv2D(7, step, self.output_bias, None, multiplier, name=f"{name}_conv_dw")(y)
        y = self.normed(y, f"{name}_norm", act=False)
        y = dense(y, int(self.expand_ratio * dim), f"{name}_mlp_fc1", self.output_bias)
        y = dense(activation(y, self.act, f"{name}_mlp_act"), dim, f"{name}_mlp_fc2", self.output_bias)
        return Residual(self.init_values, drop_path, name=f"{name}_res")(shortcut, y)

    def _depthwise(self, x, stride, name):
        if not self.same_padding:
            return DepthwiseConv2D(self.kernel_size, stride, use_bias=False, name=name)(x)
        x = PadToSame(self.kernel_size, stride, name=f"{name}_pad")(x)
        return DepthwiseConv2D(self.kernel_size, stride, use_bias=False, padding=0, name=name)(x)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttentionBlock:
    """A transformer block's numbers, called as `build_maxvit` calls them, and its wiring."""

    head_dim: int
    heads_first: bool
    expand_first: bool
    shortcut_bias: bool
    qkv_bias: bool
    pool_type: str
    rel_pos: str | None
    rel_pos_dim: int
    window_size: tuple[int, int]
    grid_size: tuple[int, int]
    mlp_ratio: float
    act: str
    init_values: float | None
    norm: str
    norm_eps: float
    proj_drop_rate: float
    attn_drop_rate: float

    def check(self, dims, block_types):
        """The rules that join its numbers; `dims` begins with the width of the stem."""
        for before, dim, kinds in zip(dims, dims[1:], block_types, strict=False):
            widths = [dim if self.expand_first else before] if kinds[0] == "T" else []
            widths += [dim] if set(kinds) - {"C"} and kinds != "C" else []
            good = all(width % self.head_dim == 0 for width in widths)
            require(good, "head_dim", f"a divisor of the widths with attention, here {widths}")
            require("P" not in kinds or dim % 2 == 0, "dims", "even widths with blocks P")
            if set(kinds) != {"C"}:
                has_hidden(dim, self.mlp_ratio, "mlp_ratio")

    def map_norm(self, x, name):
        return (batch_norm if self.norm == "batch" else _layer_norm)(x, name, self.norm_eps)

    def of_map(self, x, dim, stride, grid, drop_path, name):
        """CoAtNet's block, which attends among all positions; `grid` is that of a table of biases."""
        shortcut, y = x, self.map_norm(x, f"{name}_norm1" if stride == 1 else f"{name}_norm1_norm")
        if stride > 1:
            shortcut = downsample(x, dim, self.pool_type, self.shortcut_bias, f"{name}_shortcut", _conv_of_map)
            y = _pool(y, self.pool_type, f"{name}_norm1_pool")
        width, attn = dim if self.expand_first else y.shape[-1], f"{name}_attn"
        bias = None
        if self.rel_pos == "bias":
            bias = GridBias(grid, width // self.head_dim, prefix=0, name=f"{attn}_bias")(y)
        elif self.rel_pos == "mlp":
            bias = self._continuous(y, WHOLE, width, attn)
        y = dense(y, 3 * width, f"{attn}_qkv", self.qkv_bias)
        y = InterleavedSelfAttention(width // self.head_dim, self.head_dim, drop=self.attn_drop_rate, name=attn)(
            *(y,) if bias is None else (y, bias)
        )
        y = dense(y, dim, f"{attn}_proj", self.qkv_bias)
        x = self._residual(shortcut, y, drop_path, f"{name}_res1")
        return self._feed_forward(x, drop_path, name, self.map_norm)

    def of_part(self, x, part, drop_path, name):
        """MaxViT's block, which attends within windows or among the positions of a grid: `part` says which."""
        y = self.attend(self._token_norm(x, f"{name}_norm1"), x.shape[-1], part, f"{name}_attn")
        x = self._residual(x, y, drop_path, f"{name}_res1")
        return self._feed_forward(x, drop_path, name, self._token_norm)

    def of_both(self, x, drop_path, name):
        """Windows and grid side by side, each of half the width."""
        y = self._token_norm(x, f"{name}_norm1")
        parts = [self.attend(y, x.shape[-1] // 2, part, f"{name}_{part}") for part in ("window", "grid")]
        y = layers.Concatenate(name=f"{name}_parts")(parts)
        x = self._residual(x, y, drop_path, f"{name}_res1")
        return self._feed_forward(x, drop_path, name, self._token_norm)

    def attend(self, x, dim, part, name):
        """Attention within each window, or each grid of positions that are spread over the map."""
        width, size = x.shape[-1], self.window_size if part == "window" else self.grid_size
        partition, reverse = (WindowPartition, WindowReverse) if part == "window" else (GridPartition, GridReverse)
        heads, drop = width // self.head_dim, self.attn_drop_rate
        inputs = [dense(partition(size, name=f"{name}_partition")(x), 3 * width, f"{name}_qkv", self.qkv_bias)]
        if self.rel_pos == "bias":
            inputs.append(WindowBias(size, heads, name=f"{name}_bias")(x))
        elif self.rel_pos == "mlp":
            inputs.append(self._continuous(x, size, width, name))
        if self.heads_first:
            y = InterleavedSelfAttention(heads, self.head_dim, drop=drop, name=name)(*inputs)
        else:
            y = SelfAttention(heads, drop=drop, name=name)(*inputs)
        return dense(reverse(size, name=f"{name}_reverse")(y, x), dim, f"{name}_proj", self.qkv_bias)

    def _continuous(self, x, size, width, name):
        """The bias of a small network, for logarithms of offsets."""
        y = WindowOffsets(size, scaled=False, name=f"{name}_offsets")(x)
        y = activation(dense(y, self.rel_pos_dim, f"{name}_pos_fc1"), "relu", f"{name}_pos_act")
        y = dense(y, width // self.head_dim, f"{name}_pos_fc2")
        return ContinuousWindowBias(size, bounded=False, name=f"{name}_bias")(y, x)

    def _feed_forward(self, x, drop_path, name, norm):
        y, hidden = norm(x, f"{name}_norm2"), int(x.shape[-1] * self.mlp_ratio)
        y = mlp(y, hidden, self.act, f"{name}_mlp", self.proj_drop_rate)
        return self._residual(x, y, drop_path, f"{name}_res2")

    def _residual(self, x, branch, drop_path, name):
        return Residual(self.init_values, drop_path, self.proj_drop_rate, name=name)(x, branch)

    def _token_norm(self, x, name):
        return layer_norm(x, self.norm_eps, name)


def downsample(x, dim, pool_type, use_bias, name, project):
    """The map pooled, and projected by `project` where its width changes."""
    y = _pool(x, pool_type, f"{name}_pool")
    return y if y.shape[-1] == dim else project(y, dim, 1, 1, f"{name}_expand", use_bias=use_bias)


def _conv_of_map(x, dim, kernel_size, strides, name, use_bias):
    return dense(x, dim, name, use_bias)


def _pool(x, pool_type, name):
    """Half of the sides, rounded up."""
    if pool_type == "max":
        return MaxPooling(3, 2, padding=1, name=name)(x)
    layer = layers.AveragePooling2D if pool_type == "avg2" else layers.MaxPooling2D
    return layer(2, padding="same", name=name)(x)


def _layer_norm(x, name, epsilon):
    return layer_norm(x, epsilon, name)
