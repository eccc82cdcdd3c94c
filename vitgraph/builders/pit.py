"""PiT, the Pooling-based Vision Transformer: a ViT whose map of patches shrinks from stage to stage.

Paper: Heo et al., "Rethinking Spatial Dimensions of Vision Transformers", arXiv:2103.16302.
Official code: github.com/naver-ai/pit, pit.py; checkpoints there and in timm.

    image (H, W, 3)
      16x16/8 convolution without padding, positions   (h, w, dims[0]), h = (H - 16) // 8 + 1
      class token [, distillation token]
      stage 1   blocks                                 (B, 1 + h w, dims[0])
      stage 2   pooling, blocks                        (B, 1 + h/2 w/2, dims[1])
      stage 3   likewise                               (B, 1 + h/4 w/4, dims[2])
      norm of the class token, head

    block: x + attention(norm(x)); x + mlp(norm(x)).
    pooling: patches by a depthwise 3x3/2 convolution with dims[i + 1] / dims[i] outputs a channel, class tokens by a
             linear layer.

Any input size: timm's and the official net have one; on another grid the position table is resampled here, as ViT's is.
vit-pytorch's PiT has positions for the class token and a pointwise convolution in its pooling; the official is built.
"""

from vitgraph.blocks import DepthwiseConv2D, PositionTable, PrependTokens, Stage, TakePrefix, TakeToken, ToMap, ToTokens
from vitgraph.blocks.base import is_static, pair
from vitgraph.contract import Check, begin, builder, finish, shape_of
from vitgraph.wiring.distillation_token import mean_token, two_heads
from vitgraph.wiring.layers import conv, drop_path_rates, dropout, head, layer_norm, map_pool
from vitgraph.wiring.pit_pooling import pool
from vitgraph.wiring.transformer import Transformer, pre_norm_block

_TI = {"dims": (64, 128, 256), "num_heads": (2, 4, 8)}
_XS = {"dims": (96, 192, 384), "num_heads": (2, 4, 8)}
_B = {"dims": (256, 512, 1024), "depths": (3, 6, 4), "num_heads": (4, 8, 16), "patch_size": 14, "stride": 7}

VARIANTS = {  # table 1 of the paper
    "pit_ti_224": {**_TI},
    "pit_xs_224": {**_XS},
    "pit_s_224": {},
    "pit_b_224": {**_B},
    "pit_ti_distilled_224": {**_TI, "distilled": True},
    "pit_xs_distilled_224": {**_XS, "distilled": True},
    "pit_s_distilled_224": {"distilled": True},
    "pit_b_distilled_224": {**_B, "distilled": True},
}


@builder(pools=("token", "avg", "max"), uneven=True)
def build_pit(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=16,
    stride=8,
    dims=(144, 288, 576),
    depths=(2, 6, 4),
    num_heads=(3, 6, 12),
    mlp_ratios=(4, 4, 4),
    distilled=False,
    head_dim=None,
    qkv_bias=True,
    img_size=(224, 224),
    norm_eps=1e-6,
    drop_rate=0.0,
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="pit",
):
    """Builds a PiT (arXiv:2103.16302): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels); height and width in pixels, or both None: then the position table is
            resampled at run time. What patches leave over at the bottom and the right is dropped.
        include_top: False ends the graph at the map of the last patch tokens, (B, 7, 7, dims[-1]) at 224 pixels.
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map, or "token", the normed class token, with
            `distilled` the mean of both tokens: (B, dims[-1]).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size, stride: side of a patch, and distance from one to the next, in pixels.
        dims, depths, num_heads, mlp_ratios: width, blocks, heads and widening of the feed-forward layer, one a stage;
            each width is a multiple of the one before.
        distilled: a second token with a head of its own; the scores are the mean of the two. For training with a
            teacher (DeiT, arXiv:2012.12877) the logits of either are the output of the layer "head" or "head_dist".
        head_dim: width of one head; None: the stage's width divided by its heads.
        qkv_bias: whether the projection to queries, keys and values has a bias.
        img_size: the image size whose grid the position table has, where input_shape is open.
        norm_eps: epsilon of all norms.
        drop_rate: dropout before the head.
        pos_drop_rate, proj_drop_rate, attn_drop_rate: dropout after positions, of projections, of attention.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model` with pyramid levels "P3" to "P5" (for stride 8), the patch tokens at each stage's end.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_pit")
    check.per_stage(dims=dims, depths=depths, num_heads=num_heads)
    check.same_length(dims=dims, mlp_ratios=mlp_ratios)
    check.over_zero(mlp_ratios=mlp_ratios)
    check.positive(patch_size=patch_size, stride=stride)
    multiples = all(wide % dim == 0 for dim, wide in zip(dims, dims[1:], strict=False))
    check.that(multiples, "dims", dims, "widths that are multiples of the one before")
    if head_dim is None:
        check.heads_divide(dims, num_heads)
    else:
        check.positive(head_dim=head_dim)
    shape = shape_of(input_shape, input_tensor)
    check.sides(img_size=img_size)
    check.smallest(patch_size, input_shape=shape, img_size=pair(img_size))
    planned = shape[:2] if is_static(*shape[:2]) else pair(img_size)
    grid = [(n - patch_size) // stride + 1 for n in planned]
    prefix = 2 if distilled else 1

    inputs = begin(input_shape, input_tensor)
    patches = conv(inputs, dims[0], patch_size, stride, "patch_embed")
    x = PositionTable(grid, name="pos_embed")(ToTokens(name="tokens")(patches), patches)
    x = PrependTokens(prefix, name="cls_token")(dropout(x, pos_drop_rate, "pos_drop"))
    rates = iter(drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage = f"stage_{i + 1}"
        if i > 0:
            x, patches = pool(x, patches, prefix, dims[i], _halve, f"{stage}_pool")
        t = Transformer(
            dims[i], num_heads[i], mlp_ratios[i], qkv_bias, head_dim=head_dim, norm_eps=norm_eps,
            attn_drop=attn_drop_rate, proj_drop=proj_drop_rate,
        )  # fmt: skip
        for j in range(depth):
            x = pre_norm_block(x, t, next(rates), f"{stage}_block_{j}")
        at = f"{stage}_pool_conv" if i > 0 else "patch_embed"
        x = Stage(stride * 2**i, prefix, at, name=stage)(x)

    if include_top or pooling == "token":
        x = layer_norm(TakePrefix(prefix, name="cls_tokens")(x), norm_eps, "fc_norm")
        x = _token_top(x, include_top, distilled, num_classes, classifier_activation, drop_rate)
    else:
        x = map_pool(ToMap(prefix, name="map")(x, patches), pooling)
    return finish(inputs, x, name)


def _halve(x, dim, name):
    return DepthwiseConv2D(3, 2, depth_multiplier=dim // x.shape[-1], name=f"{name}_conv")(x)


def _token_top(x, include_top, distilled, *top):
    """Class tokens (B, 1 or 2, C) -> their mean (B, C), or class scores; two tokens have a head each."""
    if distilled:
        return two_heads(x, *top) if include_top else mean_token(x)
    x = TakeToken(name="pool")(x)
    return head(x, *top) if include_top else x
