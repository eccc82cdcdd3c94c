"""MViT v2: pooling attention, in which keys and values, and where the map shrinks the queries, are pooled.

Paper: Li et al., "MViTv2: Improved Multiscale Vision Transformers for Classification and Detection", arXiv:2112.01526.
Official code: github.com/facebookresearch/mvit, mvit/models/mvit_model.py; checkpoints in timm.

    image (H, W, 3)
      7x7/4 convolution, with `class_token` that before the patches     (H/4,  W/4,  dims[0])
      stage 1   blocks                                                  (H/4,  W/4,  dims[0])
      stage 2   block whose queries are pooled, blocks                  (H/8,  W/8,  dims[1])
      stage 3   likewise                                                (H/16, W/16, dims[2])
      stage 4   likewise                                                (H/32, W/32, dims[3])
      norm, mean or class token, head

    block:     x + attention(norm(x)); x + mlp(norm(x)). Where queries are pooled, x is by maxima; where the width
               changes, x is a linear layer of norm(x).
    attention: linear layers to queries, keys and values; a depthwise 3x3 convolution and a norm of each, the same for
               all heads, with stride `kv_strides` for keys and values; softmax(q k' + rows + columns) v + q. Rows and
               columns are products of q with learned vectors per offset.

Any input size, also an open one: tables are resampled linearly and maps halved rounding up, where timm takes one size.
"""

import dataclasses
import math
from typing import Literal

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.initializers import InitialWeights, truncated
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.transformer import Transformer

_LARGE = {"dims": (144, 288, 576, 1152), "depths": (2, 6, 36, 4), "num_heads": (2, 4, 8, 16)}
_HUGE = {"dims": (192, 384, 768, 1536), "depths": (4, 8, 60, 8), "num_heads": (3, 6, 12, 24)}

VARIANTS = {  # table 1 of the paper; "cls": with a class token, for ImageNet-21k
    "mvitv2_tiny": {"depths": (1, 2, 5, 2)},
    "mvitv2_small": {"depths": (1, 2, 11, 2)},
    "mvitv2_base": {},
    "mvitv2_large": {**_LARGE, "expand_attn": False},
    "mvitv2_small_cls": {"depths": (1, 2, 11, 2), "class_token": True},
    "mvitv2_base_cls": {"class_token": True},
    "mvitv2_large_cls": {**_LARGE, "class_token": True},
    "mvitv2_huge_cls": {**_HUGE, "class_token": True},
}

_INITIAL = InitialWeights(dense=truncated(0.02), token=truncated(0.02), table=truncated(0.02))


@c.builder(initial=_INITIAL)
def build_mvit_v2(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.TokenPooling = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.OddKernel = 7,
    patch_stride: c.Kernel = 4,
    dims: c.PerStage[c.Width] = (96, 192, 384, 768),
    depths: c.PerStage[c.Depth] = (2, 3, 16, 3),
    num_heads: c.PerStage[c.Count] = (1, 2, 4, 8),
    mlp_ratio: c.Ratio = 4.0,
    qkv_bias: bool = True,
    qkv_pool: Literal["conv", "avg", "max"] = "conv",
    kernel_size: c.OddKernel = 3,
    q_strides: c.PerStage[c.Window] = (1, 2, 2, 2),
    kv_strides: c.PerStage[c.Window] = (4, 2, 1, 1),
    expand_attn: bool = True,
    residual_pooling: bool = True,
    rel_pos: bool = True,
    pos_embed: bool = False,
    class_token: bool = False,
    global_pool: Literal["token", "avg"] | None = None,
    norm_eps: c.Epsilon = 1e-6,
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "mvit_v2",
) -> keras.Model:
    """Builds an MViT v2 (arXiv:2112.01526): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        patch_size: side of the kernel of the patch embedding, an odd number.
        patch_stride: its stride.
        mlp_ratio: hidden width of the feed-forward layers, relative to the stage's width.
        qkv_pool: what pools queries, keys and values: a convolution and a norm, means or maxima.
        kernel_size: side of the windows of that; with 1 nothing is pooled where the stride is 1.
        q_strides: stride of the queries of each stage's first block: 1, or an even number.
        kv_strides: stride of each stage's keys and values.
        expand_attn: whether the width changes in the attention of a stage's first block; else in the feed-forward layer
            of the last block of the stage before.
        residual_pooling: whether pooled queries are added to what they find.
        rel_pos: whether attention has a bias by relative row and column.
        pos_embed: whether learned positions are added after the patch embedding.
        global_pool: what the head sees: the class token or the mean; None: the class token where there is one.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5"; with a class token a stage's stream is tokens. The last map is
        (B, ceil(H / 32), ceil(W / 32), dims[-1]). Without `expand_attn` a level has the width of the next stage.

    Example:
        >>> backbone = vitgraph.build_mvit_v2((64, 96, 3), include_top=False, depths=(1, 1, 2, 1))
        >>> backbone.output_shape
        (None, 2, 3, 768)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    c.heads_divide(dims, num_heads)
    c.has_hidden(dims, (mlp_ratio,) * len(dims), "mlp_ratio")
    c.require(all(s == 1 or s % 2 == 0 for s in q_strides), "q_strides", "1 and even numbers")
    c.at_least(patch_stride, border.shape)
    planned = border.planned(img_size)
    c.at_least(patch_stride, planned, "img_size")

    x = grid = w.conv(border.image, dims[0], patch_size, patch_stride, "patch_embed", padding=patch_size // 2)
    size = tuple((n - 1) // patch_stride + 1 for n in planned)
    if class_token:
        x = blocks.PrependTokens(name="cls_token")(blocks.ToTokens(name="tokens")(x))
    if pos_embed:
        x = blocks.PositionTable(size, int(class_token), name="pos_embed")(x, grid)
    rates = iter(w.drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage = f"stage_{i + 1}"
        t = _Pooled(
            dim=dims[i], num_heads=num_heads[i], mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, norm_eps=norm_eps,
            qkv_pool=qkv_pool, kernel_size=kernel_size, kv_stride=kv_strides[i], residual_pooling=residual_pooling,
            rel_pos=rel_pos, prefix=int(class_token),
        )  # fmt: skip
        for j in range(depth):
            stride = 1 if j else q_strides[i]
            expands = not expand_attn and j == depth - 1 and i + 1 < len(dims)
            x, grid = t.block(x, grid, size, stride, dims[i + expands], next(rates), f"{stage}_block_{j}")
            size = _pooled_size(size, stride)
        place = {"prefix": 1, "grid": grid._keras_history.operation.name} if class_token else {}
        x = blocks.Stage(patch_stride * math.prod(q_strides[: i + 1]), **place, name=stage)(x)
    if not class_token:
        return border.end(t.norm(x, "norm"), drop_rate)
    return border.end_plain(x, grid, t, global_pool or "token", drop_rate=drop_rate)


def _pooled_size(size, stride):
    return tuple((n - 1) // stride + 1 for n in size)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Pooled(Transformer):
    """A stage's block and its parts. The stream is a map, or tokens whose first is the class token (`prefix`)."""

    qkv_pool: str
    kernel_size: int
    kv_stride: int
    residual_pooling: bool
    rel_pos: bool
    prefix: int

    def block(self, x, grid, size, stride, dim, drop_path, name):
        """The stream of the positions of the map `grid` -> that of `dim` channels of every `stride`-th, and its map."""
        y = self.norm(x, f"{name}_norm1")
        x = x if x.shape[-1] == self.dim else w.dense(y, self.dim, f"{name}_expand")
        if stride > 1:
            x, _ = self.of_map(
                x, grid, blocks.MaxPooling(stride + 1, stride, (stride + 1) // 2, name=f"{name}_pool"), f"{name}_pool"
            )
        y, grid = self.pooled_attention(y, grid, size, stride, f"{name}_attn")
        x = self.residual(x, y, drop_path, f"{name}_res1")
        y = self.norm(x, f"{name}_norm2")
        x = x if dim == self.dim else w.dense(y, dim, f"{name}_mlp_expand")
        y = self.activate(w.dense(y, self.hidden, f"{name}_mlp_fc1"), f"{name}_mlp")
        return self.residual(x, w.dense(y, dim, f"{name}_mlp_fc2"), drop_path, f"{name}_res2"), grid

    def pooled_attention(self, x, grid, size, stride, name):
        qkv = w.dense(x, 3 * self.dim, f"{name}_qkv", self.qkv_bias)
        q, k, v = blocks.SplitParallel((self.dim,) * 3, name=f"{name}_parts")(qkv)
        q, q_grid = self.pooled(q, grid, stride, f"{name}_q")
        k, k_grid = self.pooled(k, grid, self.kv_stride, f"{name}_k")
        v, _ = self.pooled(v, grid, self.kv_stride, f"{name}_v")
        inputs = [q, k, v]
        if self.rel_pos:
            finer = _pooled_size(size, min(stride, self.kv_stride))
            for axis, part in enumerate(("rows", "columns")):
                side = (finer[0], 1) if axis == 0 else (1, finer[1])
                offsets = blocks.AxisOffsets(axis, side, self.prefix, name=f"{name}_{part}")
                inputs.append(offsets(q, q_grid, k_grid))
            inputs.append(k_grid)
        x = blocks.PooledAttention(self.num_heads, self.prefix, name=name)(*inputs)
        if self.residual_pooling:
            x = layers.Add(name=f"{name}_add")([x, layers.Reshape((-1, self.dim), name=f"{name}_queries")(q)])
        x = x if self.prefix else blocks.ToMap(name=f"{name}_positions")(x, q_grid)
        return w.dense(x, self.dim, f"{name}_proj"), grid if stride == 1 else q_grid

    def pooled(self, x, grid, stride, name):
        """Queries, keys or values (B, N, heads, d), and the map of their positions."""
        normed = self.qkv_pool == "conv" and self.kernel_size * stride > 1
        if self.kernel_size * stride > 1:
            x, grid = self.of_map(x, grid, self._pool(stride, f"{name}_pool"), f"{name}_pool")
        x = layers.Reshape((-1, self.num_heads, self.dim // self.num_heads), name=f"{name}_heads")(x)
        return self.norm(x, f"{name}_norm") if normed else x, grid

    def _pool(self, stride, name):
        """A layer of maps."""
        if self.qkv_pool == "conv":
            return blocks.HeadwiseConv2D(self.num_heads, self.kernel_size, stride, name=name)
        if self.qkv_pool == "max":
            return blocks.MaxPooling(self.kernel_size, stride, self.kernel_size // 2, name=name)
        means = layers.AveragePooling2D(self.kernel_size, stride, name=name)
        pad = layers.ZeroPadding2D(self.kernel_size // 2, name=f"{name}_pad")
        return lambda x: means(pad(x))

    def of_map(self, x, grid, layer, name):
        """What a layer of maps makes of the stream, and of its map."""
        if not self.prefix:
            x = layer(x)
            return x, x
        y = layer(blocks.ToMap(self.prefix, name=f"{name}_map")(x, grid))
        return blocks.RejoinPrefix(self.prefix, name=f"{name}_tokens")(y, x), y
