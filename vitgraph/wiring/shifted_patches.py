"""Shifted patch tokenization and locality self-attention (arXiv:2112.13492), for ViT and PiT."""

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
from vitgraph.wiring.layers import conv, dense, dropout, layer_norm, pad_to_patch
from vitgraph.wiring.transformer import Transformer


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
