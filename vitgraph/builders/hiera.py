"""Hiera: a hierarchical ViT of nothing but plain blocks, with attention within mask units at first.

Papers: Ryali et al., "Hiera: A Hierarchical Vision Transformer without the Bells-and-Whistles", arXiv:2306.00989;
Bolya et al., "Window Attention is Bugged: How not to Interpolate Position Embeddings", arXiv:2311.05613 (abswin).
Official code: github.com/facebookresearch/hiera, hiera/hiera.py; checkpoints there and in timm.

    image (H, W, 3)
      7x7/4 convolution, learned positions                (H/4,  W/4,  dims[0])
      stage 1   blocks                                    (H/4,  W/4,  dims[0])
      stage 2   block that pools, blocks                  (H/8,  W/8,  dims[1])
      stage 3   likewise                                  (H/16, W/16, dims[2])
      stage 4   likewise                                  (H/32, W/32, dims[3])
      mean, norm, head

    block:            x + scale * attention(norm(x)); x + scale * mlp(norm(x)).
    block that pools: maxima of 2 x 2 queries; x is a linear layer of norm(x), and of that the maxima.
    attention:        within mask units, 8 x 8 positions of the first map and the same parts of the next ones, or, in
                      the last two stages, among all positions. The block that pools does as the stage before.

Any input size, also an open one: tables are resampled, maps of an odd size are pooled to half of it, rounded up,
and mask units at the bottom and the right are filled up with zeros, as SAM 2 does it. The official code
keeps tokens ordered by mask units, so that masked ones are never computed; here they stay maps, which are the same
numbers in another order.
"""

import dataclasses
from typing import Literal

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.base import pair
from vitgraph.blocks.initializers import constant, normal, zeros
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import BEIT
from vitgraph.wiring.transformer import Transformer

_LARGE = {"dims": (144, 288, 576, 1152), "depths": (2, 6, 36, 4), "num_heads": (2, 4, 8, 16)}
_256 = {"input_shape": (256, 256, 3), "img_size": (256, 256), "pos_embed": "abswin", "init_values": 1e-5}

VARIANTS = {  # table 4 of the paper; abswin: timm's
    "hiera_tiny_224": {"depths": (1, 2, 7, 2)},
    "hiera_small_224": {"depths": (1, 2, 11, 2)},
    "hiera_base_224": {},
    "hiera_base_plus_224": {"dims": (112, 224, 448, 896), "num_heads": (2, 4, 8, 16)},
    "hiera_large_224": {**_LARGE},
    "hiera_huge_224": {**_LARGE, "dims": (256, 512, 1024, 2048), "num_heads": (4, 8, 16, 32)},
    "hiera_small_abswin_256": {**_256, "depths": (1, 2, 11, 2), "pos_grid": (16, 16), "expansion": "pool"},
    "hiera_base_abswin_256": {**_256},
}

_INITIAL = dataclasses.replace(
    BEIT,
    dense_bias=constant(0.02),
    conv=normal(0.02),
    special={**BEIT.special, "head/kernel": zeros, "head/bias": zeros},
)
"""timm's `init_weight_vit` and `fix_init_weight`."""


@c.builder(initial=_INITIAL)
def build_hiera(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.OddKernel = 7,
    patch_stride: c.Kernel = 4,
    dims: c.PerStage[c.Width] = (96, 192, 384, 768),
    depths: c.PerStage[c.Depth] = (2, 3, 16, 3),
    num_heads: c.PerStage[c.Count] = (1, 2, 4, 8),
    mlp_ratio: c.Ratio = 4.0,
    q_pool: c.Whole = 3,
    q_stride: c.Window = 2,
    mask_unit_size: c.Window = 8,
    mask_unit_attn: c.PerStage[bool] = (True, True, False, False),
    expansion: Literal["linear", "pool"] = "linear",
    pos_embed: Literal["learn", "abswin"] = "learn",
    pos_grid: c.Size = (14, 14),
    init_values: c.Scale | None = None,
    norm_eps: c.Epsilon = 1e-6,
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "hiera",
) -> keras.Model:
    """Builds a Hiera (arXiv:2306.00989): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, how the last map is pooled and then normed: (B, C); None leaves it a map.
        patch_size: side of the kernel of the patch embedding, an odd number.
        patch_stride: its stride.
        mlp_ratio: hidden width of the feed-forward layers, relative to the stage's width.
        q_pool: number of stages, from the second on, that begin in a block that pools.
        q_stride: side of the squares of positions that such a block pools.
        mask_unit_size: side of a mask unit on the first map, a power of `q_stride`.
        mask_unit_attn: whether a stage's attention is within mask units, else among all positions.
        expansion: where the stream gets wider: "linear", by a linear layer; "pool", maxima and means side by side.
        pos_embed: "learn", a table of all positions; "abswin", one that is always resampled, and one of a mask unit.
        pos_grid: side or (rows, columns) of the first one of "abswin".

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5"; the last map is (B, H / 32, W / 32, dims[-1]).

    Example:
        >>> backbone = vitgraph.build_hiera((64, 96, 3), include_top=False, depths=(1, 1, 2, 1))
        >>> backbone.output_shape
        (None, 2, 3, 768)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    c.heads_divide(dims, num_heads)
    c.has_hidden(dims, (mlp_ratio,) * len(dims), "mlp_ratio")
    c.require(q_pool < len(dims), "q_pool", f"fewer than the {len(dims)} stages")
    units = [q_stride**i for i in range(len(dims))]
    c.require(mask_unit_size in units, "mask_unit_size", f"a power of q_stride: {', '.join(map(str, units))}")
    doubles = expansion == "linear" or all(b in (a, 2 * a) for a, b in zip(dims, dims[1:], strict=False))
    c.require(doubles, "expansion", '"linear" where a width isn\'t twice the one before')
    same = all(b != a for a, b in zip(dims[:q_pool], dims[1:], strict=False))
    c.require(same, "dims", "another width after each block that pools")
    c.at_least(patch_stride, border.shape)
    planned = border.planned(img_size)
    c.at_least(patch_stride, planned, "img_size")

    x = w.conv(border.image, dims[0], patch_size, patch_stride, "patch_embed", padding=patch_size // 2)
    if pos_embed == "abswin":
        x = blocks.PositionTable(pair(pos_grid), name="pos_embed")(x, x)
        x = blocks.WindowTable(mask_unit_size, name="pos_embed_win")(x)
    else:
        size = [(n + 2 * (patch_size // 2) - patch_size) // patch_stride + 1 for n in planned]
        x = blocks.PositionTable(size, name="pos_embed")(x, x)
    rates = iter(enumerate(w.drop_path_rates(drop_path_rate, sum(depths))))
    for i, depth in enumerate(depths):
        pools, unit = min(i, q_pool), mask_unit_size // q_stride ** min(i, q_pool)
        t = Transformer(dim=dims[i], num_heads=num_heads[i], mlp_ratio=mlp_ratio, init_values=init_values,
                        norm_eps=norm_eps)  # fmt: skip
        for j in range(depth):
            index, drop_path = next(rates)
            stride = q_stride if j == 0 and 0 < i <= q_pool else 1
            in_units = mask_unit_attn[i - 1 if j == 0 and i else i]
            x = _block(x, t, drop_path, stride, max(unit, 1) if in_units else None, expansion, f"block_{index}")
        x = blocks.Stage(patch_stride * q_stride**pools, name=f"stage_{i + 1}")(x)
    return border.end(x, drop_rate, lambda x: w.layer_norm(x, norm_eps, "fc_norm"))


def _block(x, t, drop_path, stride, unit, expansion, name):
    """(B, H, W, C) -> (B, ceil(H / stride), ceil(W / stride), t.dim); `unit` is the side of a mask unit, or None."""
    y = t.norm(x, f"{name}_norm1")
    if x.shape[-1] != t.dim and expansion == "linear":
        x = _max_pool(w.dense(y, t.dim, f"{name}_expand"), stride, f"{name}_pool")
    elif x.shape[-1] != t.dim:
        means = layers.AveragePooling2D(stride, padding="same", name=f"{name}_pool_avg")(x)
        x = layers.Concatenate(name=f"{name}_pools")([_max_pool(x, stride, f"{name}_pool"), means])
    x = t.residual(x, _attention(y, t, stride, unit, f"{name}_attn"), drop_path, f"{name}_res1")
    return t.residual(x, t.mlp(t.norm(x, f"{name}_norm2"), f"{name}_mlp"), drop_path, f"{name}_res2")


def _attention(x, t, stride, unit, name):
    """Attention of the maxima of queries, within units of `unit` positions a side after that, or of the whole map."""
    qkv = w.dense(x, 3 * t.dim, f"{name}_qkv")
    if stride == 1:
        like, y = qkv, blocks.SelfAttention(t.num_heads, name=name)(_units(qkv, unit, f"{name}_partition"))
    else:
        q, kv = blocks.SplitParallel((t.dim, 2 * t.dim), name=f"{name}_q_kv")(qkv)
        like = _max_pool(q, stride, f"{name}_q_pool")
        q, kv = _units(like, unit, f"{name}_q_partition"), _units(kv, unit and unit * stride, f"{name}_kv_partition")
        y = blocks.CrossAttention(t.num_heads, name=name)(q, kv)
    y = blocks.WindowReverse((unit, unit), name=f"{name}_reverse")(y, like) if unit else y
    return w.dense(y, t.dim, f"{name}_proj")


def _units(x, unit, name):
    return blocks.WindowPartition((unit, unit), name=name)(x) if unit else x


def _max_pool(x, stride, name):
    return x if stride == 1 else layers.MaxPooling2D(stride, padding="same", name=name)(x)
