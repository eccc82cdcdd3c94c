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

Stochastic depth has the same rate in all blocks and none in the class stage, as in the official code: in training, a
branch is dropped sample by sample. vit-pytorch's CaiT differs: its "layer dropout" drops whole layers, at inference
too, and its class stage mixes heads and doesn't norm the patches.
"""

import dataclasses

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.class_attention import class_attention
from vitgraph.wiring.transformer import Transformer, patch_embed, patch_grid, pre_norm_block, transformer_blocks

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


@c.builder
def build_cait(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pool | None = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Size = 16,
    dim: c.Width = 192,
    depth: c.Depth = 24,
    num_heads: c.Count = 4,
    mlp_ratio: c.Ratio = 4.0,
    depth_token_only: c.Depth = 2,
    mlp_ratio_token_only: c.Ratio = 4.0,
    head_dim: c.Width | None = None,
    qk_scale: c.Scale | None = None,
    qkv_bias: bool = True,
    act: c.Act = "gelu",
    init_values: c.Scale = 1e-5,
    rms_norm: bool = False,
    norm_eps: c.Epsilon = 1e-6,
    global_pool: c.Pool = "token",
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "cait",
) -> keras.Model:
    """Builds a CaiT (arXiv:2103.17239): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, one of `global_pool`'s kinds: (B, dim); None leaves the map of the patches.
        depth: number of blocks of patches.
        depth_token_only: number of blocks of the class stage.
        mlp_ratio_token_only: hidden width of the feed-forward layers of the class stage, relative to `dim`.
        init_values: initial layer scale; the paper has 0.1 up to 18 blocks, 1e-5 for 24, 1e-6 for more.
        global_pool: what the head sees: the class token, or a pooling of the patches; "map" is attention pooling.
        proj_drop_rate: dropout after projections and within feed-forward layers, in the blocks of patches.
        attn_drop_rate: dropout of attention probabilities, in the blocks of patches.
        drop_path_rate: stochastic depth of every block of patches.

    Returns:
        A `keras.Model`; each block of patches ends in a `Stage` of the patch's stride ("P4" for 16), and the class
        token after block i of the class stage is the node `cls_stage_{i}_res2`. Without a top and pooling it ends in
        the map of the normed patches (B, H / p, W / p, dim), and has no class stage.

    Example:
        >>> cait = vitgraph.build_cait((64, 64, 3), depth=2, dim=32, num_heads=2, num_classes=10)
        >>> cait.get_layer("cls_stage_1_res2").output.shape
        (None, 1, 32)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    t = TalkingHeads(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, head_dim=head_dim, act=act,
        init_values=init_values, norm_eps=norm_eps, rms_norm=rms_norm, proj_drop_rate=proj_drop_rate,
        attn_drop_rate=attn_drop_rate, qk_scale=qk_scale,
    )  # fmt: skip
    c.has_hidden(dim, mlp_ratio_token_only, "mlp_ratio_token_only")
    patch, grid = patch_grid(border, patch_size, img_size)

    patches = patch_embed(border.image, patch, dim)
    x = blocks.ToTokens(name="tokens")(patches)
    x = blocks.PositionTable(grid, name="pos_embed")(x, patches)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    x = transformer_blocks(x, t, pre_norm_block, [drop_path_rate] * depth, patch)
    if border.ends_in_map:
        return border.end_plain(x, patches, t, global_pool, prefix=0)

    x = blocks.PrependTokens(name="cls_stage_token")(x)
    alone = dataclasses.replace(t, mlp_ratio=mlp_ratio_token_only, proj_drop_rate=0.0, attn_drop_rate=0.0)
    for i in range(depth_token_only):
        x = _class_block(x, alone, f"cls_stage_{i}")
    return border.end_plain(x, patches, t, global_pool, drop_rate=drop_rate)


class TalkingHeads(Transformer):
    """The parts of a transformer block, with heads that are mixed before and after the softmax."""

    def attend(self, qkv, name):
        before = blocks.HeadMixture(self.num_heads, name=f"{name}_proj_l")(qkv)
        after = blocks.HeadMixture(self.num_heads, name=f"{name}_proj_w")(qkv)
        return blocks.TalkingHeadsAttention(self.num_heads, self.qk_scale, self.attn_drop_rate, name=name)(
            qkv, before, after
        )


def _class_block(x, t, name):
    """The class token attends to itself and the patches, and only it changes: (B, 1 + N, C) -> (B, 1 + N, C)."""
    token, patches = blocks.TakePrefix(name=f"{name}_token")(x), blocks.DropPrefix(1, name=f"{name}_patches")(x)
    y = class_attention(t.norm(x, f"{name}_norm1"), t, f"{name}_attn")
    token = t.residual(token, y, 0.0, f"{name}_res1")
    y = t.mlp(t.norm(token, f"{name}_norm2"), f"{name}_mlp")
    token = t.residual(token, y, 0.0, f"{name}_res2")
    return layers.Concatenate(axis=1, name=name)([token, patches])
