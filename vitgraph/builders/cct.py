"""CCT, the Compact Convolutional Transformer: tokens from convolutions, and a head that sees them all.

Paper: Hassani et al., "Escaping the Big Data Paradigm with Compact Transformers", arXiv:2104.05704.
Official code: github.com/SHI-Labs/Compact-Transformers, src/cct.py; checkpoints there.

    image (H, W, 3)
      tokenizer: n times convolution, ReLU, max-pooling   (H/4^n, W/4^n, dim) with strides of 2
      tokens, positions                                   (B, N, dim)
      blocks 0 ... depth - 1                              (B, N, dim)
      norm
      sequence pooling: the tokens' scores weigh them     (B, dim)
      head

    block: x = norm1(x + attention(pre_norm(x))); x + mlp(x). The second norm is in the stream, not in the branch.

ViT-Lite and CVT of the same paper cut patches instead (vit_lite.py); what the three share is in
wiring/compact_transformer.py.

Three deviations, all in the positions: "sine" gives the paper's fixed sinusoids, where the official factories
`cct_*_sine` build a learned table (a checkpoint that holds one needs pos_embed="learn"); for another image size a
learned table is resampled in the graph, bilinearly, as the official code does on loading; and it starts with a standard
deviation of 0.02, as all tables here do, instead of 0.2.
"""

from typing import Annotated

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import compact_transformer as compact
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import COMPACT
from vitgraph.wiring.transformer import Transformer

_3X2 = {"input_shape": (32, 32, 3), "kernel_size": 3, "stride": 1, "padding": 1}
_3X1 = {**_3X2, "num_conv_layers": 1}
_7X1 = {"num_conv_layers": 1}
_384 = {"input_shape": (384, 384, 3)}
_SINE = {"pos_embed": "sine"}

VARIANTS = {  # a name is size, kernel x number of convolutions, side of the image; c100 and fl have other classes
    "cct_2_3x2_32": {**compact.SIZES[2], **_3X2},
    "cct_2_3x2_32_sine": {**compact.SIZES[2], **_3X2, **_SINE},
    "cct_4_3x2_32": {**compact.SIZES[4], **_3X2},
    "cct_4_3x2_32_sine": {**compact.SIZES[4], **_3X2, **_SINE},
    "cct_6_3x1_32": {**compact.SIZES[6], **_3X1},
    "cct_6_3x1_32_sine": {**compact.SIZES[6], **_3X1, **_SINE},
    "cct_6_3x2_32": {**compact.SIZES[6], **_3X2},
    "cct_6_3x2_32_sine": {**compact.SIZES[6], **_3X2, **_SINE},
    "cct_7_3x1_32": {**compact.SIZES[7], **_3X1},
    "cct_7_3x1_32_c100": {**compact.SIZES[7], **_3X1},
    "cct_7_3x1_32_sine": {**compact.SIZES[7], **_3X1, **_SINE},
    "cct_7_3x1_32_sine_c100": {**compact.SIZES[7], **_3X1, **_SINE},
    "cct_7_3x2_32": {**compact.SIZES[7], **_3X2},
    "cct_7_3x2_32_sine": {**compact.SIZES[7], **_3X2, **_SINE},
    "cct_7_7x2_224": {**compact.SIZES[7]},
    "cct_7_7x2_224_sine": {**compact.SIZES[7], **_SINE},
    "cct_14_7x2_224": {**compact.SIZES[14]},
    "cct_14_7x2_384": {**compact.SIZES[14], **_384},
    "cct_14_7x2_384_fl": {**compact.SIZES[14], **_384},
    **{f"cct_{size}_7x1_224": {**row, **_7X1} for size, row in compact.SIZES.items()},  # vit-pytorch's presets
}


@c.builder(uneven=True, initial=COMPACT)
def build_cct(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    num_conv_layers: Annotated[int, c.between(1, 16)] = 2,
    kernel_size: c.Kernel = 7,
    stride: c.Kernel = 2,
    padding: c.Padding = 3,
    pooling_kernel_size: c.Kernel = 3,
    pooling_stride: c.Kernel = 2,
    pooling_padding: c.Padding = 1,
    stem_dim: c.Width = 64,
    dim: c.Width = 384,
    depth: c.Depth = 14,
    num_heads: c.Count = 6,
    mlp_ratio: c.Ratio = 3.0,
    qkv_bias: bool = False,
    pos_embed: compact.Positions = "learn",
    norm_eps: c.Epsilon = 1e-5,
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "cct",
) -> keras.Model:
    """Builds a CCT (arXiv:2104.05704): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        num_conv_layers: number of the tokenizer's convolutions, each followed by a ReLU and a max-pooling.
        kernel_size: side of each convolution's kernel.
        stride: stride of each convolution.
        padding: zeros on each side before each convolution.
        pooling_kernel_size: side of each max-pooling's window.
        pooling_stride: stride of each max-pooling.
        pooling_padding: zeros on each side before each max-pooling.
        stem_dim: width between the tokenizer's convolutions.
        pos_embed: kind of position embedding; "sine" for fixed sinusoids along the row of tokens.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the tokenizer's stride, (stride * pooling_stride) **
        num_conv_layers ("P4" for 16). Without a top it ends in the map of the normed tokens (B, H / 16, W / 16, dim).

    Example:
        >>> cct = vitgraph.build_cct((64, 64, 3), depth=2, dim=128, num_heads=2, include_top=False)
        >>> cct.output_shape
        (None, 4, 4, 128)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    t = Transformer(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, norm_eps=norm_eps,
        proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
    )  # fmt: skip
    c.require(padding <= kernel_size, "padding", "at most kernel_size")
    c.require(pooling_padding <= pooling_kernel_size // 2, "pooling_padding", "at most half of pooling_kernel_size")
    convolution, max_pooling = (kernel_size, stride, padding), (pooling_kernel_size, pooling_stride, pooling_padding)
    step = (stride * pooling_stride) ** num_conv_layers
    c.at_least(step, border.shape)
    grid = _grid(border.planned(img_size), (convolution, max_pooling) * num_conv_layers)

    x = border.image
    for i in range(num_conv_layers):
        part, width = f"tokenizer_{i}", dim if i == num_conv_layers - 1 else stem_dim
        x = w.conv(x, width, kernel_size, stride, f"{part}_conv", padding, use_bias=False)
        x = layers.ReLU(name=f"{part}_act")(x)
        x = _max_pool(x, *max_pooling, f"{part}_pool")
    patches = x
    x = compact.embed(patches, grid, pos_embed)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    for i, drop_path in enumerate(w.drop_path_rates(drop_path_rate, depth)):
        x = compact.norm_between_block(x, t, drop_path, f"block_{i}")
        x = blocks.Stage(step, grid=f"{part}_pool", name=f"block_{i}")(x)
    return compact.end(border, t.norm(x, "norm"), patches, drop_rate=drop_rate)


def _grid(size, windows):
    """(rows, columns) that the tokenizer makes of an image of a size."""
    grid = size
    for kernel, stride, padding in windows:
        grid = [(n + 2 * padding - kernel) // stride + 1 for n in grid]
        c.require(min(grid) >= 1, "kernel_size", f"kernels that fit into their maps, here of an image of {size}")
    return grid


def _max_pool(x, size, stride, padding, name):
    """(B, H, W, C) -> (B, H', W', C). The padding is zeros, which never win after a ReLU."""
    if padding:
        x = layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
    return layers.MaxPooling2D(size, stride, name=name)(x)
