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

Apart from the two ideas it differs from pit.py in three points: patches don't overlap, the class token has a position,
and there is the pointwise convolution. Input sizes, padding and stochastic depth are as in small_data_vit.py.
"""

import dataclasses
import functools

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.initializers import glorot_normal, initial_weights
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import SMALL_DATA
from vitgraph.wiring.pit_pooling import pool_tokens
from vitgraph.wiring.shifted_patches import embed, padded_grid, shifted_patch_tokenization, small_data_transformer
from vitgraph.wiring.transformer import pre_norm_block

_PLAIN = {"spt": False, "lsa": False}
_SIDE_64 = {"input_shape": (64, 64, 3), "img_size": (64, 64), "patch_size": 4}

VARIANTS = {  # the official models/create_model.py; a name ends in the side of the image
    "sl_pit_32": {},
    "sl_pit_64": {**_SIDE_64},
    "pit_32": {**_PLAIN},
    "pit_64": {**_PLAIN, **_SIDE_64},
}


@c.builder(initial=SMALL_DATA)
def build_small_data_pit(
    input_shape: c.Image = (32, 32, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.TokenPooling = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Kernel = 2,
    dims: c.PerStage[c.Width] = (96, 192, 384),
    depths: c.PerStage[c.Depth] = (2, 6, 4),
    num_heads: c.PerStage[c.Count] = (2, 4, 8),
    mlp_ratios: c.OneOrPerStage[c.Ratio] = 2.0,
    spt: bool = True,
    lsa: bool = True,
    head_dim: c.Width | None = None,
    qkv_bias: bool = False,
    attn_proj: c.OneOrPerStage[bool] = True,
    norm_eps: c.Epsilon = 1e-5,
    img_size: c.ImageSize = (32, 32),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "small_data_pit",
) -> keras.Model:
    """Builds a PiT for small datasets (arXiv:2112.13492): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        patch_size: side of a patch, in pixels.
        dims: width of each stage; with spt=False a multiple of the width of the stage before it.
        attn_proj: whether there is a projection after attention, for all stages or per stage; one head as wide as the
            stream needs none.
        drop_path_rate: stochastic depth of every block.

    Returns:
        A `keras.Model` with pyramid levels "P1" to "P3" (for patches of 2), the patch tokens at each stage's end; the
        last map is (B, ceil(H / 4 p), ceil(W / 4 p), dims[-1]).

    Example:
        >>> backbone = vitgraph.build_small_data_pit((32, 48, 3), include_top=False, depths=(1, 1, 1))
        >>> backbone.output_shape
        (None, 4, 6, 384)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    patch, grid = padded_grid(border, patch_size, spt, img_size, halvings=len(dims) - 1)
    multiples = all(wide % dim == 0 for dim, wide in zip(dims, dims[1:], strict=False))
    c.require(spt or multiples, "dims", "with spt=False, multiples of the width of the stage before")
    c.has_hidden(dims, mlp_ratios, "mlp_ratios")
    ratios, projections = c.entries(mlp_ratios), c.entries(attn_proj)
    transformers = [
        small_data_transformer(
            lsa, dim=dim, num_heads=heads, mlp_ratio=mlp_ratio, head_dim=head_dim, qkv_bias=qkv_bias, attn_proj=proj,
            norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
        )
        for dim, heads, mlp_ratio, proj in zip(dims, num_heads, ratios, projections, strict=True)
    ]  # fmt: skip

    x, patches = embed(border.image, patch, dims[0], grid, spt, norm_eps, pos_drop_rate)
    merge = functools.partial(_merge_shifted, norm_eps=norm_eps) if spt else _merge_convolved
    for i, t in enumerate(transformers):
        stage, at = f"stage_{i + 1}", f"stage_{i + 1}_pool_merge" if i else "patch_embed"
        if i > 0:
            x, patches = pool_tokens(x, patches, 1, t.dim, merge, f"{stage}_pool")
        for j in range(depths[i]):
            x = pre_norm_block(x, t, drop_path_rate, f"{stage}_block_{j}")
        x = blocks.Stage(patch_size * 2**i, 1, at, name=stage)(x)
    return border.end_with_token(w.layer_norm(x, norm_eps, "norm"), patches, drop_rate)


def _merge_shifted(x, dim, name, norm_eps):
    """(B, H, W, C) -> (B, H / 2, W / 2, dim)."""
    return shifted_patch_tokenization(x, 2, dim, f"{name}_merge", norm_eps)


def _merge_convolved(x, dim, name):
    """(B, H, W, C) -> (B, H / 2, W / 2, dim)."""
    channels = x.shape[-1]

    def glorot(fan_in, fan_out):  # PyTorch's fan out is that of all channels
        return glorot_normal(fan_in, fan_out * channels)

    with initial_weights(dataclasses.replace(SMALL_DATA, conv=glorot)):
        x = blocks.DepthwiseConv2D(3, 2, depth_multiplier=dim // channels, name=f"{name}_conv")(x)
    return w.conv(x, dim, 1, 1, f"{name}_merge")
