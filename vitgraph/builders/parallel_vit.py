"""Parallel ViT: attentions side by side, feed-forward layers side by side; or all of them, as in ViT-22B.

Papers: Touvron et al., "Three things everyone should know about Vision Transformers", arXiv:2203.09795;
Dehghani et al., "Scaling Vision Transformers to 22 Billion Parameters", arXiv:2302.05442.
Code: timm's `ParallelThingsBlock` and `ParallelScalingBlock`; there is no official one.

    image (H, W, 3)
      patches: p x p / p convolution               (H/p, W/p, dim)
      tokens, class token, positions               (B, 1 + N, dim)
      blocks 0 ... depth - 1                       (B, 1 + N, dim)
      norm, class token, head

    block: x + sum_i attention_i(norm_i(x)); x + sum_i mlp_i(norm_i(x)), of `num_parallel` terms each.
    joint: x + attention(norm(x)) + mlp(norm(x)), one norm and one projection before the two.

A net of n blocks in a row becomes one of n / `num_parallel` blocks, of the same weights and the same work. The blocks
are functions of vit.py and make the same nodes there: `build_vit(block=parallel_things_block)` has the other forms of
ViT's head and tokens, and the published variants of timm (`vit_small_patch16_18x2_224`, `vit_base_patch16_xp_224`, ...)
are its rows.
"""

import functools

from vitgraph.blocks import PositionTable, PrependTokens, ToTokens
from vitgraph.contract import Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import drop_path_rates, dropout, token_top
from vitgraph.wiring.transformer import (
    Transformer,
    blocks,
    parallel_scaling_block,
    parallel_things_block,
    patch_embed,
    patch_grid,
)

VARIANTS: dict = {}


@builder(pools=("token", "avg", "max"))
def build_parallel_vit(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=16,
    dim=768,
    depth=18,
    num_heads=12,
    mlp_ratio=4.0,
    num_parallel=2,
    joint=False,
    head_dim=None,
    qkv_bias=True,
    attn_proj=True,
    qk_norm=False,
    act="gelu",
    init_values=None,
    norm_eps=1e-6,
    img_size=(224, 224),
    drop_rate=0.0,
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="parallel_vit",
):
    """Builds a parallel ViT (arXiv:2203.09795): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels; what patches leave over at the bottom and the right is
            dropped. Or (None, None, channels): then the image is padded to whole patches and the position table
            resampled at run time.
        include_top: False ends the graph at the normed map of the last patch tokens (B, H / p, W / p, dim).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map, or "token", the class token: (B, dim).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, or (height, width), in pixels.
        dim, depth, num_heads, mlp_ratio: width, blocks, heads, widening of the feed-forward layers.
        num_parallel: number of attentions side by side in a block, and of feed-forward layers.
        joint: ViT-22B's block: attention and feed-forward layer side by side too, one of each.
        head_dim: width of one head; None: dim / num_heads.
        qkv_bias: whether the projections to queries, keys and values have biases.
        attn_proj: False leaves out the projection after attention (one head as wide as the stream needs none).
        qk_norm: norm of queries and keys, head by head, as in ViT-22B.
        act: "gelu" (exact), "gelu_tanh", "quick_gelu", "relu", "silu", ...
        init_values: initial layer scale; None: none.
        norm_eps: epsilon of all norms.
        img_size: the image size whose grid the position table has, where input_shape is open.
        drop_rate: dropout before the head.
        pos_drop_rate, proj_drop_rate, attn_drop_rate: dropout after positions, of projections, of attention.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16).

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_parallel_vit")
    t = Transformer(
        dim, num_heads, mlp_ratio, qkv_bias, attn_proj=attn_proj, head_dim=head_dim, qk_norm=qk_norm, act=act,
        init_values=init_values, norm_eps=norm_eps, attn_drop=attn_drop_rate, proj_drop=proj_drop_rate,
    )  # fmt: skip
    t.check(check)
    check.positive(depth=depth, num_parallel=num_parallel)
    check.that(not joint or num_parallel == 1, "num_parallel", num_parallel, "1 with joint=True")
    check.that(not joint or attn_proj, "attn_proj", attn_proj, "True with joint=True")
    patch, grid = patch_grid(check, shape_of(input_shape, input_tensor), patch_size, img_size)
    things = functools.partial(parallel_things_block, num_parallel=num_parallel)

    inputs = begin(input_shape, input_tensor)
    patches = patch_embed(inputs, patch, dim)
    x = PrependTokens(name="cls_token")(ToTokens(name="tokens")(patches))
    x = PositionTable(grid, 1, name="pos_embed")(x, patches)
    x = dropout(x, pos_drop_rate, "pos_drop")
    x = blocks(x, t, parallel_scaling_block if joint else things, drop_path_rates(drop_path_rate, depth), patch, 1)
    x = token_top(
        t.norm(x, "norm"),
        patches,
        include_top=include_top,
        pooling=pooling,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        drop_rate=drop_rate,
    )
    return finish(inputs, x, name)
