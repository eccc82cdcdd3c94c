"""Swin Transformer V2: shifted windows with cosine attention and a continuous position bias.

Paper: Liu et al., "Swin Transformer V2: Scaling Up Capacity and Resolution", arXiv:2111.09883.
Official code: github.com/microsoft/Swin-Transformer, models/swin_transformer_v2.py; checkpoints there and in timm.

    image (H, W, 3)
      4x4/4 convolution, norm
      stage 1   blocks                     (H/4,  W/4,  dim)
      stage 2   patch merging, blocks      (H/8,  W/8,  2 dim)
      stage 3   likewise                   (H/16, W/16, 4 dim)
      stage 4   likewise                   (H/32, W/32, 8 dim)
      norm, mean, head

    block: x + norm(attention in windows(x)), every other one on a map shifted by half a window;
           x + norm(mlp(x)).

    attention: softmax(scale cos(q, k) + 16 sigmoid(mlp(log-spaced offset of query and key))) v.

Any input size, as in Swin: what windows and merging lack at the bottom and the right is zeros, a window is no larger
than the map, and an axis that one window covers isn't shifted. No weight depends on the window, so a checkpoint fits
windows of any size; `pretrained_window_sizes` tells the position bias which it was trained with.
"""

from vitgraph.blocks import (
    ContinuousWindowBias,
    CosineQKV,
    PatchMerging,
    Residual,
    SelfAttention,
    Stage,
    WindowOffsets,
    WindowPartition,
    WindowReverse,
)
from vitgraph.blocks.base import pair
from vitgraph.old.contract import Check, begin, builder, finish, is_sides, shape_of
from vitgraph.old.layers import (
    ACTIVATIONS,
    activation,
    conv,
    dense,
    drop_path_rates,
    dropout,
    layer_norm,
    map_top,
    mlp,
    pad_to_patch,
)
from vitgraph.wiring.windows import block_window, windows_per_stage

_SMALL = {"depths": (2, 2, 18, 2)}
_BASE = {"dim": 128, "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32)}
_LARGE = {"dim": 192, "depths": (2, 2, 18, 2), "num_heads": (6, 12, 24, 48)}
_12 = {"input_shape": (192, 192, 3), "window_size": 12}
_12TO16 = {"window_size": 16, "pretrained_window_sizes": (12, 12, 12, 6)}
_12TO24 = {"input_shape": (384, 384, 3), "window_size": 24, "pretrained_window_sizes": (12, 12, 12, 6)}

VARIANTS = {  # section 3.5 of the paper; windows and image sizes of its tables 2 and 4
    "swinv2_tiny_window8_256": {},
    "swinv2_tiny_window16_256": {"window_size": 16},
    "swinv2_small_window8_256": {**_SMALL},
    "swinv2_small_window16_256": {**_SMALL, "window_size": 16},
    "swinv2_base_window8_256": {**_BASE},
    "swinv2_base_window16_256": {**_BASE, "window_size": 16},
    "swinv2_base_window12_192": {**_BASE, **_12},
    "swinv2_base_window12to16_192to256": {**_BASE, **_12TO16},
    "swinv2_base_window12to24_192to384": {**_BASE, **_12TO24},
    "swinv2_large_window12_192": {**_LARGE, **_12},
    "swinv2_large_window12to16_192to256": {**_LARGE, **_12TO16},
    "swinv2_large_window12to24_192to384": {**_LARGE, **_12TO24},
}


@builder
def build_swin_v2(
    input_shape=(256, 256, 3),
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
    window_size=8,
    pretrained_window_sizes=None,
    mlp_ratio=4.0,
    qkv_bias=True,
    act="gelu",
    clip_windows=True,
    img_size=None,
    norm_eps=1e-5,
    drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="swin_v2",
):
    """Builds a Swin Transformer V2 (arXiv:2111.09883): image (B, H, W, C) -> scores (B, num_classes).

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
        pretrained_window_sizes: one a stage, the side of the windows, or (rows, columns), that the weights were trained
            with, to which offsets are relative; 0: the block's own window. None: 0 everywhere.
        mlp_ratio: widening of the feed-forward layers.
        qkv_bias: whether queries and values have biases; keys never do.
        act: "gelu" (exact), "gelu_tanh", "quick_gelu", "relu", "silu", ... in the feed-forward layers.
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
    check = Check("build_swin_v2")
    check.per_stage(depths=depths, num_heads=num_heads)
    check.positive(dim=dim, patch_size=patch_size)
    check.over_zero(mlp_ratio=mlp_ratio)
    check.that(act in ACTIVATIONS, "act", act, ", ".join(ACTIVATIONS))
    if img_size is not None:
        check.sides(img_size=img_size)
    dims = [dim * 2**i for i in range(len(depths))]
    check.heads_divide(dims, num_heads)
    windows = windows_per_stage(check, window_size, len(depths))
    references = _references(check, pretrained_window_sizes, depths)
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
            x = dense(x, dims[i], f"{stage}_merge_reduction", use_bias=False)
            x = layer_norm(x, norm_eps, f"{stage}_merge_norm")
        grid = [None if n is None else -(-n // stride) for n in planned]
        for j in range(depth):
            block, drop_path = f"{stage}_block_{j}", next(rates)
            window = block_window(windows[i], j % 2 == 1, grid, clip_windows)
            y = _attention(x, num_heads[i], window, references[i], qkv_bias, attn_drop_rate, f"{block}_attn")
            x = _residual(x, y, norm_eps, drop_rate, drop_path, block, 1)
            y = mlp(x, int(dims[i] * mlp_ratio), act, f"{block}_mlp", drop_rate)
            x = _residual(x, y, norm_eps, drop_rate, drop_path, block, 2)
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


def _attention(x, num_heads, window, reference, qkv_bias, drop, name):
    """Cosine attention within the windows of x (B, H, W, C), with a bias by relative position."""
    bias = _position_bias(x, num_heads, window, reference, name)
    y = WindowPartition(**window, name=f"{name}_partition")(x)
    y = dense(y, 3 * x.shape[-1], f"{name}_qkv", use_bias=False)
    y = CosineQKV(num_heads, qkv_bias, name=f"{name}_cosine")(y)
    y = SelfAttention(num_heads, scale=1.0, drop=drop, name=name)(y, bias)
    y = WindowReverse(**window, name=f"{name}_reverse")(y, x)
    return dense(y, x.shape[-1], f"{name}_proj")


def _position_bias(x, num_heads, window, reference, name):
    """A network of two layers from the offsets of positions in a window to their bias for each head."""
    y = WindowOffsets(window["window_size"], reference, window["clip"], name=f"{name}_offsets")(x)
    y = activation(dense(y, 512, f"{name}_cpb_fc1"), "relu", f"{name}_cpb_act")
    y = dense(y, num_heads, f"{name}_cpb_fc2", use_bias=False)
    return ContinuousWindowBias(**window, name=f"{name}_bias")(y, x)


def _residual(x, branch, norm_eps, drop, drop_path, block, number):
    """x + norm(branch); the norm's scale starts at 0, and with it the branch."""
    branch = dropout(branch, drop, f"{block}_drop{number}")
    branch = layer_norm(branch, norm_eps, f"{block}_norm{number}", init=0.0)
    return Residual(drop_path=drop_path, name=f"{block}_res{number}")(x, branch)


def _references(check, pretrained_window_sizes, depths):
    """(rows, columns) of every stage's window in training before; zeros where it is the block's own."""
    if pretrained_window_sizes is None:
        return [(0, 0)] * len(depths)
    check.same_length(depths=depths, pretrained_window_sizes=pretrained_window_sizes)
    good = all(w == 0 or is_sides(w) for w in pretrained_window_sizes)
    allowed = "0, a positive integer or (rows, columns), one a stage"
    check.that(good, "pretrained_window_sizes", pretrained_window_sizes, allowed)
    return [pair(w) for w in pretrained_window_sizes]
