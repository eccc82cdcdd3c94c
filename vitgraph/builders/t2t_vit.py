"""T2T-ViT: a ViT whose patches overlap, and attend to each other before they become its tokens.

Paper: Yuan et al., "Tokens-to-Token ViT", arXiv:2101.11986.
Official code: github.com/yitu-opensource/T2T-ViT, models/t2t_vit.py; checkpoints there.

    image (H, W, 3)
      soft split 7 x 7 / 4, token block           (H/4, W/4, 147) -> (H/4, W/4, token_dim)
      soft split 3 x 3 / 2, token block           (H/8, W/8, 9 token_dim) -> (H/8, W/8, token_dim)
      soft split 3 x 3 / 2, linear                (H/16, W/16, 9 token_dim) -> (H/16, W/16, dim)
      class token, patches, positions             (B, 1 + N, dim)
      blocks 0 ... depth - 1                      (B, 1 + N, dim)
      norm
      class token                                 (B, dim)
      head

    token block: x = norm(x); x = value(x) + attention(x); x + mlp(norm(x)), where attention, with one head, is a
                 softmax's ("transformer") or its approximation by random features ("performer").
    block:       ViT's.

Positions are fixed sinusoids along the row of tokens, made for one size and resampled for others like a learned table,
as the official code does on loading a checkpoint. Images needn't be square here. vit-pytorch's token blocks are as wide
as the patches and add to x instead of the values; its positions are learned.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.transformer import Block, Transformer, pre_norm_block, transformer_blocks

_TINY = {"dim": 256, "num_heads": 4, "mlp_ratio": 2.0}
_19 = {"dim": 448, "depth": 19, "num_heads": 7}
_24 = {"dim": 512, "depth": 24, "num_heads": 8}
_T = {"tokens_type": "transformer"}

VARIANTS = {  # table 1 of the paper; the last two are in the official code only
    "t2t_vit_7": {**_TINY, "depth": 7},
    "t2t_vit_10": {**_TINY, "depth": 10},
    "t2t_vit_12": {**_TINY, "depth": 12},
    "t2t_vit_14": {},
    "t2t_vit_14_384": {"input_shape": (384, 384, 3), "img_size": (384, 384)},
    "t2t_vit_19": {**_19},
    "t2t_vit_24": {**_24},
    "t2t_vit_24_token_labeling": {**_24},
    "t2t_vit_t_14": {**_T},
    "t2t_vit_t_19": {**_T, **_19},
    "t2t_vit_t_24": {**_T, **_24},
    "t2t_vit_14_resnext": {"num_heads": 32},
    "t2t_vit_14_wide": {"dim": 768, "depth": 4, "num_heads": 12},
}

PerSoftSplit = Annotated[Sequence[c.Kernel], c.Per("soft split", 8)]


@c.builder
def build_t2t_vit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pool | None = None,
    input_tensor: c.ImageTensor | None = None,
    tokens_type: Literal["performer", "transformer"] = "performer",
    kernel_sizes: PerSoftSplit = (7, 3, 3),
    strides: PerSoftSplit = (4, 2, 2),
    token_dim: c.Width = 64,
    dim: c.Width = 384,
    depth: c.Depth = 14,
    num_heads: c.Count = 6,
    mlp_ratio: c.Ratio = 3.0,
    block: Block = pre_norm_block,
    head_dim: c.Width | None = None,
    qk_scale: c.Scale | None = None,
    qkv_bias: bool = False,
    act: c.Act = "gelu",
    norm_eps: c.Epsilon = 1e-5,
    global_pool: c.Pool = "token",
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    token_drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "t2t_vit",
) -> keras.Model:
    """Builds a T2T-ViT (arXiv:2101.11986): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, one of `global_pool`'s kinds: (B, dim); None leaves the map of the patches.
        tokens_type: attention of the token blocks. Performers make no maps for `vitgraph.attention`.
        kernel_sizes: side of the patches of each soft split, in positions of the map that it splits. All soft splits
            but the last are followed by a token block.
        strides: stride of each soft split, which puts stride // 2 zeros on each side of its map.
        token_dim: width of the token blocks.
        norm_eps: epsilon of the norms, except those of the token blocks, which have 1e-5.
        global_pool: what the head sees: the class token, or a pooling of the patches; "map" is attention pooling.
        token_drop_rate: dropout of the branches of token blocks; the official performers train with 0.1.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the product of strides ("P4" for 16). Without a top and pooling
        it ends in the map of the normed patches (B, H / 16, W / 16, dim).

    Example:
        >>> t2t = vitgraph.build_t2t_vit((64, 64, 3), depth=2, include_top=False)
        >>> t2t.output_shape
        (None, 4, 4, 384)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    t = Transformer(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, head_dim=head_dim, act=act,
        norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate, qk_scale=qk_scale,
    )  # fmt: skip
    c.require(tokens_type == "transformer" or token_dim > 1, "token_dim", "at least 2 with performers")
    stride = math.prod(strides)
    c.at_least(max(stride, kernel_sizes[0]), border.shape)
    grid = _grid(border.planned(img_size), kernel_sizes, strides)

    patches = _tokens_to_token(border.image, kernel_sizes, strides, tokens_type, token_dim, token_drop_rate)
    patches = w.dense(patches, dim, "patch_embed")
    x = blocks.PrependTokens(name="cls_token")(blocks.ToTokens(name="tokens")(patches))
    x = blocks.SinusoidTable(grid, 1, antialias=False, name="pos_embed")(x, patches)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    x = transformer_blocks(x, t, block, w.drop_path_rates(drop_path_rate, depth), (stride, stride), 1)
    return border.end_plain(x, patches, t, global_pool, drop_rate=drop_rate)


def _grid(size, kernel_sizes, strides):
    """(rows, columns) that the soft splits make of an image of a size."""
    grid = size
    for kernel_size, stride in zip(kernel_sizes, strides, strict=True):
        split = blocks.OverlappingPatches(kernel_size, stride, stride // 2)
        grid = [split.count(n) for n in grid]
        c.require(min(grid) >= 1, "kernel_sizes", f"kernels that fit into their maps, here of an image of {size}")
    return grid


def _tokens_to_token(x, kernel_sizes, strides, tokens_type, dim, drop):
    """Soft splits with token blocks between them: (B, H, W, C) -> (B, H / 16, W / 16, 9 dim)."""
    for i, (kernel_size, stride) in enumerate(zip(kernel_sizes, strides, strict=True), start=1):
        if i > 1:
            x = _token_block(x, dim, _ATTEND[tokens_type], drop, f"tokens_{i - 1}")
        x = blocks.OverlappingPatches(kernel_size, stride, stride // 2, name=f"tokens_{i}_split")(x)
    return x


def _token_block(x, dim, attend, drop, name):
    """(B, H, W, C) -> (B, H, W, dim): as the width changes, the values take the place of x in the first residual."""
    x, y = attend(w.layer_norm(x, 1e-5, f"{name}_norm1"), dim, f"{name}_attn")
    y = w.dense(y, dim, f"{name}_attn_proj")
    x = blocks.Residual(dropout=drop, name=f"{name}_res1")(x, y)
    y = w.mlp(w.layer_norm(x, 1e-5, f"{name}_norm2"), dim, "gelu", f"{name}_mlp")
    return blocks.Residual(dropout=drop, name=f"{name}_res2")(x, y)


def _softmax_attention(x, dim, name):
    """(..., C) -> values and what attention makes of them, each (..., dim); C, not dim, sets the scale."""
    qkv = w.dense(x, 3 * dim, f"{name}_qkv", use_bias=False)
    return blocks.TakeValues(name=f"{name}_values")(qkv), blocks.SelfAttention(1, x.shape[-1] ** -0.5, name=name)(qkv)


def _random_feature_attention(x, dim, name):
    """(..., C) -> values and what attention makes of them, each (..., dim)."""
    kqv = w.dense(x, 3 * dim, f"{name}_kqv")
    return blocks.TakeValues(name=f"{name}_values")(kqv), blocks.RandomFeatureAttention(dim // 2, name=name)(kqv)


_ATTEND = {"transformer": _softmax_attention, "performer": _random_feature_attention}
