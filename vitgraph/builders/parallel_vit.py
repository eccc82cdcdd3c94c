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
from typing import Annotated

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring import transformer
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import VIT_PYTORCH
from vitgraph.wiring.transformer import parallel_scaling_block, parallel_things_block

VARIANTS: dict = {}


@c.builder(initial=VIT_PYTORCH)
def build_parallel_vit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.TokenPooling = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Size = 16,
    dim: c.Width = 768,
    depth: c.Depth = 18,
    num_heads: c.Count = 12,
    mlp_ratio: c.Ratio = 4.0,
    num_parallel: Annotated[int, c.between(1, 64)] = 2,
    joint: bool = False,
    head_dim: c.Width | None = None,
    qkv_bias: bool = True,
    attn_proj: bool = True,
    qk_norm: bool = False,
    act: c.Act = "gelu",
    init_values: c.Scale | None = None,
    norm_eps: c.Epsilon = 1e-6,
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "parallel_vit",
) -> keras.Model:
    """Builds a parallel ViT (arXiv:2203.09795): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, the class token or the pooled map: (B, dim); None leaves it a map.
        num_parallel: number of attentions side by side in a block, and of feed-forward layers.
        joint: whether blocks are ViT-22B's: attention and feed-forward layer side by side too, one of each.
        attn_proj: whether there is a projection after attention; one head as wide as the stream needs none.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16). Without a top it ends in the
        map of the normed patch tokens (B, H / p, W / p, dim).

    Example:
        >>> wide = vitgraph.build_parallel_vit((64, 64, 3), dim=32, depth=1, num_heads=2, num_parallel=3)
        >>> [layer.name for layer in wide.layers if layer.name.endswith("_attn")]
        ['block_0_attns_0_attn', 'block_0_attns_1_attn', 'block_0_attns_2_attn']
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    t = transformer.Transformer(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, attn_proj=attn_proj, head_dim=head_dim,
        qk_norm=qk_norm, act=act, init_values=init_values, norm_eps=norm_eps, proj_drop_rate=proj_drop_rate,
        attn_drop_rate=attn_drop_rate,
    )  # fmt: skip
    c.require(not joint or num_parallel == 1, "num_parallel", "1 with joint=True")
    c.require(not joint or attn_proj, "attn_proj", "True with joint=True")
    patch, grid = transformer.patch_grid(border, patch_size, img_size)
    things = functools.partial(parallel_things_block, num_parallel=num_parallel)

    patches = transformer.patch_embed(border.image, patch, dim)
    x = blocks.PrependTokens(name="cls_token")(blocks.ToTokens(name="tokens")(patches))
    x = blocks.PositionTable(grid, 1, name="pos_embed")(x, patches)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    rates = w.drop_path_rates(drop_path_rate, depth)
    x = transformer.transformer_blocks(x, t, parallel_scaling_block if joint else things, rates, patch, 1)
    return border.end_with_token(t.norm(x, "norm"), patches, drop_rate)
