"""ATS, adaptive token sampling: a ViT some of whose blocks drop the tokens that matter least for an image.

Paper: Fayyaz, Koohpayegani et al., "Adaptive Token Sampling For Efficient Vision Transformers", arXiv:2111.15667.
Official code: github.com/adaptivetokensampling/ATS, libs/models/transformers; its weights are DeiT's.

    image (H, W, 3)
      patches: p x p / p convolution                  (H/p, W/p, dim)
      class token, patches, positions                 (B, 1 + N, dim)
      blocks 0 ... depth - 1; those that sample keep  (B, 1 + K, dim), K fixed; what has no token is padding
      patches at their places                         (B, 1 + N, dim)
      norm
      class token                                     (B, dim)
      head

    block:          ViT's, in which padding is no key.
    sampling block: the class token's attention, times the length of the values, says which tokens are kept. Only these
                    are queries, but all that came in are keys and values. It has no weights of its own, and no dropout
                    around its attention.

How many tokens are kept depends on the image; the shapes of the graph don't. The official code samples as many points
as there are tokens, removes duplicates, and goes on with the length of the batch's longest sample. Here the length is
the budget (`num_tokens`), or without one that of all tokens; the official code has budgets too, but can't run them. Its
softmax adds 1e-6 to the denominator, for rows that are all padding; here there are no such rows. vit-pytorch samples at
random, and weighs each head by its own values' lengths.
"""

import dataclasses
from collections.abc import Sequence
from typing import Annotated

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.transformer import Transformer, patch_embed, patch_grid, pre_norm_block, transformer_blocks

VARIANTS: dict = {"ats_deit_small_patch16_224": {}}  # table 1 of the paper, with `drop_tokens`

Budget = Annotated[int, c.between(3, 2**20)]
PerSamplingBlock = c.Per("sampling block")


@c.builder
def build_ats_vit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pool | None = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Size = 16,
    dim: c.Width = 384,
    depth: c.Depth = 12,
    num_heads: c.Count = 6,
    mlp_ratio: c.Ratio = 4.0,
    ats_blocks: Annotated[Sequence[c.Whole], PerSamplingBlock] = (3, 4, 5, 6, 7, 8, 9, 10, 11),
    num_tokens: Budget | Annotated[Sequence[Budget], PerSamplingBlock] | None = None,
    drop_tokens: bool = False,
    head_dim: c.Width | None = None,
    qk_scale: c.Scale | None = None,
    qkv_bias: bool = True,
    act: c.Act = "gelu",
    norm_eps: c.Epsilon = 1e-6,
    representation_size: c.Width | None = None,
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "ats_vit",
) -> keras.Model:
    """Builds a ViT with adaptive token sampling (arXiv:2111.15667): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, the class token or the pooled map: (B, dim); None leaves it a map.
        ats_blocks: indices of the blocks that sample, each of them once.
        num_tokens: the most tokens that a sampling block keeps, class token included: one number, or one per sampling
            block; None: as many as come in.
        drop_tokens: in each further sampling block, the samples that have the most tokens left also lose their least
            significant one; the official code does this when it shortens a batch (DROP_TOKENS). A score then depends on
            the batch that it is in.
        representation_size: width of a linear layer with tanh before the head; None: no such layer.
        proj_drop_rate: dropout after the projections of attention, except in sampling blocks, and within and after
            feed-forward layers.
        attn_drop_rate: dropout of attention probabilities, except in sampling blocks.

    Returns:
        A `keras.Model`. The node `block_{i}_ids` of a sampling block gives the numbers (B, K) of the patches that it
        keeps, the least significant first, -1 for padding; `token_ids` gives those after the last block. Each block
        before the first that samples ends in a `Stage` of the patch's stride ("P4" for 16), and so does the last one,
        with zeros in place of dropped patches. Without a top and pooling the net ends in the map of the normed patches
        (B, H / p, W / p, dim).

    Example:
        >>> ats = vitgraph.build_ats_vit((64, 64, 3), depth=3, dim=96, ats_blocks=(1, 2), num_tokens=(9, 5))
        >>> ats.get_layer("token_ids").output.shape
        (None, 4)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    t = Transformer(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, head_dim=head_dim, act=act,
        norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate, qk_scale=qk_scale,
    )  # fmt: skip
    good = max(ats_blocks) < depth and len(set(ats_blocks)) == len(ats_blocks)
    c.require(good, "ats_blocks", f"different indices of blocks, here 0 to {depth - 1}")
    each = num_tokens if isinstance(num_tokens, tuple) else (num_tokens,) * len(ats_blocks)
    budgets = dict(zip(ats_blocks, each, strict=True))
    patch, grid = patch_grid(border, patch_size, img_size)

    patches = patch_embed(border.image, patch, dim)
    x = blocks.ToTokens(name="tokens")(patches)
    x = blocks.PrependTokens(name="cls_token")(x)
    x = blocks.PositionTable(grid, 1, kernel="bilinear", antialias=False, name="pos_embed")(x, patches)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    ids = blocks.PatchIds(name="patch_ids")(patches)  # (B, M): which patch each token is
    first, rates = min(ats_blocks), w.drop_path_rates(drop_path_rate, depth)
    x = transformer_blocks(x, t, pre_norm_block, rates[:first], patch, 1)
    for i in range(first, depth):
        if i in budgets:
            sampler = blocks.TokenSampler(t.num_heads, t.qk_scale, budgets[i], drop_tokens, name=f"block_{i}_picks")
            x, ids = _sampling_block(x, ids, sampler, t, rates[i], f"block_{i}")
        else:
            x = _masked_block(x, ids, t, rates[i], f"block_{i}")
    ids = layers.Identity(name="token_ids")(ids)
    x = blocks.PutBack(name="put_back")(x, ids, patches)
    x = blocks.Stage(patch, 1, "patch_embed", name="all_patches")(x)
    hidden = _hidden_layer(representation_size)
    return border.end_plain(x, patches, t, "token", hidden=hidden, drop_rate=drop_rate)


def _sampling_block(x, ids, sampler, t, drop_path, name):
    """A block that keeps some of its tokens: (B, 1 + M, C), (B, M) -> (B, 1 + K, C), (B, K)."""
    qkv = w.dense(t.norm(x, f"{name}_norm1"), 3 * t.attn_dim, f"{name}_attn_qkv", t.qkv_bias)
    picks = sampler(qkv, ids)  # (B, K): which of the M tokens the block keeps
    y = blocks.MaskedAttention(t.num_heads, t.qk_scale, name=f"{name}_attn")(qkv, ids, picks)
    y = w.dense(y, t.dim, f"{name}_attn_proj")
    x, ids = blocks.PickTokens(name=f"{name}_picked")(x, picks), blocks.PickIds(name=f"{name}_ids")(ids, picks)
    x = dataclasses.replace(t, proj_drop_rate=0.0).residual(x, y, drop_path, f"{name}_res1")
    return _feed_forward(x, ids, t, drop_path, name), ids


def _masked_block(x, ids, t, drop_path, name):
    """ViT's block, in which padding is no key: (B, 1 + M, C), (B, M) -> (B, 1 + M, C)."""
    qkv = w.dense(t.norm(x, f"{name}_norm1"), 3 * t.attn_dim, f"{name}_attn_qkv", t.qkv_bias)
    y = blocks.MaskedAttention(t.num_heads, t.qk_scale, t.attn_drop_rate, name=f"{name}_attn")(qkv, ids)
    x = t.residual(x, w.dense(y, t.dim, f"{name}_attn_proj"), drop_path, f"{name}_res1")
    return _feed_forward(x, ids, t, drop_path, name)


def _feed_forward(x, ids, t, drop_path, name):
    y = t.mlp(t.norm(x, f"{name}_norm2"), f"{name}_mlp")
    x = t.residual(x, y, drop_path, f"{name}_res2")
    return blocks.ClearPadding(name=name)(x, ids)


def _hidden_layer(width):
    """Linear layer and tanh, as a function (B, C) -> (B, width); None where `width` is None."""
    if width is None:
        return None
    return lambda x: layers.Activation("tanh", name="head_tanh")(w.dense(x, width, "head_fc"))
