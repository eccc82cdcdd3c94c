"""TNT: a transformer within each patch, whose pixels are tokens, and one among the patches.

Paper: Han et al., "Transformer in Transformer", arXiv:2103.00112.
Official code: github.com/huawei-noah/Efficient-AI-Backbones, tnt_pytorch/tnt.py; checkpoints there and in timm.

    image (H, W, 3)
      patches; in each a 7x7/4 convolution, positions               (B N, n, inner_dim): pixels
      pixels side by side, norm, linear layer, norm                 (B, N, dim)
      class token, positions                                        (B, 1 + N, dim)
      blocks 0 ... depth - 1                                        both streams
      norm
      class token                                                   (B, dim)
      head

    block: pixels + attention(norm(pixels)), within each patch; pixels + mlp(norm(pixels));
           patches + norm(linear layer(norm(pixels side by side)));
           x + attention(norm(x)), class token and patches; x + mlp(norm(x)).

Any input size from a patch up, also an open one. `legacy` is timm's first form: the convolution comes before the
patches are cut, so that it sees across their borders; a block norms single pixels, and lacks the second norm.
"""

import math
from typing import Any

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.base import is_static
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.transformer import Transformer, patch_grid, pre_norm_block

VARIANTS = {  # table 1 of the paper; legacy: timm's
    "tnt_s_patch16_224": {},
    "tnt_b_patch16_224": {"dim": 640, "inner_dim": 40, "num_heads": 10},
    "tnt_s_legacy_patch16_224": {"legacy": True},
}


@c.builder
def build_tnt(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pool | None = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Size = 16,
    inner_stride: c.Kernel = 4,
    dim: c.Width = 384,
    inner_dim: c.Width = 24,
    depth: c.Depth = 12,
    num_heads: c.Count = 6,
    num_inner_heads: c.Count = 4,
    mlp_ratio: c.Ratio = 4.0,
    qkv_bias: bool = False,
    norm_eps: c.Epsilon = 1e-5,
    legacy: bool = False,
    global_pool: c.Pool = "token",
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "tnt",
) -> keras.Model:
    """Builds a TNT (arXiv:2103.00112): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, one of `global_pool`'s kinds: (B, dim); None leaves the map of the patches.
        inner_stride: stride of the convolution that makes pixels: a token per so many pixels of the image.
        dim: width of the patches.
        inner_dim: width of the pixels.
        num_heads: attention heads of the patches.
        num_inner_heads: attention heads of the pixels.
        mlp_ratio: hidden width of the patches' feed-forward layers, relative to `dim`; the pixels' is 4.
        pos_drop_rate: dropout after the positions of the patches.
        legacy: whether the convolution comes before the patches are cut, see above.
        global_pool: what the head sees: the class token, or a pooling of the patches; "map" is attention pooling.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16), the stream of the patches.
        Without a top and pooling it ends in the map of the normed patches (B, H / p, W / p, dim).

    Example:
        >>> backbone = vitgraph.build_tnt((64, 96, 3), include_top=False, dim=32, inner_dim=8, depth=2, num_heads=2)
        >>> backbone.output_shape
        (None, 4, 6, 32)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    shared: dict[str, Any] = {
        "qkv_bias": qkv_bias, "norm_eps": norm_eps, "proj_drop_rate": proj_drop_rate, "attn_drop_rate": attn_drop_rate,
    }  # fmt: skip
    c.heads_divide(inner_dim, num_inner_heads, "num_inner_heads")
    inner = Transformer(dim=inner_dim, num_heads=num_inner_heads, **shared)
    t = Transformer(dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, **shared)
    patch, grid = patch_grid(border, patch_size, img_size)
    divides = not legacy or all(side % inner_stride == 0 for side in patch)
    c.require(divides, "inner_stride", f"a divisor of the patch's sides with legacy=True, here {patch}")
    pixel_grid = [math.ceil(side / inner_stride) for side in patch]

    image = border.image if is_static(*border.shape[:2]) else w.pad_to_patch(border.image, patch)
    if legacy:
        pixels = w.conv(image, inner_dim, 7, inner_stride, "pixel_embed", padding=3)
        patches = blocks.Patchify(pixel_grid, name="patchify")(pixels)
        pixels = blocks.SplitPatches(pixel_grid, name="split")(patches)
    else:
        patches = blocks.Patchify(patch, name="patchify")(image)
        pixels = blocks.SplitPatches(patch, name="split")(patches)
        pixels = w.conv(pixels, inner_dim, 7, inner_stride, "pixel_embed", padding=3)
    pixels = blocks.WindowTable(pixel_grid, name="pixel_pos")(pixels)
    pixels = layers.Reshape((math.prod(pixel_grid), inner_dim), name="inner_tokens")(pixels)

    x = _as_patches(pixels, patches, t, "patch")
    x = blocks.PrependTokens(name="cls_token")(x)
    x = blocks.PositionTable(grid, 1, name="pos_embed")(x, patches)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    for i, drop_path in enumerate(w.drop_path_rates(drop_path_rate, depth)):
        block = f"block_{i}"
        pixels = blocks.Following(name=f"{block}_following")(pixels, x)
        pixels = pre_norm_block(pixels, inner, drop_path, f"{block}_inner")
        y = _as_patches(pixels, patches, t, f"{block}_pixels", legacy, use_bias=legacy)
        token, x = blocks.TakePrefix(name=f"{block}_token")(x), blocks.DropPrefix(1, name=f"{block}_patches")(x)
        x = layers.Concatenate(axis=1, name=f"{block}_join")([token, layers.Add(name=f"{block}_add")([x, y])])
        x = blocks.Stage(patch, 1, "patchify", name=block)(pre_norm_block(x, t, drop_path, block))
    return border.end_plain(x, patches, t, global_pool, drop_rate=drop_rate)


def _as_patches(pixels, patches, t, name, legacy=False, use_bias=True):
    """Pixels (B N, n, c) -> patches (B, N, t.dim)."""
    if legacy:
        x = blocks.JoinPatches(name=f"{name}_join")(t.norm(pixels, f"{name}_norm1"), patches)
        return w.dense(x, t.dim, f"{name}_proj", use_bias)
    x = t.norm(blocks.JoinPatches(name=f"{name}_join")(pixels, patches), f"{name}_norm1")
    return t.norm(w.dense(x, t.dim, f"{name}_proj", use_bias), f"{name}_norm2")
