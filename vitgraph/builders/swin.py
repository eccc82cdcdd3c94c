"""Swin Transformer: attention within windows that shift from block to block.

Paper: Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", arXiv:2103.14030.
Official code: github.com/microsoft/Swin-Transformer, models/swin_transformer.py; checkpoints there and in timm.

    image (H, W, 3)
      4x4/4 convolution, norm
      stage 1   blocks                     (H/4,  W/4,  dim)
      stage 2   patch merging, blocks      (H/8,  W/8,  2 dim)
      stage 3   likewise                   (H/16, W/16, 4 dim)
      stage 4   likewise                   (H/32, W/32, 8 dim)
      norm, mean, head

    block: x + attention in windows(norm(x)), every other one on a map shifted by half a window;
           x + mlp(norm(x)).

Any input size, also one that is not known: what windows and merging lack at the bottom and the right is zeros, a window
is no larger than the map, and an axis that one window covers isn't shifted. With a known size this is decided when the
graph is built, and the bias tables are as small as their windows, as in the official code; with an unknown one, when it
runs, on the middle of the tables.
"""

from vitgraph.blocks import PatchMerging, Residual, SelfAttention, Stage, WindowBias, WindowPartition, WindowReverse
from vitgraph.blocks.base import pair
from vitgraph.old.contract import Check, begin, builder, finish, shape_of
from vitgraph.old.layers import conv, dense, drop_path_rates, dropout, layer_norm, map_top, mlp, pad_to_patch
from vitgraph.wiring.windows import block_window, windows_per_stage

_SMALL = {"depths": (2, 2, 18, 2)}
_BASE = {"dim": 128, "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32)}
_LARGE = {"dim": 192, "depths": (2, 2, 18, 2), "num_heads": (6, 12, 24, 48)}
_384 = {"input_shape": (384, 384, 3), "window_size": 12}

VARIANTS = {  # section 3.3 of the paper; s3: Chen et al., arXiv:2111.14725
    "swin_tiny_patch4_window7_224": {},
    "swin_small_patch4_window7_224": {**_SMALL},
    "swin_base_patch4_window7_224": {**_BASE},
    "swin_base_patch4_window12_384": {**_BASE, **_384},
    "swin_large_patch4_window7_224": {**_LARGE},
    "swin_large_patch4_window12_384": {**_LARGE, **_384},
    "swin_s3_tiny_224": {"window_size": (7, 7, 14, 7)},
    "swin_s3_small_224": {**_SMALL, "window_size": (14, 14, 14, 7)},
    "swin_s3_base_224": {"depths": (2, 2, 30, 2), "window_size": (7, 7, 14, 7)},
}


@builder
def build_swin(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=4,
    dim=96,
    depths=(2, 2, 6, 2),
    num_heads=(3, 6, 12, 24),
    window_size=7,
    mlp_ratio=4.0,
    qkv_bias=True,
    head_dim=None,
    clip_windows=True,
    img_size=None,
    norm_eps=1e-5,
    drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="swin",
):
    """Builds a Swin Transformer (arXiv:2103.14030): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels); height and width in pixels, or both None.
        include_top: False ends the graph at the last, normed map (B, ceil(H / 32), ceil(W / 32), 8 dim).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map: (B, 8 dim).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, in pixels; a remainder of the image is padded with zeros.
        dim: width of the first stage; it doubles at each further one.
        depths, num_heads: blocks and heads, one a stage.
        window_size: side of a window in positions: a number, (rows, columns), or a sequence with one entry a stage.
        mlp_ratio: widening of the feed-forward layers.
        qkv_bias: whether the projection to queries, keys and values has a bias.
        head_dim: width of one head; None: the stage's width divided by its heads.
        clip_windows: False keeps windows and shifts that are larger than the map.
        img_size: where input_shape is open, the image size that windows are clipped for; None: the actual one.
        norm_eps: epsilon of all norms.
        drop_rate: dropout after projections, in the feed-forward layers and before the head.
        attn_drop_rate: dropout of attention probabilities.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5" (for patch_size 4), each stage's map before the final norm.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_swin")
    check.per_stage(depths=depths, num_heads=num_heads)
    check.positive(dim=dim, patch_size=patch_size)
    check.over_zero(mlp_ratio=mlp_ratio)
    if img_size is not None:
        check.sides(img_size=img_size)
    dims = [dim * 2**i for i in range(len(depths))]
    if head_dim is None:
        check.heads_divide(dims, num_heads)
    else:
        check.positive(head_dim=head_dim)
    windows = windows_per_stage(check, window_size, len(depths))
    shape = shape_of(input_shape, input_tensor)
    check.smallest(patch_size, input_shape=shape)
    planned = shape[:2] if img_size is None or shape[0] is not None else pair(img_size)

    x = inputs = begin(input_shape, input_tensor)
    x = conv(pad_to_patch(x, patch_size), dim, patch_size, patch_size, "patch_embed")
    x = dropout(layer_norm(x, norm_eps, "patch_norm"), drop_rate, "pos_drop")
    rates = iter(drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage, stride = f"stage_{i + 1}", patch_size * 2**i
        if i > 0:
            x = PatchMerging(name=f"{stage}_merge")(x)
            x = layer_norm(x, norm_eps, f"{stage}_merge_norm")
            x = dense(x, dims[i], f"{stage}_merge_reduction", use_bias=False)
        grid = [None if n is None else -(-n // stride) for n in planned]
        attn_dim = num_heads[i] * (head_dim or dims[i] // num_heads[i])
        for j in range(depth):
            block, drop_path = f"{stage}_block_{j}", next(rates)
            window = block_window(windows[i], j % 2 == 1, grid, clip_windows)
            y = layer_norm(x, norm_eps, f"{block}_norm1")
            y = _attention(y, attn_dim, num_heads[i], window, qkv_bias, attn_drop_rate, f"{block}_attn")
            x = Residual(drop_path=drop_path, dropout=drop_rate, name=f"{block}_res1")(x, y)
            y = layer_norm(x, norm_eps, f"{block}_norm2")
            y = mlp(y, int(dims[i] * mlp_ratio), "gelu", f"{block}_mlp", drop_rate)
            x = Residual(drop_path=drop_path, dropout=drop_rate, name=f"{block}_res2")(x, y)
        x = Stage(stride, name=stage)(x)

    x = layer_norm(x, norm_eps, "norm")
    x = map_top(
        x,
        include_top=include_top,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        pooling=pooling,
        drop_rate=drop_rate,
    )
    return finish(inputs, x, name)


def _attention(x, attn_dim, num_heads, window, qkv_bias, drop, name):
    """Self-attention within the windows of x (B, H, W, C), with a bias by relative position."""
    bias = WindowBias(num_heads=num_heads, **window, name=f"{name}_bias")(x)
    y = WindowPartition(**window, name=f"{name}_partition")(x)
    y = dense(y, 3 * attn_dim, f"{name}_qkv", qkv_bias)
    y = SelfAttention(num_heads, drop=drop, name=name)(y, bias)
    y = WindowReverse(**window, name=f"{name}_reverse")(y, x)
    return dense(y, x.shape[-1], f"{name}_proj")
