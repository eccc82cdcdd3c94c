"""CCT, the Compact Convolutional Transformer: tokens from convolutions, and a head that sees them all.

Paper: Hassani et al., "Escaping the Big Data Paradigm with Compact Transformers", arXiv:2104.05704.
Official code: github.com/SHI-Labs/Compact-Transformers, src/cct.py; checkpoints there.

    image (H, W, 3)
      tokenizer: n times convolution, ReLU, max-pooling   (H/4^n, W/4^n, dim) with steps of 2
      tokens, positions                                   (B, N, dim)
      blocks 0 ... depth - 1                              (B, N, dim)
      norm
      sequence pooling: the tokens' scores weigh them     (B, dim)
      head

    block: x = norm1(x + attention(pre_norm(x))); x + mlp(x). The second norm stands in the stream.

What follows the tokenizer is in compact.py: ViT-Lite and CVT of the same paper share it, and cut patches (vit_lite.py).

Three deviations: a net with "sine" positions has the fixed sinusoids that the paper says, where the official factories
`cct_*_sine` build a learned table (their checkpoints may hold such a one, and then want pos_embed="learn"); for another
input size a learned table is resampled in the graph too, bilinearly, as the official code does when it loads; and it
starts with a deviation of 0.02, as all tables here, and not 0.2.
"""

from keras import layers

from vitgraph.blocks.base import is_static, pair
from vitgraph.contract import Check, begin, builder, finish, shape_of
from vitgraph.wiring.compact_transformer import SIZES, check_transformer, encode, top
from vitgraph.wiring.layers import conv
from vitgraph.wiring.transformer import Transformer

_3X2 = {"input_shape": (32, 32, 3), "kernel_size": 3, "stride": 1, "padding": 1}
_3X1 = {**_3X2, "n_conv_layers": 1}
_7X1 = {"n_conv_layers": 1}
_384 = {"input_shape": (384, 384, 3)}
_SINE = {"pos_embed": "sine"}

VARIANTS = {  # a name is size, kernel x number of convolutions, side of the image; c100 and fl have other classes
    "cct_2_3x2_32": {**SIZES[2], **_3X2},
    "cct_2_3x2_32_sine": {**SIZES[2], **_3X2, **_SINE},
    "cct_4_3x2_32": {**SIZES[4], **_3X2},
    "cct_4_3x2_32_sine": {**SIZES[4], **_3X2, **_SINE},
    "cct_6_3x1_32": {**SIZES[6], **_3X1},
    "cct_6_3x1_32_sine": {**SIZES[6], **_3X1, **_SINE},
    "cct_6_3x2_32": {**SIZES[6], **_3X2},
    "cct_6_3x2_32_sine": {**SIZES[6], **_3X2, **_SINE},
    "cct_7_3x1_32": {**SIZES[7], **_3X1},
    "cct_7_3x1_32_c100": {**SIZES[7], **_3X1},
    "cct_7_3x1_32_sine": {**SIZES[7], **_3X1, **_SINE},
    "cct_7_3x1_32_sine_c100": {**SIZES[7], **_3X1, **_SINE},
    "cct_7_3x2_32": {**SIZES[7], **_3X2},
    "cct_7_3x2_32_sine": {**SIZES[7], **_3X2, **_SINE},
    "cct_7_7x2_224": {**SIZES[7]},
    "cct_7_7x2_224_sine": {**SIZES[7], **_SINE},
    "cct_14_7x2_224": {**SIZES[14]},
    "cct_14_7x2_384": {**SIZES[14], **_384},
    "cct_14_7x2_384_fl": {**SIZES[14], **_384},
    **{f"cct_{size}_7x1_224": {**row, **_7X1} for size, row in SIZES.items()},  # vit-pytorch's presets
}


@builder(uneven=True)
def build_cct(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    n_conv_layers=2,
    kernel_size=7,
    stride=2,
    padding=3,
    pooling_kernel_size=3,
    pooling_stride=2,
    pooling_padding=1,
    in_planes=64,
    dim=384,
    depth=14,
    num_heads=6,
    mlp_ratio=3.0,
    qkv_bias=False,
    pos_embed="learn",
    norm_eps=1e-5,
    img_size=(224, 224),
    drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="cct",
):
    """Builds a CCT (arXiv:2104.05704): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels; or (None, None, channels): then a learned position table is
            resampled at run time.
        include_top: False ends the graph at the normed map of the last tokens (B, H / s, W / s, dim), s being the
            tokenizer's step: (stride pooling_stride)^n_conv_layers, 16 unless they are changed.
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map: (B, dim).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        n_conv_layers: number of the tokenizer's convolutions, each with a ReLU and a max-pooling behind it.
        kernel_size, stride, padding: of each convolution, in positions; `padding` is zeros on each side.
        pooling_kernel_size, pooling_stride, pooling_padding: of each max-pooling.
        in_planes: channels between the tokenizer's convolutions.
        dim, depth, num_heads, mlp_ratio: width, blocks, heads, widening of the feed-forward layers.
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
        A `keras.Model`; each block ends in a `Stage` of the tokenizer's step ("P4" for 16).

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_cct")
    check_transformer(check, dim, depth, num_heads, mlp_ratio, pos_embed, img_size)
    check.positive(n_conv_layers=n_conv_layers, kernel_size=kernel_size, stride=stride, in_planes=in_planes)
    check.positive(pooling_kernel_size=pooling_kernel_size, pooling_stride=pooling_stride)
    for argument, value in (("padding", padding), ("pooling_padding", pooling_padding)):
        check.that(isinstance(value, int) and value >= 0, argument, value, "0 or more")
    step, shape = (stride * pooling_stride) ** n_conv_layers, shape_of(input_shape, input_tensor)
    check.smallest(step, input_shape=shape)
    convolution, max_pooling = (kernel_size, stride, padding), (pooling_kernel_size, pooling_stride, pooling_padding)
    grid = shape[:2] if is_static(*shape[:2]) else pair(img_size)
    for window in (convolution, max_pooling) * n_conv_layers:
        grid = [_count(size, *window) for size in grid]
    check.that(min(grid) >= 1, "input_shape", shape, "an image of which the tokenizer leaves something")

    x = inputs = begin(input_shape, input_tensor)
    for i in range(n_conv_layers):
        width = dim if i == n_conv_layers - 1 else in_planes
        x = conv(x, width, kernel_size, stride, f"tokenizer_{i}_conv", padding, use_bias=False)
        x = layers.ReLU(name=f"tokenizer_{i}_act")(x)
        x = _max_pool(x, *max_pooling, f"tokenizer_{i}_pool")
    t = Transformer(
        dim, num_heads, mlp_ratio, qkv_bias, norm_eps=norm_eps, attn_drop=attn_drop_rate, proj_drop=drop_rate
    )
    tokens = encode(x, f"tokenizer_{i}_pool", grid, step, False, pos_embed, depth, t, drop_path_rate)
    x = top(
        tokens,
        x,
        class_token=False,
        include_top=include_top,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        pooling=pooling,
    )
    return finish(inputs, x, name)


def _count(size, kernel, step, padding):
    """Positions of a window along `size` pixels with zeros on each side."""
    return (size + 2 * padding - kernel) // step + 1


def _max_pool(x, size, step, padding, name):
    """What it pads are zeros, as good as nothing behind a ReLU: (B, H, W, C) -> (B, H', W', C)."""
    if padding:
        x = layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
    return layers.MaxPooling2D(size, step, name=name)(x)


__all__ = ["VARIANTS", "build_cct"]
