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

All but the patches is as in CCT, also what cct.py says of positions. (The other CvT, with convolutional
projections, is no relative.)
"""

from vitgraph.blocks.base import pair
from vitgraph.contract import Check, begin, builder, finish, shape_of
from vitgraph.wiring.compact_transformer import SIZES, check_transformer, encode, top
from vitgraph.wiring.transformer import Transformer, patch_embed, patch_grid

VARIANTS = {
    f"{net}_{size}_4_32{suffix}": {**SIZES[size], **tokens, **positions}
    for net, tokens in {"vit": {}, "cvt": {"class_token": False}}.items()
    for size in (2, 4, 6, 7)
    for suffix, positions in {"": {}, "_sine": {"pos_embed": "sine"}}.items()
}


@builder(pools=("token", "avg", "max"))
def build_vit_lite(
    input_shape=(32, 32, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=4,
    dim=256,
    depth=7,
    num_heads=4,
    mlp_ratio=2.0,
    class_token=True,
    qkv_bias=False,
    pos_embed="learn",
    norm_eps=1e-5,
    img_size=(32, 32),
    drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="vit_lite",
):
    """Builds a ViT-Lite, or a CVT (arXiv:2104.05704): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels; what patches leave over at the bottom and the right is
            dropped. Or (None, None, channels): then the image is padded to whole patches, and a learned position table
            resampled at run time.
        include_top: False ends the graph at the normed map of the last patch tokens (B, H / p, W / p, dim).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map, or "token", the class token: (B, dim).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, or (height, width), in pixels.
        dim, depth, num_heads, mlp_ratio: width, blocks, heads, widening of the feed-forward layers.
        class_token: True is a ViT-Lite; False a CVT, whose head sees all tokens by sequence pooling.
        qkv_bias: whether the projections to queries, keys and values have biases.
        pos_embed: "learn", "sine" (fixed sinusoids along the row of tokens) or "none".
        norm_eps: epsilon of all norms.
        img_size: the image size whose grid the position table has, where input_shape is open.
        drop_rate: dropout after positions, of projections, and in the feed-forward layers.
        attn_drop_rate: dropout of attention probabilities.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P2" for 4).

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_vit_lite")
    check_transformer(check, dim, depth, num_heads, mlp_ratio, pos_embed, img_size)
    patch, grid = patch_grid(check, shape_of(input_shape, input_tensor), patch_size, img_size)
    check.smallest(max(patch), img_size=pair(img_size))

    inputs = begin(input_shape, input_tensor)
    x = patch_embed(inputs, patch, dim)
    t = Transformer(
        dim, num_heads, mlp_ratio, qkv_bias, norm_eps=norm_eps, attn_drop=attn_drop_rate, proj_drop=drop_rate
    )
    tokens = encode(x, "patch_embed", grid, patch, class_token, pos_embed, depth, t, drop_path_rate)
    x = top(
        tokens,
        x,
        class_token,
        include_top=include_top,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        pooling=pooling,
    )
    return finish(inputs, x, name)
