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

Positions are fixed sinusoids along the row of tokens, made for one size and resampled for others as a learned table
would be: the official code does so too, when it loads a checkpoint. Images needn't be square here. vit-pytorch's token
blocks are as wide as the patches and add to x, not to the values; its positions are learned.
"""

import math

from vitgraph.blocks import (
    OverlappingPatches,
    PrependTokens,
    RandomFeatureAttention,
    Residual,
    SelfAttention,
    SinusoidTable,
    TakeValues,
    ToMap,
    ToTokens,
)
from vitgraph.blocks.base import is_static, pair
from vitgraph.contract import POOLS, Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import dense, drop_path_rates, dropout, head, layer_norm, mlp
from vitgraph.wiring.transformer import Transformer, blocks, check_block, pool, pre_norm_block

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


@builder(pools=POOLS)
def build_t2t_vit(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    tokens_type="performer",
    kernel_sizes=(7, 3, 3),
    strides=(4, 2, 2),
    token_dim=64,
    dim=384,
    depth=14,
    num_heads=6,
    mlp_ratio=3.0,
    block=pre_norm_block,
    head_dim=None,
    qk_scale=None,
    qkv_bias=False,
    act="gelu",
    norm_eps=1e-5,
    global_pool="token",
    img_size=(224, 224),
    token_drop_rate=0.0,
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="t2t_vit",
):
    """Builds a T2T-ViT (arXiv:2101.11986): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels, or (None, None, channels): then the position table is
            resampled at run time.
        include_top: False ends the graph at the map of the last patch tokens (B, H / 16, W / 16, dim).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, one of `global_pool`'s kinds: (B, dim), what the head would see.
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        tokens_type: attention of the token blocks, "performer" or "transformer". `vitgraph.attention` has no maps of
            performers, which make none.
        kernel_sizes, strides: of each soft split, in positions of the map that it splits, with strides // 2 zeros on
            each side. All but the last are followed by a token block.
        token_dim: width of the token blocks.
        dim, depth, num_heads, mlp_ratio: width, blocks, heads, widening of the feed-forward layers.
        block: a function (x, transformer, drop_path, name) -> x such as `vit.pre_norm_block`.
        head_dim: width of one head; None: dim / num_heads.
        qk_scale: factor of the products of queries and keys; None: head_dim ** -0.5.
        qkv_bias: whether the projections to queries, keys and values have biases.
        act: "gelu" (exact), "gelu_tanh", "quick_gelu", "relu", "silu", ...
        norm_eps: epsilon of all norms but those of the token blocks, whose is 1e-5.
        global_pool: what the head sees: "token", or "avg", "max", "avgmax" or "map" (attention pooling) of the patches.
        img_size: the image size whose grid the position table has, where input_shape is open.
        token_drop_rate: dropout of the branches of token blocks; the official performers train with 0.1.
        pos_drop_rate, proj_drop_rate, attn_drop_rate: dropout after positions, of projections, of attention.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the product of strides ("P4" for 16).

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_t2t_vit")
    t = Transformer(
        dim, num_heads, mlp_ratio, qkv_bias, head_dim=head_dim, act=act, norm_eps=norm_eps, attn_drop=attn_drop_rate,
        proj_drop=proj_drop_rate, qk_scale=qk_scale,
    )  # fmt: skip
    t.check(check)
    check.that(tokens_type in _ATTEND, "tokens_type", tokens_type, ", ".join(_ATTEND))
    check.positive(token_dim=token_dim, depth=depth)
    check.that(tokens_type == "transformer" or token_dim > 1, "token_dim", token_dim, "at least 2 with performers")
    check.that(global_pool in POOLS, "global_pool", global_pool, ", ".join(POOLS))
    check_block(check, block)
    grid = _grid(check, shape_of(input_shape, input_tensor), kernel_sizes, strides, img_size)

    inputs = begin(input_shape, input_tensor)
    patches = _tokens_to_token(inputs, kernel_sizes, strides, tokens_type, token_dim, token_drop_rate)
    patches = dense(patches, dim, "patch_embed")
    x = PrependTokens(name="cls_token")(ToTokens(name="tokens")(patches))
    x = SinusoidTable(grid, 1, antialias=False, name="pos_embed")(x, patches)
    x = dropout(x, pos_drop_rate, "pos_drop")
    x = blocks(x, t, block, drop_path_rates(drop_path_rate, depth), (math.prod(strides),) * 2, 1)
    x = t.norm(x, "norm")
    if not include_top and pooling is None:
        return finish(inputs, ToMap(1, name="map")(x, patches), name)
    x = pool(x, pooling or global_pool, 1, t)
    if include_top:
        x = head(x, num_classes, classifier_activation)
    return finish(inputs, x, name)


def _grid(check, shape, kernel_sizes, strides, img_size):
    """(rows, columns) of the patches that the position table is made for."""
    check.per_stage(kernel_sizes=kernel_sizes, strides=strides)
    check.sides(img_size=img_size)
    least = max(math.prod(strides), kernel_sizes[0])
    check.smallest(least, input_shape=shape)
    image = shape[:2]
    if not is_static(*image):
        image = pair(img_size)
        check.smallest(least, img_size=image)
    for kernel_size, stride in zip(kernel_sizes, strides, strict=True):
        split = OverlappingPatches(kernel_size, stride, stride // 2)
        image = [split.count(n) for n in image]
        check.that(min(image) >= 1, "kernel_sizes", kernel_sizes, "kernels that fit into their maps")
    return image


def _tokens_to_token(x, kernel_sizes, strides, tokens_type, dim, drop):
    """Soft splits with token blocks between them: (B, H, W, C) -> (B, H / 16, W / 16, 9 dim)."""
    for i, (kernel_size, stride) in enumerate(zip(kernel_sizes, strides, strict=True), start=1):
        if i > 1:
            x = _token_block(x, dim, _ATTEND[tokens_type], drop, f"tokens_{i - 1}")
        x = OverlappingPatches(kernel_size, stride, stride // 2, name=f"tokens_{i}_split")(x)
    return x


def _token_block(x, dim, attend, drop, name):
    """(B, H, W, C) -> (B, H, W, dim): as the width changes, the values take the place of x in the first residual."""
    x, y = attend(layer_norm(x, 1e-5, f"{name}_norm1"), dim, f"{name}_attn")
    y = dense(y, dim, f"{name}_attn_proj")
    x = Residual(dropout=drop, name=f"{name}_res1")(x, y)
    y = mlp(layer_norm(x, 1e-5, f"{name}_norm2"), dim, "gelu", f"{name}_mlp")
    return Residual(dropout=drop, name=f"{name}_res2")(x, y)


def _softmax_attention(x, dim, name):
    """(..., C) -> values and what attention makes of them, each (..., dim); C, not dim, sets the scale."""
    qkv = dense(x, 3 * dim, f"{name}_qkv", use_bias=False)
    return TakeValues(name=f"{name}_values")(qkv), SelfAttention(1, x.shape[-1] ** -0.5, name=name)(qkv)


def _random_feature_attention(x, dim, name):
    """(..., C) -> values and what attention makes of them, each (..., dim)."""
    kqv = dense(x, 3 * dim, f"{name}_kqv")
    return TakeValues(name=f"{name}_values")(kqv), RandomFeatureAttention(dim // 2, name=name)(kqv)


_ATTEND = {"transformer": _softmax_attention, "performer": _random_feature_attention}
