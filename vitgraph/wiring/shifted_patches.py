"""Shifted patch tokenization and locality self-attention (arXiv:2112.13492), for ViT and PiT."""

import keras

from vitgraph import contract as c
from vitgraph.blocks import (
    DiagonalShifts,
    LocalitySelfAttention,
    Patchify,
    PositionTable,
    PrependTokens,
    QueryScale,
    ToTokens,
)
from vitgraph.blocks.base import pair
from vitgraph.wiring.layers import conv, dense, dropout, layer_norm, pad_to_patch
from vitgraph.wiring.transformer import Transformer


class LocalityTransformer(Transformer):
    """A transformer whose tokens don't attend to themselves, and whose heads learn the scale of their scores: LSA."""

    def attend(self, qkv, name):
        qkv = QueryScale(self.num_heads, name=f"{name}_scale")(qkv)
        return LocalitySelfAttention(self.num_heads, 1.0, self.attn_drop_rate, name=name)(qkv)


def small_data_transformer(lsa, **numbers):
    """A `Transformer`, with locality self-attention or the plain one."""
    return (LocalityTransformer if lsa else Transformer)(**numbers)


def padded_grid(border, patch_size, spt, img_size, halvings=0):
    """(rows, columns) of a patch, and of the grid of patches that the position table is made for."""
    patch, planned = pair(patch_size), border.planned(img_size)
    c.require(not spt or min(patch) > 1, "patch_size", "at least 2 with spt=True, which shifts by half a patch")
    c.at_least(max(patch) * 2**halvings, border.shape)
    c.at_least(max(patch) * 2**halvings, planned, "img_size")
    return patch, [-(-n // p) for n, p in zip(planned, patch, strict=True)]


def embed(image, patch, dim, grid, spt, norm_eps, pos_drop_rate):
    """Image -> class token and patches with positions (B, 1 + N, dim), and the map of patches (B, H/p, W/p, dim)."""
    if spt:
        patches = shifted_patch_tokenization(image, patch, dim, "patch_embed", norm_eps)
    else:
        patches = conv(pad_to_patch(image, patch), dim, patch, patch, "patch_embed")
    x = PrependTokens(name="cls_token")(ToTokens(name="tokens")(patches))
    x = PositionTable(grid, 1, name="pos_embed")(x, patches)
    return dropout(x, pos_drop_rate, "pos_drop"), patches


@c.public
def shifted_patch_tokenization(
    x: c.ImageTensor, patch_size: c.Size, dim: c.Width, name: c.Name, norm_eps: c.Epsilon = 1e-5
) -> keras.KerasTensor:
    """Adds shifted patch tokenization (SPT, arXiv:2112.13492) to a graph: (B, H, W, C) -> (B, H / p, W / p, dim).

    A norm and a linear layer see each patch in the map and in four copies that are shifted by half a patch. Where
    patches don't divide the map, it is padded with zeros at the bottom and the right.

    Args:
        x: a KerasTensor (B, H, W, C), an image or a map.
        patch_size: side of a patch, or (height, width), in positions of `x`.
        dim: width of the embedded patches.
        name: name of the linear layer, and the beginning of the other layers' names.

    Returns:
        A KerasTensor (B, ceil(H / p), ceil(W / p), dim).

    Example:
        >>> from vitgraph.builders.small_data_vit import shifted_patch_tokenization
        >>> shifted_patch_tokenization(keras.Input((64, 96, 3)), 16, 24, "spt").shape
        (None, 4, 6, 24)
    """
    rows, columns = patch = pair(patch_size)
    c.at_least(max(patch), x.shape[1:], "x")
    x = pad_to_patch(x, patch, f"{name}_pad")
    x = DiagonalShifts((rows // 2, columns // 2), name=f"{name}_shifts")(x)
    x = Patchify(patch, name=f"{name}_patches")(x)
    return dense(layer_norm(x, norm_eps, f"{name}_norm"), dim, name)
