"""ATS, adaptive token sampling: a ViT some of whose blocks leave out the tokens that matter least for an image.

Paper: Fayyaz, Koohpayegani et al., "Adaptive Token Sampling For Efficient Vision Transformers", arXiv:2111.15667.
Official code: github.com/adaptivetokensampling/ATS, libs/models/transformers; its weights are DeiT's.

    image (H, W, 3)
      patches: p x p / p convolution                  (H/p, W/p, dim)
      class token, patches, positions                 (B, 1 + N, dim)
      blocks 0 ... depth - 1, those that sample leave (B, 1 + K, dim), K fixed; what has no token is padding
      patches at their places                         (B, 1 + N, dim)
      norm
      class token                                     (B, dim)
      head

    block:  ViT's, in which padding is no key.
    sampling block: the class token's attention, times the length of the values, says which tokens stay; only these ask,
            but all that came are answered from. It has no weights of its own, and no dropout around its attention.

How many tokens stay depends on the image, the shapes of the graph don't: the official code samples as many points as
there are tokens, removes what is picked twice, and in a batch goes on with the longest sample's length; here nothing
gets shorter for an image, but a budget (`num_tokens`), which the official code has and can't run, makes it so for all.
Its softmax adds 1e-6 to the denominator, for rows that are all padding; here there are none. vit-pytorch samples at
random, and weighs each head by its own values' lengths.
"""

import dataclasses

from keras import layers

from vitgraph.blocks import (
    ClearPadding,
    MaskedAttention,
    PatchIds,
    PickIds,
    PickTokens,
    PositionTable,
    PrependTokens,
    PutBack,
    Stage,
    TokenSampler,
    ToMap,
    ToTokens,
)
from vitgraph.contract import POOLS, Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import dense, drop_path_rates, dropout, head
from vitgraph.wiring.transformer import Transformer, blocks, patch_embed, patch_grid, pool, pre_norm_block

VARIANTS: dict = {  # table 1 of the paper, where whole batches get shorter: see `drop_tokens`
    "ats_deit_small_patch16_224": {},
}


@builder(pools=POOLS)
def build_ats_vit(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=16,
    dim=384,
    depth=12,
    num_heads=6,
    mlp_ratio=4.0,
    ats_blocks=(3, 4, 5, 6, 7, 8, 9, 10, 11),
    num_tokens=None,
    drop_tokens=False,
    head_dim=None,
    qk_scale=None,
    qkv_bias=True,
    act="gelu",
    norm_eps=1e-6,
    representation_size=None,
    img_size=(224, 224),
    drop_rate=0.0,
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="ats_vit",
):
    """Builds a ViT with adaptive token sampling (arXiv:2111.15667): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels; what patches leave over at the bottom and the right is
            dropped. Or (None, None, channels): then the image is padded to whole patches and the position table
            resampled at run time.
        include_top: False ends the graph at the map (B, H / p, W / p, dim) with the patches that are left at their
            places; where one is gone it is what the last norm makes of zeros.
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, (B, dim): "token", or "avg", "max", "avgmax", "map" over that map.
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, or (height, width), in pixels.
        dim, depth, num_heads, mlp_ratio: width, blocks, heads, widening of the feed-forward layers.
        ats_blocks: the indices of the blocks that sample.
        num_tokens: the most tokens that a sampling block leaves, class token included: a number for all of them, or one
            for each; None: as many as come.
        drop_tokens: samples of a batch with most tokens left lose their least in every further sampling, as they do
            where the official code shortens a batch to them (DROP_TOKENS). A score then depends on the batch it is in.
        head_dim: width of one head; None: dim / num_heads.
        qk_scale: factor of the products of queries and keys; None: head_dim ** -0.5.
        qkv_bias: whether the projections to queries, keys and values have biases.
        act: "gelu" (exact), "gelu_tanh", "quick_gelu", "relu", "silu", ...
        norm_eps: epsilon of all norms.
        representation_size: width of a linear layer with tanh before the head; None: none.
        img_size: the image size whose grid the position table has, where input_shape is open.
        drop_rate: dropout before the head.
        pos_drop_rate, proj_drop_rate, attn_drop_rate: dropout after positions, of projections, of attention.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`. The nodes `block_3_ids`, ... are the numbers (B, K) of the patches that are left, the least
        significant first, -1 for padding; `token_ids` those after the last block. Each block before the first that
        samples ends in a `Stage` of the patch's stride ("P4" for 16), and so does the last, when zeros stand where a
        patch is gone.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_ats_vit")
    t = Transformer(
        dim, num_heads, mlp_ratio, qkv_bias, head_dim=head_dim, act=act, norm_eps=norm_eps, attn_drop=attn_drop_rate,
        proj_drop=proj_drop_rate, qk_scale=qk_scale,
    )  # fmt: skip
    t.check(check)
    check.positive(depth=depth)
    budgets = _budgets(check, depth, ats_blocks, num_tokens)
    if representation_size is not None:
        check.positive(representation_size=representation_size)
    patch, grid = patch_grid(check, shape_of(input_shape, input_tensor), patch_size, img_size)

    inputs = begin(input_shape, input_tensor)
    patches = patch_embed(inputs, patch, dim)
    x = ToTokens(name="tokens")(patches)
    x = PrependTokens(name="cls_token")(x)
    x = PositionTable(grid, 1, kernel="bilinear", antialias=False, name="pos_embed")(x, patches)
    x = dropout(x, pos_drop_rate, "pos_drop")
    ids = PatchIds(name="patch_ids")(patches)
    first, rates = min(budgets), drop_path_rates(drop_path_rate, depth)
    x = blocks(x, t, pre_norm_block, rates[:first], patch, 1)
    for i in range(first, depth):
        if i in budgets:
            x, ids = sampling_block(x, ids, t, rates[i], f"block_{i}", budgets[i], drop_tokens)
        else:
            x = masked_block(x, ids, t, rates[i], f"block_{i}")
    ids = layers.Identity(name="token_ids")(ids)
    x = PutBack(name="put_back")(x, ids, patches)
    x = Stage(patch, 1, "patch_embed", name="all_patches")(x)

    x = t.norm(x, "norm")
    if not include_top and pooling is None:
        return finish(inputs, ToMap(1, name="map")(x, patches), name)
    x = pool(x, pooling or "token", 1, t)
    if include_top and representation_size:
        x = layers.Activation("tanh", name="head_tanh")(dense(x, representation_size, "head_fc"))
    if include_top:
        x = head(x, num_classes, classifier_activation, drop_rate)
    return finish(inputs, x, name)


def _budgets(check, depth, ats_blocks, num_tokens):
    """{index of a sampling block: the most tokens that it leaves, or None}."""
    indices = f"different indices of blocks, here 0 to {depth - 1}"
    check.that(isinstance(ats_blocks, (tuple, list, range)) and len(ats_blocks), "ats_blocks", ats_blocks, indices)
    good = len(set(ats_blocks)) == len(ats_blocks) and all(type(i) is int and 0 <= i < depth for i in ats_blocks)
    check.that(good, "ats_blocks", ats_blocks, indices)
    if num_tokens is not None:
        check.counts(3, num_tokens=num_tokens)
    budgets = check.spread(len(ats_blocks), num_tokens=num_tokens)["num_tokens"]
    return dict(zip(ats_blocks, budgets, strict=True))


def sampling_block(x, ids, t, drop_path, name, num_tokens=None, drop_tokens=False):
    """A block that leaves some of its tokens: (B, 1 + M, C), (B, M) -> (B, 1 + K, C), (B, K)."""
    qkv = dense(t.norm(x, f"{name}_norm1"), 3 * t.attn_dim, f"{name}_attn_qkv", t.qkv_bias)
    picks = TokenSampler(t.num_heads, t.qk_scale, num_tokens, drop_tokens, name=f"{name}_picks")(qkv, ids)
    y = MaskedAttention(t.num_heads, t.qk_scale, name=f"{name}_attn")(qkv, ids, picks)
    y = dense(y, t.dim, f"{name}_attn_proj")
    x, ids = PickTokens(name=f"{name}_picked")(x, picks), PickIds(name=f"{name}_ids")(ids, picks)
    x = dataclasses.replace(t, proj_drop=0.0).residual(x, y, drop_path, f"{name}_res1")
    return _feed_forward(x, ids, t, drop_path, name), ids


def masked_block(x, ids, t, drop_path, name):
    """ViT's block, in which padding is no key: (B, 1 + M, C), (B, M) -> (B, 1 + M, C)."""
    qkv = dense(t.norm(x, f"{name}_norm1"), 3 * t.attn_dim, f"{name}_attn_qkv", t.qkv_bias)
    y = MaskedAttention(t.num_heads, t.qk_scale, t.attn_drop, name=f"{name}_attn")(qkv, ids)
    x = t.residual(x, dense(y, t.dim, f"{name}_attn_proj"), drop_path, f"{name}_res1")
    return _feed_forward(x, ids, t, drop_path, name)


def _feed_forward(x, ids, t, drop_path, name):
    y = t.mlp(t.norm(x, f"{name}_norm2"), f"{name}_mlp")
    x = t.residual(x, y, drop_path, f"{name}_res2")
    return ClearPadding(name=name)(x, ids)
