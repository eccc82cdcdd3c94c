"""SPT and LSA: a ViT that learns from small datasets.

Paper: Lee et al., "Vision Transformer for Small-Size Datasets", arXiv:2112.13492.
Official code: github.com/aanna0701/SPT_LSA_ViT, models/vit.py and models/SPT.py.

    image (H, W, 3)
      the image and four copies, moved diagonally by p / 2    (H, W, 15)
      patches p x p, norm, linear                             (H/p, W/p, dim)
      tokens, class token, positions                          (B, 1 + N, dim)
      blocks 0 ... depth - 1                                  (B, 1 + N, dim)
      norm, class token, head

    block: x + attention(norm(x)); x + mlp(norm(x)).
    attention: softmax(s q k') v; s is learned, one number per head; no token attends to itself.

The first two lines are shifted patch tokenization (SPT), the last is locality self-attention (LSA); without both this
is the plain ViT that the paper starts from. The PiT of the paper is in small_data_pit.py.

Any input size, also an open one: the position table is resampled. Where patches don't divide the image, it is padded
with zeros at the bottom and the right; the official code refuses it. Stochastic depth has one rate for all blocks, as
in the official code. vit-pytorch moves the copies by one pixel along the axes, and has one temperature for all heads;
this is the official net.
"""

import keras

from vitgraph import contract as c
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import SMALL_DATA
from vitgraph.wiring.shifted_patches import embed, padded_grid, shifted_patch_tokenization, small_data_transformer
from vitgraph.wiring.transformer import pre_norm_block, transformer_blocks

_PLAIN = {"spt": False, "lsa": False}
_SIDE_64 = {"input_shape": (64, 64, 3), "img_size": (64, 64), "patch_size": 8}

VARIANTS = {  # the official models/create_model.py; a name ends in the side of the image
    "sl_vit_32": {},
    "sl_vit_64": {**_SIDE_64},
    "vit_32": {**_PLAIN},
    "vit_64": {**_PLAIN, **_SIDE_64},
}


@c.builder(initial=SMALL_DATA)
def build_small_data_vit(
    input_shape: c.Image = (32, 32, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.TokenPooling = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Size = 4,
    dim: c.Width = 192,
    depth: c.Depth = 9,
    num_heads: c.Count = 12,
    mlp_ratio: c.Ratio = 2.0,
    spt: bool = True,
    lsa: bool = True,
    head_dim: c.Width | None = None,
    qkv_bias: bool = False,
    attn_proj: bool = True,
    norm_eps: c.Epsilon = 1e-5,
    img_size: c.ImageSize = (32, 32),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "small_data_vit",
) -> keras.Model:
    """Builds a ViT for small datasets (arXiv:2112.13492): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        patch_size: side of a patch, or (height, width), in pixels; the image is padded with zeros to whole patches.
        attn_proj: whether there is a projection after attention; one head as wide as the stream needs none.
        drop_path_rate: stochastic depth of every block.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P2" for 4). The last map is
        (B, ceil(H / p), ceil(W / p), dim).

    Example:
        >>> backbone = vitgraph.build_small_data_vit((32, 48, 3), include_top=False, depth=1)
        >>> backbone.output_shape
        (None, 8, 12, 192)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    patch, grid = padded_grid(border, patch_size, spt, img_size)
    t = small_data_transformer(
        lsa, dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, head_dim=head_dim, qkv_bias=qkv_bias,
        attn_proj=attn_proj, norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
    )  # fmt: skip

    x, patches = embed(border.image, patch, dim, grid, spt, norm_eps, pos_drop_rate)
    x = transformer_blocks(x, t, pre_norm_block, [drop_path_rate] * depth, patch, 1)
    return border.end_with_token(t.norm(x, "norm"), patches, drop_rate)


__all__ = ["VARIANTS", "build_small_data_vit", "shifted_patch_tokenization"]
