"""DeiT: a ViT that learns from a teacher through a token of its own.

Paper: Touvron et al., "Training data-efficient image transformers & distillation through attention", arXiv:2012.12877.
Official code: github.com/facebookresearch/deit, models.py; checkpoints there and in timm.

    image (H, W, 3)
      patches: p x p / p convolution              (H/p, W/p, dim)
      class token, distillation token, patches    (B, 2 + N, dim)
      positions
      blocks 0 ... depth - 1                       (B, 2 + N, dim)
      norm
      class token        distillation token        (B, dim) each
      head               head_dist                 (B, num_classes) each
      the mean of both

    block: ViT's.

Training takes the logits of both heads, from the nodes `head` and `head_dist`. The paper adds the two heads' softmax
scores; the official code averages their logits, as is done here. Without distillation the net is a ViT, node for node.
So is DeiT III (arXiv:2204.07118), whose variants `deit3_*` are rows of `build_vit`.
"""

from vitgraph.blocks import PositionTable, PrependTokens, ToMap, ToTokens
from vitgraph.contract import POOLS, Check, begin, builder, finish, shape_of
from vitgraph.wiring.distillation_token import mean_token, two_heads
from vitgraph.wiring.layers import drop_path_rates, dropout, head
from vitgraph.wiring.transformer import Transformer, blocks, check_block, patch_embed, patch_grid, pool, pre_norm_block

_TINY = {"dim": 192, "num_heads": 3}
_SMALL = {"dim": 384, "num_heads": 6}
_PLAIN = {"distilled": False}
_384 = {"input_shape": (384, 384, 3), "img_size": (384, 384)}

VARIANTS = {  # table 1 of the paper; base also fine-tuned at 384 pixels
    "deit_tiny_patch16_224": {**_TINY, **_PLAIN},
    "deit_small_patch16_224": {**_SMALL, **_PLAIN},
    "deit_base_patch16_224": {**_PLAIN},
    "deit_base_patch16_384": {**_PLAIN, **_384},
    "deit_tiny_distilled_patch16_224": {**_TINY},
    "deit_small_distilled_patch16_224": {**_SMALL},
    "deit_base_distilled_patch16_224": {},
    "deit_base_distilled_patch16_384": {**_384},
}


@builder(pools=POOLS)
def build_deit(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=16,
    dim=768,
    depth=12,
    num_heads=12,
    mlp_ratio=4.0,
    distilled=True,
    pre_norm=False,
    block=pre_norm_block,
    head_dim=None,
    qk_scale=None,
    qkv_bias=True,
    proj_bias=True,
    mlp_bias=True,
    qk_norm=False,
    attn_norm=False,
    mlp_norm=False,
    gated_mlp=False,
    act="gelu",
    init_values=None,
    rms_norm=False,
    norm_eps=1e-6,
    final_norm=True,
    img_size=(224, 224),
    drop_rate=0.0,
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="deit",
):
    """Builds a DeiT (arXiv:2012.12877): image (B, H, W, C) -> scores (B, num_classes), the mean of both heads'.

    Args:
        input_shape: (height, width, channels), in pixels; what patches leave over at the bottom and the right is
            dropped. Or (None, None, channels): then the image is padded to whole patches and the position table
            resampled at run time.
        include_top: False ends the graph at the map of the last patch tokens (B, H / p, W / p, dim).
        num_classes: number of class scores, of each head.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, (B, dim): "token" (the mean of class and distillation token), or "avg", "max",
            "avgmax", "map" over the patches.
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, or (height, width), in pixels.
        dim, depth, num_heads, mlp_ratio: width, blocks, heads, widening of the feed-forward layers.
        distilled: whether there is a distillation token, and a head for it.
        pre_norm: a norm before the first block, and no bias in the patch embedding.
        block: a function (x, transformer, drop_path, name) -> x such as `vit.pre_norm_block`.
        head_dim: width of one head; None: dim / num_heads.
        qk_scale: factor of the products of queries and keys; None: head_dim ** -0.5.
        qkv_bias, proj_bias, mlp_bias: whether the projections before and after attention, and those of the
            feed-forward layer, have biases.
        qk_norm: norm of queries and keys, head by head.
        attn_norm, mlp_norm: a further norm before the last projection of attention, of the feed-forward layer.
        gated_mlp: the feed-forward layer is gated; `mlp_ratio` counts both halves.
        act: "gelu" (exact), "gelu_tanh", "quick_gelu", "relu", "silu", ...
        init_values: initial layer scale; None: none.
        rms_norm: RMS norms instead of layer norms.
        norm_eps: epsilon of all norms.
        final_norm: whether there is a norm after the last block.
        img_size: the image size whose grid the position table has, where input_shape is open.
        drop_rate: dropout before each head.
        pos_drop_rate, proj_drop_rate, attn_drop_rate: dropout after positions, of projections, of attention.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16). The tokens that the heads
        see are the nodes `pool` and `pool_dist`.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_deit")
    t = Transformer(
        dim, num_heads, mlp_ratio, qkv_bias, proj_bias, mlp_bias, True, head_dim, qk_norm, attn_norm, mlp_norm,
        gated_mlp, act, init_values, norm_eps, rms_norm, attn_drop_rate, proj_drop_rate, qk_scale,
    )  # fmt: skip
    t.check(check)
    check.positive(depth=depth)
    check_block(check, block)
    patch, grid = patch_grid(check, shape_of(input_shape, input_tensor), patch_size, img_size)
    prefix = 1 + int(distilled)

    inputs = begin(input_shape, input_tensor)
    patches = patch_embed(inputs, patch, dim, not pre_norm)
    x = ToTokens(name="tokens")(patches)
    if distilled:
        x = PrependTokens(name="dist_token")(x)
    x = PrependTokens(name="cls_token")(x)
    x = PositionTable(grid, prefix, name="pos_embed")(x, patches)
    x = dropout(x, pos_drop_rate, "pos_drop")
    if pre_norm:
        x = t.norm(x, "norm_pre")
    x = blocks(x, t, block, drop_path_rates(drop_path_rate, depth), patch, prefix)
    if final_norm:
        x = t.norm(x, "norm")

    if not include_top and pooling is None:
        x = ToMap(prefix, name="map")(x, patches)
    elif not include_top:
        x = mean_token(x) if distilled and pooling == "token" else pool(x, pooling, prefix, t)
    elif distilled:
        x = two_heads(x, num_classes, classifier_activation, drop_rate)
    else:
        x = head(pool(x, "token", prefix, t), num_classes, classifier_activation, drop_rate)
    return finish(inputs, x, name)
