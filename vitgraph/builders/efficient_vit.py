"""ViT with any attention: the layer between the tokens is given by whoever builds it.

Paper: Xiong et al., "Nystroemformer", arXiv:2102.03902, whose attention is the one that is built unless told otherwise.
Other code: vit-pytorch's `efficient.ViT` with nystrom-attention's `Nystromformer` or x-transformers' `Encoder`.

    image (H, W, 3)
      patches: p x p / p convolution           (H/p, W/p, dim)
      tokens, class token, positions            (B, N, dim)
      blocks 0 ... depth - 1                    (B, N, dim)
      norm
      class token | mean                        (B, dim)
      head

    block: x + attention(norm(x)); x + mlp(norm(x)).

vit-pytorch takes a whole encoder; here the encoder is the graph's own, so that its blocks are stages, and only
attention is given. A pseudo-inverse starts from each matrix's own norm, as in the paper's later code, where
nystrom-attention takes the whole batch's (`pinv_shared=True`). x-transformers' norms and projections have no biases;
here they have.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.efficient_attention import nystrom_attention, performer_attention, residual_attention
from vitgraph.wiring.initial_weights import VIT_PYTORCH
from vitgraph.wiring.transformer import Transformer, norm_place, patch_embed, patch_grid

VARIANTS: dict = {}
"""Nothing is published: there is one such net for each attention."""

_ATTENTION = "a function (dim, num_heads, name) -> layer"
Attention = Annotated[Callable[..., Any], c.Rule(_ATTENTION, callable)]


@c.builder(initial=VIT_PYTORCH)
def build_efficient_vit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.TokenPooling = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Size = 16,
    dim: c.Width = 512,
    depth: c.Depth = 12,
    num_heads: c.Count = 8,
    mlp_ratio: c.Ratio = 4.0,
    attention: Attention = nystrom_attention,
    class_token: bool = True,
    dual_patch_norm: bool = False,
    gated_mlp: bool = False,
    act: c.Act = "gelu",
    norm_eps: c.Epsilon = 1e-5,
    global_pool: Literal["token", "avg", "max"] = "token",
    pool_include_prefix: bool = False,
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "efficient_vit",
) -> keras.Model:
    """Builds a ViT with any attention: image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, one of `global_pool`'s kinds: (B, dim); None leaves the map of the patches.
        attention: a function, or a class of Keras layers, which is called once per block with (dim, num_heads,
            name=...) and gives a layer: whatever makes tokens (B, N, dim) of tokens (B, N, dim). A layer that gives
            (tokens, more) is called with (tokens, more) in the next block. This file has `nystrom_attention`,
            `performer_attention` and `residual_attention`; a Keras layer of your own must be registered to be read
            back from a file.
        class_token: whether a class token is prepended.
        global_pool: what the head sees: the class token, or a pooling of the patches.
        pool_include_prefix: whether pooling sees the class token too.
        proj_drop_rate: dropout after attention and within and after feed-forward layers.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16). Without a top it ends in the
        map of the last patch tokens (B, H / p, W / p, dim), normed unless the norm comes after pooling.

    Example:
        >>> from vitgraph.builders.efficient_vit import performer_attention
        >>> performer = vitgraph.build_efficient_vit((64, 64, 3), dim=32, depth=2, attention=performer_attention)
        >>> performer.get_layer("block_1_attn").features
        5
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    t = Transformer(  # its own attention isn't used, so its number of heads doesn't matter
        dim=dim, num_heads=1, mlp_ratio=mlp_ratio, gated_mlp=gated_mlp, act=act, norm_eps=norm_eps,
        proj_drop_rate=proj_drop_rate,
    )  # fmt: skip
    patch, grid = patch_grid(border, patch_size, img_size)
    prefix = int(class_token)

    patches = patch_embed(border.image, patch, dim, norm_eps=norm_eps if dual_patch_norm else None)
    x = blocks.ToTokens(name="tokens")(patches)
    x = blocks.PrependTokens(name="cls_token")(x) if class_token else x
    x = blocks.PositionTable(grid, prefix, name="pos_embed")(x, patches)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    more: list = []
    for i, drop_path in enumerate(w.drop_path_rates(drop_path_rate, depth)):
        block = f"block_{i}"
        y, *more = _attended(t.norm(x, f"{block}_norm1"), more, attention, num_heads, f"{block}_attn")
        x = t.residual(x, y, drop_path, f"{block}_res1")
        y = t.mlp(t.norm(x, f"{block}_norm2"), f"{block}_mlp")
        x = t.residual(x, y, drop_path, f"{block}_res2")
        x = blocks.Stage(patch, prefix, "patch_embed", name=block)(x)
    return border.end_plain(
        x, patches, t, global_pool, prefix, norm=norm_place(None, global_pool), pool_prefix=pool_include_prefix,
        drop_rate=drop_rate,
    )  # fmt: skip


def _attended(x, more, attention, num_heads, name):
    """What the given attention makes of tokens (B, N, C) and of `more` from the block before: [tokens, *more]."""
    with c.calling("attention", _ATTENTION):
        layer = attention(x.shape[-1], num_heads, name=name)
        c.require(callable(layer), "attention", f"what gives layers; it gave {c.shown(layer)}", error=TypeError)
        outputs = keras.tree.flatten(layer(x, *more)) or [None]
        shape = getattr(outputs[0], "shape", None)
        c.require(shape == x.shape, "attention", f"layers {x.shape} -> {x.shape}; it gave {shape}")
    return outputs


__all__ = ["VARIANTS", "build_efficient_vit", "nystrom_attention", "performer_attention", "residual_attention"]
