"""LocalViT: a ViT whose feed-forward layers look at each patch's neighbours.

Paper: Li et al., "LocalViT: Bringing Locality to Vision Transformers", arXiv:2104.05707.
Official code: github.com/ofsoundof/LocalViT, models/localvit.py; checkpoints there.

    image (H, W, 3)
      patches: p x p / p convolution           (H/p, W/p, dim)
      tokens, class token, positions           (B, 1 + N, dim)
      blocks 0 ... depth - 1                   (B, 1 + N, dim)
      norm, class token, head

    block: x + attention(norm(x)); x + locality(x), which passes by the class token (see `locality.py`).

No patch that the last feed-forward layer changes is seen by the class token, so that layer never learns, as in the
official code. Without a class token, which the official code always has, the stream is maps and the scores come from
the mean of the last one. Any input size, also one that is not known: the position table is resampled bicubically.
"""

from vitgraph.blocks import PositionTable, PrependTokens, Stage, ToTokens
from vitgraph.blocks.base import pair
from vitgraph.contract import Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import conv, drop_path_rates, dropout, planned_size, token_top
from vitgraph.wiring.locality_feed_forward import Locality
from vitgraph.wiring.transformer import Transformer

VARIANTS = {  # the official code's names: "mlp" is the widening, "act3" h-swish and squeeze-excitation, "act1" ReLU6
    "localvit_tiny_mlp4_act3_r192": {},
    "localvit_tiny_mlp4_act3_r4": {"reduction": 4},
    "localvit_small_mlp4_act3_r384": {"dim": 384, "num_heads": 8},
    "localvit_tiny_mlp6_act1": {"mlp_ratio": 6, "act": "relu6", "channel_attention": None},
}


@builder(pools=("token", "avg", "max"))
def build_localvit(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=16,
    dim=192,
    depth=12,
    num_heads=4,
    mlp_ratio=4.0,
    act="hard_silu",
    channel_attention="se",
    reduction=None,
    depthwise="middle",
    class_token=True,
    qkv_bias=True,
    qk_scale=None,
    norm_eps=1e-6,
    img_size=None,
    drop_rate=0.0,
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="localvit",
):
    """Builds a LocalViT (arXiv:2104.05707): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels, height and width at least one patch or both None; what
            patches leave over at the bottom and the right is dropped.
        include_top: False ends the graph at the normed map of the patches (B, H / p, W / p, dim).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "token" for the class token, "avg" or "max" over the map: (B, dim).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, or (height, width), in pixels.
        dim, depth, num_heads, mlp_ratio: width, blocks, heads, widening of the feed-forward layers.
        act: the feed-forward layers' activation: "hard_silu" (h-swish), "relu6", "gelu", ...
        channel_attention: their gate: "se" (squeeze-excitation), "eca" (a convolution over channels, its gate a
            sigmoid), "ecah" (a hard sigmoid), or None.
        reduction: "se" squeezes the widened channels so many times; None: `dim` times.
        depthwise: place of the depthwise convolution: "middle" (of the two linear layers), "first", or "none".
        class_token: whether there is a class token, from which the scores come; else from the map's mean.
        qkv_bias: whether the projection to queries, keys and values has a bias.
        qk_scale: factor of the products of queries and keys; None: (width of a head) ** -0.5.
        norm_eps: epsilon of the layer norms; that of the batch norms is 1e-5.
        img_size: the image size whose grid the position table has; None: the input's, or 224 x 224 where that is open.
        drop_rate: dropout before the head.
        pos_drop_rate, proj_drop_rate, attn_drop_rate: dropout after positions, of attention's projection, of attention.
        drop_path_rate: stochastic depth of the last block's attention; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16).

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_localvit")
    t = Transformer(
        dim, num_heads, mlp_ratio, qkv_bias, norm_eps=norm_eps, attn_drop=attn_drop_rate, proj_drop=proj_drop_rate,
        qk_scale=qk_scale,
    )  # fmt: skip
    t.check(check)
    check.positive(depth=depth)
    check.sides(patch_size=patch_size)
    patch = pair(patch_size)
    check.smallest(max(patch), input_shape=shape_of(input_shape, input_tensor))
    if img_size is not None:
        check.sides(img_size=img_size)
        check.smallest(max(patch), img_size=pair(img_size))
    locality = Locality(act, channel_attention, reduction, depthwise)
    locality.check(check, dim, int(dim * mlp_ratio))

    inputs = begin(input_shape, input_tensor)
    x = grid = conv(inputs, dim, patch, patch, "patch_embed")
    if class_token:
        x = PrependTokens(name="cls_token")(ToTokens(name="tokens")(x))
    table = [n // p for n, p in zip(planned_size(inputs, img_size), patch, strict=True)]
    x = PositionTable(table, int(class_token), antialias=False, name="pos_embed")(x, grid)
    x = dropout(x, pos_drop_rate, "pos_drop")

    for i, drop_path in enumerate(drop_path_rates(drop_path_rate, depth)):
        block = f"block_{i}"
        y = t.attention(t.norm(x, f"{block}_norm1"), f"{block}_attn")
        x = t.residual(x, y, drop_path, f"{block}_res1")
        x = locality(x, grid, t.hidden, block)
        x = Stage(patch, int(class_token), "patch_embed" if class_token else None, name=block)(x)

    x = token_top(
        t.norm(x, "norm"),
        grid,
        include_top=include_top,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        pooling=pooling,
        drop_rate=drop_rate,
    )
    return finish(inputs, x, name)
