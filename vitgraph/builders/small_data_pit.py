"""SPT and LSA in PiT: shifted patches between the stages too.

Paper: Lee et al., "Vision Transformer for Small-Size Datasets", arXiv:2112.13492.
Official code: github.com/aanna0701/SPT_LSA_ViT, models/pit.py.

    image (H, W, 3)
      shifted patch tokenization                              (h, w, dims[0]), h = H / p
      tokens, class token, positions                          (B, 1 + h w, dims[0])
      stage 1   blocks                                        (B, 1 + h w, dims[0])
      stage 2   merging, blocks                               (B, 1 + h/2 w/2, dims[1])
      stage 3   likewise                                      (B, 1 + h/4 w/4, dims[2])
      norm, class token, head

    block: as in small_data_vit.py, where the first lines come from.
    merging: 2 x 2 patches by shifted patch tokenization, the class token by a linear layer; without SPT, patches by a
             depthwise 3x3/2 and a pointwise convolution.

Apart from the two ideas it differs from pit.py in that patches don't overlap, that the class token has a position, and
in the pointwise convolution. What is said of paddings and stochastic depth in small_data_vit.py holds here.
"""

import functools

from vitgraph.blocks import DepthwiseConv2D, Stage
from vitgraph.builders.small_data_vit import PLAIN, SIDE_64
from vitgraph.contract import Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import conv, layer_norm, token_top
from vitgraph.wiring.pit_pooling import pool
from vitgraph.wiring.shifted_patches import check_patches, embed, shifted_patch_tokenization, transformer
from vitgraph.wiring.transformer import pre_norm_block

VARIANTS = {  # the official models/create_model.py; a name ends in the side of the image
    "sl_pit_32": {},
    "sl_pit_64": {**SIDE_64, "patch_size": 4},
    "pit_32": {**PLAIN},
    "pit_64": {**PLAIN, **SIDE_64, "patch_size": 4},
}


@builder(pools=("token", "avg", "max"), per_stage=("attn_proj",))
def build_small_data_pit(
    input_shape=(32, 32, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=2,
    dims=(96, 192, 384),
    depths=(2, 6, 4),
    num_heads=(2, 4, 8),
    mlp_ratio=2.0,
    spt=True,
    lsa=True,
    head_dim=None,
    qkv_bias=False,
    attn_proj=True,
    norm_eps=1e-5,
    img_size=(32, 32),
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="small_data_pit",
):
    """Builds a PiT for small datasets (arXiv:2112.13492): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels; or (None, None, channels): then the position table is
            resampled at run time.
        include_top: False ends the graph at the normed map of the last patch tokens, (B, 4, 4, dims[-1]) at 32 pixels.
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map, or "token", the class token: (B, dims[-1]).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, in pixels.
        dims, depths, num_heads: width, blocks and heads, one a stage; with spt=False each width is a multiple of the
            one before.
        mlp_ratio: widening of the feed-forward layers.
        spt: shifted patch tokenization; False: patches and mergings by convolutions.
        lsa: locality self-attention; False: plain self-attention.
        head_dim: width of one head; None: the stage's width divided by its heads.
        qkv_bias: whether the projection to queries, keys and values has a bias.
        attn_proj: False leaves out the projection after attention (one head as wide as the stream needs none); one
            value for all stages, or one a stage.
        norm_eps: epsilon of all norms.
        img_size: the image size whose grid the position table has, where input_shape is open.
        pos_drop_rate, proj_drop_rate: dropout after positions, of projections.
        drop_path_rate: stochastic depth of every block.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model` with pyramid levels "P1" to "P3" (for patches of 2), the patch tokens at each stage's end.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_small_data_pit")
    check.positive(patch_size=patch_size)
    check.per_stage(dims=dims, depths=depths, num_heads=num_heads)
    multiples = all(wide % dim == 0 for dim, wide in zip(dims, dims[1:], strict=False))
    check.that(spt or multiples, "dims", dims, "widths that are multiples of the one before, with spt=False")
    check.over_zero(mlp_ratio=mlp_ratio)
    if head_dim is None:
        check.heads_divide(dims, num_heads)
    else:
        check.positive(head_dim=head_dim)
    attn_proj = check.spread(len(dims), attn_proj=attn_proj)["attn_proj"]
    patch, grid = check_patches(check, shape_of(input_shape, input_tensor), patch_size, spt, img_size, len(dims))

    inputs = begin(input_shape, input_tensor)
    x, patches = embed(inputs, patch, dims[0], grid, spt, norm_eps, pos_drop_rate)
    merge = functools.partial(_merge_shifted, norm_eps=norm_eps) if spt else _merge_convolved
    for i, depth in enumerate(depths):
        stage, at = f"stage_{i + 1}", "patch_embed"
        if i > 0:
            x, patches = pool(x, patches, 1, dims[i], merge, f"{stage}_pool")
            at = f"{stage}_pool_merge"
        t = transformer(lsa)(
            dims[i], num_heads[i], mlp_ratio, qkv_bias, attn_proj=attn_proj[i], head_dim=head_dim, norm_eps=norm_eps,
            proj_drop=proj_drop_rate,
        )  # fmt: skip
        for j in range(depth):
            x = pre_norm_block(x, t, drop_path_rate, f"{stage}_block_{j}")
        x = Stage(patch_size * 2**i, 1, at, name=stage)(x)
    x = token_top(
        layer_norm(x, norm_eps, "norm"),
        patches,
        include_top=include_top,
        pooling=pooling,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        drop_rate=0.0,
    )
    return finish(inputs, x, name)


def _merge_shifted(x, dim, name, norm_eps):
    """(B, H, W, C) -> (B, H / 2, W / 2, dim)."""
    return shifted_patch_tokenization(x, 2, dim, f"{name}_merge", norm_eps)


def _merge_convolved(x, dim, name):
    """(B, H, W, C) -> (B, H / 2, W / 2, dim)."""
    x = DepthwiseConv2D(3, 2, depth_multiplier=dim // x.shape[-1], name=f"{name}_conv")(x)
    return conv(x, dim, 1, 1, f"{name}_merge")
