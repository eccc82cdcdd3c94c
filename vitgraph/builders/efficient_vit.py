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

import keras

from vitgraph.blocks import PositionTable, PrependTokens, Stage, ToMap, ToTokens
from vitgraph.contract import Check, begin, builder, finish, shape_of
from vitgraph.wiring.efficient_attention import nystrom_attention, performer_attention, residual_attention
from vitgraph.wiring.layers import ACTIVATIONS, drop_path_rates, dropout, head
from vitgraph.wiring.transformer import Transformer, patch_embed, patch_grid, pool

VARIANTS: dict = {}
"""Nothing is published: there is one such net for each attention."""


@builder(pools=("token", "avg", "max"))
def build_efficient_vit(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=16,
    dim=512,
    depth=12,
    num_heads=8,
    mlp_ratio=4.0,
    attention=nystrom_attention,
    class_token=True,
    dual_patch_norm=False,
    gated_mlp=False,
    act="gelu",
    norm_eps=1e-5,
    global_pool="token",
    pool_include_prefix=False,
    img_size=(224, 224),
    drop_rate=0.0,
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="efficient_vit",
):
    """Builds a ViT with any attention: image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels; what patches leave over at the bottom and the right is
            dropped. Or (None, None, channels): then the image is padded to whole patches and the position table
            resampled at run time.
        include_top: False ends the graph at the map of the last patch tokens (B, H / p, W / p, dim).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "token", "avg" or "max": (B, dim), what the head would see.
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, or (height, width), in pixels.
        dim, depth, num_heads, mlp_ratio: width, blocks, heads, widening of the feed-forward layers.
        attention: a function, or a class of Keras layers, which is called once a block with (dim, num_heads, name=...)
            and gives a layer: whatever makes tokens (B, N, dim) of tokens (B, N, dim). A layer that gives (tokens,
            more) is called with (tokens, more) in the next block. Here are `nystrom_attention`, `performer_attention`
            and `residual_attention`; a Keras layer of your own must be registered to be read back from a file.
        class_token: whether a class token is prepended.
        dual_patch_norm: norms before and after a linear patch embedding (arXiv:2302.01327).
        gated_mlp: the feed-forward layer is gated (GLU, arXiv:2002.05202); `mlp_ratio` counts both halves.
        act: "gelu" (exact), "gelu_tanh", "quick_gelu", "relu", "silu", ...
        norm_eps: epsilon of all norms.
        global_pool: what the head sees: "token", "avg" or "max".
        pool_include_prefix: pool over the class token too.
        img_size: the image size whose grid the position table has, where input_shape is open.
        drop_rate: dropout before the head.
        pos_drop_rate, proj_drop_rate: dropout after positions, of projections.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16).

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_efficient_vit")
    _check(check, dim, depth, num_heads, mlp_ratio, attention, class_token, act, global_pool)
    patch, grid = patch_grid(check, shape_of(input_shape, input_tensor), patch_size, img_size)
    t = Transformer(
        dim, num_heads, mlp_ratio, gated_mlp=gated_mlp, act=act, norm_eps=norm_eps, proj_drop=proj_drop_rate
    )
    prefix = int(class_token)

    inputs = begin(input_shape, input_tensor)
    patches = patch_embed(inputs, patch, dim, norm_eps=norm_eps if dual_patch_norm else None)
    x = ToTokens(name="tokens")(patches)
    if class_token:
        x = PrependTokens(name="cls_token")(x)
    x = PositionTable(grid, prefix, name="pos_embed")(x, patches)
    x = dropout(x, pos_drop_rate, "pos_drop")
    x = _blocks(x, t, attention, drop_path_rates(drop_path_rate, depth), patch, prefix, check)

    norm_after_pool = global_pool != "token"
    if not norm_after_pool:
        x = t.norm(x, "norm")
    if not include_top and pooling is None:
        return finish(inputs, ToMap(prefix, name="map")(x, patches), name)
    x = pool(x, pooling or global_pool, 0 if pool_include_prefix else prefix, t)
    if norm_after_pool:
        x = t.norm(x, "fc_norm")
    if include_top:
        x = head(x, num_classes, classifier_activation, drop_rate)
    return finish(inputs, x, name)


def _check(check, dim, depth, num_heads, mlp_ratio, attention, class_token, act, global_pool):
    check.positive(dim=dim, depth=depth, num_heads=num_heads)
    check.over_zero(mlp_ratio=mlp_ratio)
    check.that(callable(attention), "attention", attention, "a function (dim, num_heads, name) -> layer", TypeError)
    check.that(act in ACTIVATIONS, "act", act, ", ".join(ACTIVATIONS))
    check.that(global_pool in ("token", "avg", "max"), "global_pool", global_pool, "'token', 'avg', 'max'")
    check.that(class_token or global_pool != "token", "global_pool", global_pool, "'token' only with class_token=True")


def _blocks(x, t, attention, drop_paths, patch, prefix, check):
    """The stream of blocks, one for each rate in `drop_paths`: (B, prefix + N, C) -> (B, prefix + N, C)."""
    more: list = []
    for i, drop_path in enumerate(drop_paths):
        name = f"block_{i}"
        layer = attention(t.dim, t.num_heads, name=f"{name}_attn")
        check.that(callable(layer), "attention", attention, f"what gives layers; it gave {layer!r}", TypeError)
        y, *more = keras.tree.flatten(layer(t.norm(x, f"{name}_norm1"), *more))
        shape = getattr(y, "shape", None)
        check.that(shape == x.shape, "attention", attention, f"layers {x.shape} -> {x.shape}; it gave {shape}")
        x = t.residual(x, y, drop_path, f"{name}_res1")
        y = t.mlp(t.norm(x, f"{name}_norm2"), f"{name}_mlp")
        x = t.residual(x, y, drop_path, f"{name}_res2")
        x = Stage(patch, prefix, "patch_embed", name=name)(x)
    return x


__all__ = ["VARIANTS", "build_efficient_vit", "nystrom_attention", "performer_attention", "residual_attention"]
