"""ViT-Lite and CVT, the Compact Vision Transformer: a ViT for small images, with a class token or without.

Paper: Hassani et al., "Escaping the Big Data Paradigm with Compact Transformers", arXiv:2104.05704.
Official code: github.com/SHI-Labs/Compact-Transformers, src/vit.py and src/cvt.py.

    image (H, W, 3)
      patches: p x p / p convolution                        (H/p, W/p, dim)
      tokens, class token, positions                        (B, N, dim)
      blocks 0 ... depth - 1                                (B, N, dim)
      norm
      ViT-Lite: class token | CVT: sequence pooling         (B, dim)
      head

    block: x = norm1(x + attention(pre_norm(x))); x + mlp(x). The second norm is in the stream, not in the branch.

Everything except the patches is as in CCT, including the deviations in its positions (cct.py). CvT, whose projections
are convolutions, is another architecture (cvt.py).
"""

import keras

from vitgraph import contract as c
from vitgraph.wiring import compact_transformer as compact
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import COMPACT
from vitgraph.wiring.transformer import Transformer, patch_embed, patch_grid, transformer_blocks

VARIANTS = {
    f"{net}_{size}_4_32{suffix}": {**compact.SIZES[size], **tokens, **positions}
    for net, tokens in {"vit": {}, "cvt": {"class_token": False}}.items()
    for size in (2, 4, 6, 7)
    for suffix, positions in {"": {}, "_sine": {"pos_embed": "sine"}}.items()
}


@c.builder(initial=COMPACT)
def build_vit_lite(
    input_shape: c.Image = (32, 32, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.TokenPooling = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Size = 4,
    dim: c.Width = 256,
    depth: c.Depth = 7,
    num_heads: c.Count = 4,
    mlp_ratio: c.Ratio = 2.0,
    class_token: bool = True,
    qkv_bias: bool = False,
    pos_embed: compact.Positions = "learn",
    norm_eps: c.Epsilon = 1e-5,
    img_size: c.ImageSize = (32, 32),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "vit_lite",
) -> keras.Model:
    """Builds a ViT-Lite, or a CVT (arXiv:2104.05704): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, the class token or the pooled map: (B, dim); None leaves it a map.
        class_token: True for a ViT-Lite, whose scores come from its class token; False for a CVT, which has none and
            whose head sees all tokens by sequence pooling.
        pos_embed: kind of position embedding; "sine" for fixed sinusoids along the row of tokens.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P2" for 4). Without a top it ends in the
        map of the normed patch tokens (B, H / p, W / p, dim).

    Example:
        >>> cvt = vitgraph.build_vit_lite(num_classes=10, depth=2, class_token=False)
        >>> cvt.output_shape
        (None, 10)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    t = Transformer(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, norm_eps=norm_eps,
        proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
    )  # fmt: skip
    patch, grid = patch_grid(border, patch_size, img_size)

    patches = patch_embed(border.image, patch, dim)
    x = compact.embed(patches, grid, pos_embed, class_token)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    rates = w.drop_path_rates(drop_path_rate, depth)
    x = transformer_blocks(x, t, compact.norm_between_block, rates, patch, int(class_token))
    return compact.end(border, t.norm(x, "norm"), patches, class_token, drop_rate)
