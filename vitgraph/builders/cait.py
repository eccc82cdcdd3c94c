"""CaiT: patches attend to each other first, and the class token to the patches afterwards.

Paper: Touvron et al., "Going deeper with Image Transformers", arXiv:2103.17239.
Official code: github.com/facebookresearch/deit, cait_models.py; checkpoints there and in timm.

    image (H, W, 3)
      patches: p x p / p convolution                          (H/p, W/p, dim)
      tokens, positions                                       (B, N, dim)
      blocks 0 ... depth - 1: talking heads                   (B, N, dim)
      class token, patches                                    (B, 1 + N, dim)
      class stage 0 ... depth_token_only - 1                  (B, 1 + N, dim), of which only the class token changes
      norm
      class token                                             (B, dim)
      head

    block:       x + scale * attention(norm(x)); x + scale * mlp(norm(x)), the heads of attention mixed before and
                 after the softmax.
    class stage: the same for the class token alone, which attends to itself and the patches; the heads aren't mixed.

Stochastic depth has one rate for all blocks and none in the class stage, as in the official code: a branch is dropped
sample by sample, in training. vit-pytorch's "layer dropout" is that of whole layers, at inference too; its heads also
talk in the class stage, where it doesn't norm the patches.
"""

import dataclasses

from keras import layers

from vitgraph.blocks import (
    CrossAttention,
    DropPrefix,
    HeadMixture,
    PositionTable,
    PrependTokens,
    TakePrefix,
    TalkingHeadsAttention,
    ToMap,
    ToTokens,
)
from vitgraph.contract import POOLS, Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import dense, dropout, head
from vitgraph.wiring.transformer import Transformer, blocks, patch_embed, patch_grid, pool, pre_norm_block

_S = {"dim": 384, "num_heads": 8}
_M = {"dim": 768, "num_heads": 16}
_36 = {"depth": 36, "init_values": 1e-6}
_48 = {"depth": 48, "init_values": 1e-6}
_384 = {"input_shape": (384, 384, 3), "img_size": (384, 384)}
_448 = {"input_shape": (448, 448, 3), "img_size": (448, 448)}

VARIANTS = {  # table 3 of the paper: those whose weights are published
    "cait_xxs24_224": {},
    "cait_xxs24_384": {**_384},
    "cait_xxs36_224": {**_36},
    "cait_xxs36_384": {**_36, **_384},
    "cait_xs24_384": {"dim": 288, "num_heads": 6, **_384},
    "cait_s24_224": {**_S},
    "cait_s24_384": {**_S, **_384},
    "cait_s36_384": {**_S, **_36, **_384},
    "cait_m36_384": {**_M, **_36, **_384},
    "cait_m48_448": {**_M, **_48, **_448},
}


@builder(pools=POOLS)
def build_cait(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=16,
    dim=192,
    depth=24,
    num_heads=4,
    mlp_ratio=4.0,
    depth_token_only=2,
    mlp_ratio_token_only=4.0,
    head_dim=None,
    qk_scale=None,
    qkv_bias=True,
    act="gelu",
    init_values=1e-5,
    rms_norm=False,
    norm_eps=1e-6,
    global_pool="token",
    img_size=(224, 224),
    drop_rate=0.0,
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="cait",
):
    """Builds a CaiT (arXiv:2103.17239): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels; what patches leave over at the bottom and the right is
            dropped. Or (None, None, channels): then the image is padded to whole patches and the position table
            resampled at run time.
        include_top: False ends the graph at the normed map of the patches (B, H / p, W / p, dim), without class stage.
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, one of `global_pool`'s kinds: (B, dim), what the head would see.
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, or (height, width), in pixels.
        dim, depth, num_heads, mlp_ratio: width, blocks of patches, heads, widening of their feed-forward layers.
        depth_token_only, mlp_ratio_token_only: blocks of the class stage, widening of their feed-forward layers.
        head_dim: width of one head; None: dim / num_heads.
        qk_scale: factor of the products of queries and keys; None: head_dim ** -0.5.
        qkv_bias: whether the projections to queries, keys and values have biases.
        act: "gelu" (exact), "gelu_tanh", "quick_gelu", "relu", "silu", ...
        init_values: initial layer scale; the paper has 0.1 up to 18 blocks, 1e-5 for 24, 1e-6 for more.
        rms_norm: RMS norms instead of layer norms.
        norm_eps: epsilon of all norms.
        global_pool: what the head sees: "token", or "avg", "max", "avgmax" or "map" (attention pooling) of the patches.
        img_size: the image size whose grid the position table has, where input_shape is open.
        drop_rate: dropout before the head.
        pos_drop_rate: dropout after positions.
        proj_drop_rate, attn_drop_rate: dropout of projections, of attention, in the blocks of patches.
        drop_path_rate: stochastic depth of every block of patches.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`; each block of patches ends in a `Stage` of the patch's stride ("P4" for 16). The class token
        after a block of the class stage is the node `cls_stage_0_res2`, ...

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_cait")
    t = TalkingHeads(
        dim, num_heads, mlp_ratio, qkv_bias, head_dim=head_dim, act=act, init_values=init_values, norm_eps=norm_eps,
        rms_norm=rms_norm, attn_drop=attn_drop_rate, proj_drop=proj_drop_rate, qk_scale=qk_scale,
    )  # fmt: skip
    t.check(check)
    check.positive(depth=depth, depth_token_only=depth_token_only)
    check.over_zero(mlp_ratio_token_only=mlp_ratio_token_only, init_values=init_values)
    check.that(global_pool in POOLS, "global_pool", global_pool, ", ".join(POOLS))
    patch, grid = patch_grid(check, shape_of(input_shape, input_tensor), patch_size, img_size)

    inputs = begin(input_shape, input_tensor)
    patches = patch_embed(inputs, patch, dim)
    x = ToTokens(name="tokens")(patches)
    x = PositionTable(grid, name="pos_embed")(x, patches)
    x = dropout(x, pos_drop_rate, "pos_drop")
    x = blocks(x, t, pre_norm_block, [drop_path_rate] * depth, patch)

    if not include_top and pooling is None:
        return finish(inputs, ToMap(name="map")(t.norm(x, "norm"), patches), name)

    x = PrependTokens(name="cls_stage_token")(x)
    calm = dataclasses.replace(t, mlp_ratio=mlp_ratio_token_only, attn_drop=0.0, proj_drop=0.0)
    for i in range(depth_token_only):
        x = class_attention_block(x, calm, f"cls_stage_{i}")
    x = t.norm(x, "norm")
    x = pool(x, pooling or global_pool, 1, t)
    if include_top:
        x = head(x, num_classes, classifier_activation, drop_rate)
    return finish(inputs, x, name)


class TalkingHeads(Transformer):
    """The parts of a transformer block, with heads that are mixed before and after the softmax."""

    def attend(self, qkv, name):
        before, after = (HeadMixture(self.num_heads, name=f"{name}_proj_{part}")(qkv) for part in "lw")
        return TalkingHeadsAttention(self.num_heads, self.qk_scale, self.attn_drop, name=name)(qkv, before, after)


def class_attention_block(x, t, name):
    """The class token attends to itself and the patches, and alone goes on: (B, 1 + N, C) -> (B, 1 + N, C)."""
    token, patches = TakePrefix(name=f"{name}_token")(x), DropPrefix(1, name=f"{name}_patches")(x)
    y = _class_attention(t.norm(x, f"{name}_norm1"), t, f"{name}_attn")
    token = t.residual(token, y, 0.0, f"{name}_res1")
    y = t.mlp(t.norm(token, f"{name}_norm2"), f"{name}_mlp")
    token = t.residual(token, y, 0.0, f"{name}_res2")
    return layers.Concatenate(axis=1, name=name)([token, patches])


def _class_attention(x, t, name):
    """(B, 1 + N, C) -> (B, 1, C): the query comes from the class token, keys and values from all."""
    q = dense(TakePrefix(name=f"{name}_query")(x), t.attn_dim, f"{name}_q", t.qkv_bias)
    kv = dense(x, 2 * t.attn_dim, f"{name}_kv", t.qkv_bias)
    x = CrossAttention(t.num_heads, t.qk_scale, name=name)(q, kv)
    return dense(x, t.dim, f"{name}_proj")
