"""XCiT: channels attend to each other, so that the cost grows linearly with the number of patches.

Paper: El-Nouby et al., "XCiT: Cross-Covariance Image Transformers", arXiv:2106.09681.
Official code: github.com/facebookresearch/xcit, xcit.py; checkpoints there and in timm.

    image (H, W, 3)
      3x3/2 convolutions with batch norms, GELU between           (H/p, W/p, dim)
      positions: a linear layer of sines and cosines
      blocks 0 ... depth - 1                                      (H/p, W/p, dim)
      class token, patches                                        (B, 1 + N, dim)
      class stage 0 ... depth_token_only - 1                      (B, 1 + N, dim)
      norm
      class token                                                 (B, dim)
      head

    block:       x + scale * attention(norm(x)), among channels; x + scale * local(norm(x)); x + scale * mlp(norm(x)).
    attention:   queries and keys have length 1 over all positions, times a learned temperature per head.
    local:       depthwise 3x3 convolution, GELU, batch norm, depthwise 3x3 convolution.
    class stage: only the class token has a query and a feed-forward layer, as in CaiT.

What the class stage does to patches is the official code's and not the paper's: their norm is added to them, scaled,
and then they are doubled; with `tokens_norm` they are normed in between. Any input size, also an open one; a side that
p doesn't divide is rounded up. Stochastic depth has the same rate in all blocks and none in the class stage.
"""

from typing import Literal

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.class_attention import class_attention
from vitgraph.wiring.transformer import Transformer

_SIZES: dict = {  # table 2 of the paper; "nano" and the rest: the official code's
    "nano_12": {"dim": 128, "num_heads": 4},
    "tiny_12": {"dim": 192, "num_heads": 4, "tokens_norm": True},
    "small_12": {"tokens_norm": True},
    "tiny_24": {"dim": 192, "depth": 24, "num_heads": 4, "init_values": 1e-5, "tokens_norm": True},
    "small_24": {"depth": 24, "init_values": 1e-5, "tokens_norm": True},
    "medium_24": {"dim": 512, "depth": 24, "init_values": 1e-5, "tokens_norm": True},
    "large_24": {"dim": 768, "depth": 24, "num_heads": 16, "init_values": 1e-5, "tokens_norm": True},
}

VARIANTS = {
    f"xcit_{size}_p{patch}_{side}": {
        **({} if side == 224 else {"input_shape": (side, side, 3)}),
        **({} if patch == 16 else {"patch_size": patch}),
        **numbers,
    }
    for patch in (16, 8)
    for size, numbers in _SIZES.items()
    for side in (224, 384)
}


@c.builder
def build_xcit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pool | None = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: Literal[8, 16] = 16,
    dim: c.Width = 384,
    depth: c.Depth = 12,
    num_heads: c.Count = 8,
    mlp_ratio: c.Ratio = 4.0,
    depth_token_only: c.Depth = 2,
    qkv_bias: bool = True,
    act: c.Act = "gelu",
    pos_embed: bool = True,
    init_values: c.Scale = 1.0,
    tokens_norm: bool = False,
    norm_eps: c.Epsilon = 1e-6,
    global_pool: c.Pool = "token",
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "xcit",
) -> keras.Model:
    """Builds an XCiT (arXiv:2106.09681): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, one of `global_pool`'s kinds: (B, dim); None leaves the map of the patches.
        patch_size: pixels per position: 16 by four convolutions, 8 by three.
        depth: number of blocks of patches.
        depth_token_only: number of blocks of the class stage.
        act: activation of the feed-forward layers and between convolutions.
        pos_embed: whether positions are added.
        init_values: initial layer scale; the paper has 1 for 12 blocks, 1e-5 for 24.
        tokens_norm: whether the second norms of the class stage are for the patches too.
        norm_eps: epsilon of the layer norms; batch norms have 1e-5.
        global_pool: what the head sees: the class token, or a pooling of the patches; "map" is attention pooling.
        drop_path_rate: stochastic depth of every block of patches.

    Returns:
        A `keras.Model`; each block of patches ends in a map with a `Stage` of stride `patch_size`, which is its one
        pyramid level. Without a top and pooling it ends in the map of the patches after the class stage and the norm
        (B, H / p, W / p, dim).

    Example:
        >>> backbone = vitgraph.build_xcit((64, 96, 3), include_top=False, dim=32, depth=2)
        >>> backbone.output_shape
        (None, 4, 6, 32)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    t = Transformer(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, act=act, init_values=init_values,
        norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
    )  # fmt: skip
    steps = patch_size.bit_length() - 1
    c.require(dim >= 2 ** (steps - 1), "dim", f"at least {2 ** (steps - 1)} with patch_size={patch_size}")
    c.at_least(patch_size, border.shape)

    x = border.image
    for i in reversed(range(steps)):
        x = w.conv_norm(x, dim // 2**i, 3, 2, f"patch_embed_{steps - 1 - i}", padding=1)
        x = w.activation(x, act, f"patch_embed_{steps - 1 - i}_act") if i else x
    if pos_embed:
        positions = w.conv(blocks.FourierPositions(name="positions")(x), dim, 1, 1, "pos_embed")
        x = blocks.Residual(name="embed")(x, positions)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    for i in range(depth):
        x = _block(x, t, drop_path_rate, f"block_{i}")
        x = blocks.Stage(patch_size, name=f"block_{i}")(x)
    patches = x
    x = blocks.PrependTokens(name="cls_stage_token")(blocks.ToTokens(name="tokens")(x))
    for i in range(depth_token_only):
        x = _class_block(x, t, tokens_norm, f"cls_stage_{i}")
    return border.end_plain(x, patches, t, global_pool, drop_rate=drop_rate)


def _block(x, t, drop_path, name):
    """(B, H, W, C) -> (B, H, W, C)."""
    x = t.residual(x, _attention(t.norm(x, f"{name}_norm1"), t, f"{name}_attn"), drop_path, f"{name}_res1")
    y = _local(t.norm(x, f"{name}_norm3"), t.act, f"{name}_local")
    x = blocks.Residual(t.init_values, drop_path, name=f"{name}_res3")(x, y)
    return t.residual(x, t.mlp(t.norm(x, f"{name}_norm2"), f"{name}_mlp"), drop_path, f"{name}_res2")


def _attention(x, t, name):
    """Attention among the channels of each head: (B, H, W, C) -> (B, H, W, C)."""
    qkv = w.dense(x, 3 * t.dim, f"{name}_qkv", t.qkv_bias)
    channels = blocks.UnitChannels(t.num_heads, name=f"{name}_unit")(qkv)
    y = blocks.CrossCovarianceAttention(t.num_heads, drop=t.attn_drop_rate, name=name)(*channels)
    return w.dense(blocks.JoinChannels(name=f"{name}_join")(y, x), t.dim, f"{name}_proj")


def _local(x, act, name):
    """The interaction of neighbouring patches: (B, H, W, C) -> (B, H, W, C)."""
    x = w.activation(blocks.DepthwiseConv2D(3, name=f"{name}_conv1")(x), act, f"{name}_act")
    return blocks.DepthwiseConv2D(3, name=f"{name}_conv2")(w.batch_norm(x, f"{name}_norm"))


def _class_block(x, t, tokens_norm, name):
    """(B, 1 + N, C) -> (B, 1 + N, C)."""
    y = t.norm(x, f"{name}_norm1")
    token = w.dropout(class_attention(y, t, f"{name}_attn"), t.proj_drop_rate, f"{name}_attn_drop")
    y = layers.Concatenate(axis=1, name=f"{name}_attended")([token, blocks.DropPrefix(1, name=f"{name}_normed")(y)])
    x = blocks.Residual(t.init_values, name=f"{name}_res1")(x, y)
    x = t.norm(x, f"{name}_norm2") if tokens_norm else x
    token, patches = blocks.TakePrefix(name=f"{name}_token")(x), blocks.DropPrefix(1, name=f"{name}_patches")(x)
    token = token if tokens_norm else t.norm(token, f"{name}_norm2")
    token = t.residual(token, t.mlp(token, f"{name}_mlp"), 0.0, f"{name}_res2")
    return layers.Concatenate(axis=1, name=name)([token, layers.Rescaling(2.0, name=f"{name}_doubled")(patches)])
