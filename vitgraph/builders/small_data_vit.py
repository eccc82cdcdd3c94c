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
    attention: softmax(s q k') v; s is learned, one number a head; no token attends to itself.

The first two lines are shifted patch tokenization (SPT), the last is locality self-attention (LSA); without both this
is the plain ViT that the paper starts from. The PiT of the paper is in small_data_pit.py.

An image that patches don't divide is padded with zeros; the official code refuses it. Stochastic depth has one rate for
all blocks, as in the official code. vit-pytorch moves the copies by one pixel along the axes, and has one temperature
for all heads; the official is built.
"""

from vitgraph.contract import Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import token_top
from vitgraph.wiring.shifted_patches import check_patches, embed, transformer
from vitgraph.wiring.transformer import blocks, pre_norm_block

PLAIN = {"spt": False, "lsa": False}
SIDE_64 = {"input_shape": (64, 64, 3), "img_size": (64, 64)}

VARIANTS = {  # the official models/create_model.py; a name ends in the side of the image
    "sl_vit_32": {},
    "sl_vit_64": {**SIDE_64, "patch_size": 8},
    "vit_32": {**PLAIN},
    "vit_64": {**PLAIN, **SIDE_64, "patch_size": 8},
}


@builder(pools=("token", "avg", "max"))
def build_small_data_vit(
    input_shape=(32, 32, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=4,
    dim=192,
    depth=9,
    num_heads=12,
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
    name="small_data_vit",
):
    """Builds a ViT for small datasets (arXiv:2112.13492): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels; or (None, None, channels): then the position table is
            resampled at run time.
        include_top: False ends the graph at the normed map of the last patch tokens (B, H / p, W / p, dim).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map, or "token", the class token: (B, dim).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, or (height, width), in pixels.
        dim, depth, num_heads, mlp_ratio: width, blocks, heads, widening of the feed-forward layers.
        spt: shifted patch tokenization; False: patches by one linear layer.
        lsa: locality self-attention; False: plain self-attention.
        head_dim: width of one head; None: dim / num_heads.
        qkv_bias: whether the projection to queries, keys and values has a bias.
        attn_proj: False leaves out the projection after attention (one head as wide as the stream needs none).
        norm_eps: epsilon of all norms.
        img_size: the image size whose grid the position table has, where input_shape is open.
        pos_drop_rate, proj_drop_rate: dropout after positions, of projections.
        drop_path_rate: stochastic depth of every block.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P2" for 4).

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_small_data_vit")
    t = transformer(lsa)(
        dim, num_heads, mlp_ratio, qkv_bias, attn_proj=attn_proj, head_dim=head_dim, norm_eps=norm_eps,
        proj_drop=proj_drop_rate,
    )  # fmt: skip
    t.check(check)
    check.positive(depth=depth)
    patch, grid = check_patches(check, shape_of(input_shape, input_tensor), patch_size, spt, img_size)

    inputs = begin(input_shape, input_tensor)
    x, patches = embed(inputs, patch, dim, grid, spt, norm_eps, pos_drop_rate)
    x = blocks(x, t, pre_norm_block, [drop_path_rate] * depth, patch, 1)
    x = token_top(
        t.norm(x, "norm"),
        patches,
        include_top=include_top,
        pooling=pooling,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        drop_rate=0.0,
    )
    return finish(inputs, x, name)
