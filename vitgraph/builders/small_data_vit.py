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

from vitgraph.blocks import (
    DiagonalShifts,
    LocalitySelfAttention,
    Patchify,
    PositionTable,
    PrependTokens,
    QueryScale,
    ToTokens,
)
from vitgraph.blocks.base import is_static, pair
from vitgraph.builders.contract import Check, begin, builder, finish, shape_of
from vitgraph.builders.sources import Source, linear_to_conv
from vitgraph.builders.vit import blocks, pre_norm_block
from vitgraph.builders.vit_sources import layers_of_2022
from vitgraph.builders.wiring import Transformer, conv, dense, dropout, layer_norm, pad_to_patch, token_top

PLAIN = {"spt": False, "lsa": False}
SIDE_64 = {"input_shape": (64, 64, 3), "img_size": (64, 64)}

VARIANTS = {  # the official models/create_model.py; a name ends in the side of the image
    "sl_vit_32": {},
    "sl_vit_64": {**SIDE_64, "patch_size": 8},
    "vit_32": {**PLAIN},
    "vit_64": {**PLAIN, **SIDE_64, "patch_size": 8},
}

BORDERS = (
    (r"pos_embed/table", "pos_embedding"),
    (r"cls_token/token", "cls_token"),
    (r"norm", "mlp_head.0"),
    (r"head", "mlp_head.1"),
)
"""What the official ViT and PiT call alike."""

_NAMES = (*layers_of_2022(r"block_(\d+)_", "transformer.layers.{0}."), *BORDERS)

SOURCES = {
    "official": Source(
        renames=(
            (r"patch_embed_norm", "to_patch_embedding.merging.1"),
            (r"patch_embed", "to_patch_embedding.merging.2"),
            *_NAMES,
        ),
        head=r"mlp_head\..*",
    ),
    "official_plain": Source(  # without shifted patch tokenization
        renames=(
            (r"patch_embed/kernel", "to_patch_embedding.1.weight", linear_to_conv),
            (r"patch_embed", "to_patch_embedding.1"),
            *_NAMES,
        ),
        head=r"mlp_head\..*",
    ),
    "official_spt": Source(renames=((r"\w+_norm", "merging.1"), (r"\w+", "merging.2"))),  # the tokenization alone
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


def check_patches(check, shape, patch_size, spt, img_size, stages=1):
    """(rows, columns) of a patch, and of the grid that the position table is made for; a stage halves it."""
    check.sides(patch_size=patch_size, img_size=img_size)
    patch = pair(patch_size)
    check.that(min(patch) > 1 or not spt, "patch_size", patch_size, "at least 2 with spt=True, which shifts by half")
    check.smallest(max(patch) * 2 ** (stages - 1), input_shape=shape, img_size=pair(img_size))
    image = shape[:2] if is_static(*shape[:2]) else pair(img_size)
    return patch, [-(-n // p) for n, p in zip(image, patch, strict=True)]


def embed(image, patch, dim, grid, spt, norm_eps, pos_drop_rate):
    """Image -> tokens with class token and positions (B, 1 + N, dim), and the map that they were (B, H/p, W/p, dim)."""
    if spt:
        patches = shifted_patch_tokenization(image, patch, dim, "patch_embed", norm_eps)
    else:
        patches = conv(pad_to_patch(image, patch), dim, patch, patch, "patch_embed")
    x = PrependTokens(name="cls_token")(ToTokens(name="tokens")(patches))
    x = PositionTable(grid, 1, name="pos_embed")(x, patches)
    return dropout(x, pos_drop_rate, "pos_drop"), patches


def shifted_patch_tokenization(x, patch_size, dim, name, norm_eps=1e-5):
    """SPT alone: (B, H, W, C) -> (B, H / p, W / p, dim), a norm and a linear layer over each patch and what is around.

    A map that patches don't divide is padded with zeros at the bottom and the right.
    """
    rows, columns = patch_size = pair(patch_size)
    x = pad_to_patch(x, patch_size, f"{name}_pad")
    x = DiagonalShifts((rows // 2, columns // 2), name=f"{name}_shifts")(x)
    x = Patchify(patch_size, name=f"{name}_patches")(x)
    return dense(layer_norm(x, norm_eps, f"{name}_norm"), dim, name)


class Locality(Transformer):
    """A transformer block whose attention is local: LSA."""

    def attend(self, qkv, name):
        qkv = QueryScale(self.num_heads, name=f"{name}_scale")(qkv)
        return LocalitySelfAttention(self.num_heads, 1.0, self.attn_drop, name=name)(qkv)


def transformer(lsa):
    return Locality if lsa else Transformer


__all__ = ["SOURCES", "VARIANTS", "build_small_data_vit", "shifted_patch_tokenization"]
