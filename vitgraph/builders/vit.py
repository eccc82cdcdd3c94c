"""ViT, the Vision Transformer: an image is a sequence of patches.

Paper: Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv:2010.11929.
Official code: github.com/google-research/vision_transformer; the published variants are timm's `vit_*` and DeiT III.

    image (H, W, 3)
      patches: p x p / p convolution           (H/p, W/p, dim)
      tokens, class token, registers, positions (B, N, dim)
      blocks 0 ... depth - 1                    (B, N, dim)
      norm
      class token | mean | attention pooling    (B, dim)
      head

    block: x + attention(norm(x)); x + mlp(norm(x)).

The forms of the block that differ in more than numbers are functions of this file, to be given as `block`: the norm
after the branch (`res_post_norm_block`), several attentions and feed-forward layers side by side
(`parallel_things_block`, arXiv:2203.09795), attention and feed-forward layer side by side (`parallel_scaling_block`,
ViT-22B, arXiv:2302.05442).
"""

from vitgraph.blocks import PositionTable, PrependTokens, SinCosPosition, ToMap, ToTokens
from vitgraph.builders.vit_variants import ROWS
from vitgraph.contract import POOLS, Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import drop_path_rates, dropout, head
from vitgraph.wiring.transformer import (
    Transformer,
    blocks,
    check_block,
    parallel_scaling_block,
    parallel_things_block,
    patch_embed,
    patch_grid,
    pool,
    pre_norm_block,
    res_post_norm_block,
)

RESAMPLING: dict = {"timm": {}, "dino": {"antialias": False, "offset": 0.1}}
VARIANTS = {name: {**row, "block": globals()[row["block"]]} if "block" in row else row for name, row in ROWS.items()}


@builder(pools=POOLS)
def build_vit(
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
    class_token=True,
    reg_tokens=0,
    pos_embed="learn",
    pos_resampling="timm",
    no_embed_class=False,
    dual_patch_norm=False,
    pre_norm=False,
    block=pre_norm_block,
    head_dim=None,
    qkv_bias=True,
    proj_bias=True,
    mlp_bias=True,
    attn_proj=True,
    qk_norm=False,
    attn_norm=False,
    mlp_norm=False,
    gated_mlp=False,
    act="gelu",
    init_values=None,
    rms_norm=False,
    norm_eps=1e-6,
    final_norm=True,
    global_pool="token",
    fc_norm=None,
    pool_include_prefix=False,
    img_size=(224, 224),
    drop_rate=0.0,
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="vit",
):
    """Builds a ViT (arXiv:2010.11929): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels; what patches leave over at the bottom and the right is
            dropped, as in the official code. Or (None, None, channels): then the image is padded to whole patches and
            the position table resampled at run time, as timm's `dynamic_img_size` and `dynamic_img_pad` do.
        include_top: False ends the graph at the map of the last patch tokens (B, H / p, W / p, dim).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, one of `global_pool`'s kinds: (B, dim), what the head would see.
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, or (height, width), in pixels.
        dim, depth, num_heads, mlp_ratio: width, blocks, heads, widening of the feed-forward layers.
        class_token: whether a class token is prepended.
        reg_tokens: number of register tokens (arXiv:2309.16588), after the class token.
        pos_embed: "learn", "sincos" (SimpleViT's fixed one) or "none".
        pos_resampling: how the position table is made another size: "timm" smooths what shrinks; "dino" doesn't, and
            scales by 0.1 more, as the official code of DINO and DINOv2 does.
        no_embed_class: the position table has no rows for class token and registers.
        dual_patch_norm: norms before and after a linear patch embedding (arXiv:2302.01327).
        pre_norm: a norm before the first block, and no bias in the patch embedding (CLIP).
        block: a function (x, transformer, drop_path, name) -> x of this file, or one like them.
        head_dim: width of one head; None: dim / num_heads.
        qkv_bias, proj_bias, mlp_bias: whether the projections before and after attention, and those of the
            feed-forward layer, have biases.
        attn_proj: False leaves out the projection after attention (one head as wide as the stream needs none).
        qk_norm: norm of queries and keys, head by head.
        attn_norm, mlp_norm: a further norm before the last projection of attention, of the feed-forward layer.
        gated_mlp: the feed-forward layer is gated (SwiGLU with act="silu"); `mlp_ratio` counts both halves.
        act: "gelu" (exact), "gelu_tanh", "quick_gelu", "relu", "silu", ...
        init_values: initial layer scale; None: none.
        rms_norm: RMS norms instead of layer norms.
        norm_eps: epsilon of all norms.
        final_norm: whether there is a norm after the last block, or after pooling.
        global_pool: what the head sees: "token", "avg", "max", "avgmax", or "map" (attention pooling).
        fc_norm: put the final norm after pooling; None: for "avg", "max" and "avgmax".
        pool_include_prefix: pool over class and register tokens too.
        img_size: the image size whose grid the position table has, where input_shape is open.
        drop_rate: dropout before the head.
        pos_drop_rate, proj_drop_rate, attn_drop_rate: dropout after positions, of projections, of attention.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16).

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_vit")
    t = Transformer(
        dim, num_heads, mlp_ratio, qkv_bias, proj_bias, mlp_bias, attn_proj, head_dim, qk_norm, attn_norm, mlp_norm,
        gated_mlp, act, init_values, norm_eps, rms_norm, attn_drop_rate, proj_drop_rate,
    )  # fmt: skip
    t.check(check)
    check.positive(depth=depth)
    check.that(pos_embed in ("learn", "sincos", "none"), "pos_embed", pos_embed, "'learn', 'sincos', 'none'")
    check.that(pos_embed != "sincos" or dim % 4 == 0, "dim", dim, "a multiple of 4 with pos_embed='sincos'")
    check.that(pos_resampling in RESAMPLING, "pos_resampling", pos_resampling, ", ".join(RESAMPLING))
    check.that(global_pool in POOLS, "global_pool", global_pool, ", ".join(POOLS))
    check.that(class_token or global_pool != "token", "global_pool", global_pool, "'token' only with class_token=True")
    check_block(check, block)
    check.that(isinstance(reg_tokens, int) and reg_tokens >= 0, "reg_tokens", reg_tokens, "0 or more")
    patch, grid = patch_grid(check, shape_of(input_shape, input_tensor), patch_size, img_size)
    prefix = int(class_token) + reg_tokens

    inputs = begin(input_shape, input_tensor)
    patches = patch_embed(inputs, patch, dim, not pre_norm, norm_eps if dual_patch_norm else None)
    x = ToTokens(name="tokens")(patches)
    if pos_embed == "sincos":
        x = SinCosPosition(name="pos_embed")(x, patches)
    elif pos_embed == "learn" and no_embed_class:
        x = PositionTable(grid, **RESAMPLING[pos_resampling], name="pos_embed")(x, patches)
    if reg_tokens:
        x = PrependTokens(reg_tokens, name="reg_token")(x)
    if class_token:
        x = PrependTokens(name="cls_token")(x)
    if pos_embed == "learn" and not no_embed_class:
        x = PositionTable(grid, prefix, **RESAMPLING[pos_resampling], name="pos_embed")(x, patches)
    x = dropout(x, pos_drop_rate, "pos_drop")
    if pre_norm:
        x = t.norm(x, "norm_pre")
    x = blocks(x, t, block, drop_path_rates(drop_path_rate, depth), patch, prefix)

    norm_after_pool = global_pool in ("avg", "max", "avgmax") if fc_norm is None else fc_norm
    if final_norm and not norm_after_pool:
        x = t.norm(x, "norm")
    if not include_top and pooling is None:
        return finish(inputs, ToMap(prefix, name="map")(x, patches), name)
    x = pool(x, pooling or global_pool, 0 if pool_include_prefix else prefix, t)
    if final_norm and norm_after_pool:
        x = t.norm(x, "fc_norm")
    if include_top:
        x = head(x, num_classes, classifier_activation, drop_rate)
    return finish(inputs, x, name)


__all__ = [
    "VARIANTS",
    "build_vit",
    "parallel_scaling_block",
    "parallel_things_block",
    "pre_norm_block",
    "res_post_norm_block",
]
