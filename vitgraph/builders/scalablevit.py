"""ScalableViT: attention in windows that talk to their neighbours, and attention over a map of scaled size and width.

Paper: Yang et al., "ScalableViT: Rethinking the Context-oriented Generalization of Vision Transformer",
arXiv:2203.10790.
Official code: github.com/Yangr116/ScalableViT, image_classification/models/scalablevit.py.

    image (H, W, 3)
      stage 1   7x7/4 convolution, norm -> blocks     (H/4,  W/4,  dims[0])
      stage 2   3x3/2 convolution, norm -> blocks     (H/8,  W/8,  dims[1])
      stage 3   likewise                              (H/16, W/16, dims[2])
      stage 4   likewise                              (H/32, W/32, dims[3])
      norm, mean, head of one hidden layer

    block: x + attention(norm(x)), x + mlp(norm(x)); after a stage's first block x + depthwise 3x3 convolution(x) (PEG).
    attention: in blocks 0, 2, ... within windows (IWSA), to which a depthwise 3x3 convolution of the values over the
               whole map is added (LIM); in blocks 1, 3, ... over all positions (SSA), with keys and values from a map
               that is reduced `sr_ratio` times, and queries and keys `c_ratio` times as wide.

Any input size, also one that is not known. The official code demands maps that the windows divide; here a window is no
larger than the map, and what the last ones lack is zeros. Where the reduction doesn't divide the map the remainder is
dropped. The published code begins a stage with IWSA, the paper's figure and vit-pytorch with SSA.
"""

from keras import layers

from vitgraph.blocks import (
    CrossAttention,
    DepthwiseConv2D,
    Residual,
    SelfAttention,
    Stage,
    TakeValues,
    WindowPartition,
    WindowReverse,
)
from vitgraph.old.contract import Check, begin, builder, finish, is_sides, shape_of
from vitgraph.old.layers import activation, conv, dense, drop_path_rates, dropout, head, layer_norm, map_top, mlp

_BASE = {"dims": (96, 192, 384, 768), "num_heads": (3, 6, 12, 24)}
_LARGE = {"dims": (128, 256, 512, 1024), "num_heads": (4, 8, 16, 32)}

VARIANTS = {  # table 1 of the paper; small_0 is in the official code only
    "scalable_vit_small": {},
    "scalable_vit_small_0": {"c_ratios": (1.25, 1.25, 1.25, 1.25), "head_hidden": None},
    "scalable_vit_base": {**_BASE, "depths": (2, 2, 14, 6), "c_ratios": (2, 1.25, 1.25, 1)},
    "scalable_vit_large": {**_LARGE, "depths": (2, 6, 12, 4), "c_ratios": (0.25, 0.5, 1, 1)},
}


@builder
def build_scalablevit(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=4,
    dims=(64, 128, 256, 512),
    depths=(2, 2, 20, 2),
    num_heads=(2, 4, 8, 16),
    mlp_ratios=(4, 4, 4, 4),
    window_size=7,
    sr_ratios=(8, 4, 2, 1),
    c_ratios=(1.25, 1.25, 1.25, 1),
    qkv_bias=True,
    head_hidden=4096,
    norm_eps=1e-6,
    drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="scalablevit",
):
    """Builds a ScalableViT (arXiv:2203.10790): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels); height and width in pixels, or both None. The least is what stages and
            `sr_ratios` reduce to 1: 32 unless they are changed.
        include_top: False ends the graph at the last, normed map (B, ceil(H / 32), ceil(W / 32), dims[-1]).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map: (B, dims[-1]).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: step of the first convolution, in pixels, whose kernel is 3 wider; 4 or more.
        dims, depths, num_heads, mlp_ratios: width, blocks, heads and widening of the feed-forward layer, one a stage.
        window_size: side of IWSA's windows in positions, a number or one a stage; None: one window, the whole map;
            1: no IWSA, all blocks have SSA.
        sr_ratios: one a stage, the side of the map that SSA's keys and values come from is so many times smaller.
        c_ratios: one a stage, SSA's queries and keys are so many times as wide as the stage (40 channels for heads of
            32: 1.25). Where nothing is reduced (1 in `sr_ratios`) only attention's scale changes, as in the official
            code.
        qkv_bias: whether the projections to queries, keys and values have biases.
        head_hidden: width of the head's hidden layer; None: a linear head.
        norm_eps: epsilon of all norms but the reductions', which have 1e-5.
        drop_rate: dropout after embeddings and projections, and in the feed-forward layers.
        attn_drop_rate: dropout of attention probabilities.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5" (for patch_size 4), each stage's map before the final norm.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_scalablevit")
    check.per_stage(dims=dims, depths=depths, num_heads=num_heads, sr_ratios=sr_ratios)
    check.same_length(dims=dims, mlp_ratios=mlp_ratios, c_ratios=c_ratios)
    check.over_zero(mlp_ratios=mlp_ratios, c_ratios=c_ratios)
    check.heads_divide(dims, num_heads)
    _check_scaled_widths(check, dims, num_heads, sr_ratios, c_ratios)
    check.positive(patch_size=patch_size)
    check.that(patch_size >= 4, "patch_size", patch_size, "4 or more: smaller ones overlap past the borders")
    if head_hidden is not None:
        check.positive(head_hidden=head_hidden)
    windows = _windows_per_stage(check, window_size, len(depths))
    smallest = max(patch_size * 2**i * ratio for i, ratio in enumerate(sr_ratios))
    check.smallest(smallest, input_shape=shape_of(input_shape, input_tensor))

    x = inputs = begin(input_shape, input_tensor)
    rates = iter(drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage = f"stage_{i + 1}"
        step, overlap = (patch_size, 3) if i == 0 else (2, 1)
        x = conv(x, dims[i], step + overlap, step, f"{stage}_embed", padding=overlap)
        x = dropout(layer_norm(x, norm_eps, f"{stage}_embed_norm"), drop_rate, f"{stage}_drop")
        for j in range(depth):
            block, drop_path = f"{stage}_block_{j}", next(rates)
            y = layer_norm(x, norm_eps, f"{block}_norm1")
            if j % 2 == 0 and windows[i] != 1:
                y = _window_attention(y, num_heads[i], windows[i], qkv_bias, attn_drop_rate, f"{block}_attn")
            else:
                scaling = sr_ratios[i], c_ratios[i]
                y = _scalable_attention(y, num_heads[i], *scaling, qkv_bias, attn_drop_rate, f"{block}_attn")
            x = Residual(drop_path=drop_path, dropout=drop_rate, name=f"{block}_res1")(x, y)
            y = layer_norm(x, norm_eps, f"{block}_norm2")
            y = mlp(y, int(dims[i] * mlp_ratios[i]), "gelu", f"{block}_mlp", drop_rate)
            x = Residual(drop_path=drop_path, dropout=drop_rate, name=f"{block}_res2")(x, y)
            if j == 0:
                x = Residual(name=f"{stage}_peg_res")(x, DepthwiseConv2D(3, name=f"{stage}_peg")(x))
        x = Stage(patch_size * 2**i, name=stage)(x)

    x = layer_norm(x, norm_eps, "norm")
    if include_top and head_hidden is not None:
        x = _mlp_head(x, head_hidden, num_classes, classifier_activation, norm_eps)
    else:
        x = map_top(
            x,
            include_top=include_top,
            num_classes=num_classes,
            classifier_activation=classifier_activation,
            pooling=pooling,
            drop_rate=0.0,
        )
    return finish(inputs, x, name)


def _window_attention(x, num_heads, window, qkv_bias, drop, name):
    """IWSA: self-attention within the windows of x (B, H, W, C), plus a convolution of the values across them."""
    dim = x.shape[-1]
    qkv = dense(x, 3 * dim, f"{name}_qkv", qkv_bias)
    lim = DepthwiseConv2D(3, name=f"{name}_lim")(TakeValues(name=f"{name}_values")(qkv))
    if window is None:
        x = SelfAttention(num_heads, drop=drop, name=name)(qkv)
    else:
        y = WindowPartition(window, name=f"{name}_partition")(qkv)
        y = SelfAttention(num_heads, drop=drop, name=name)(y)
        x = WindowReverse(window, name=f"{name}_reverse")(y, x)
    x = Residual(name=f"{name}_lim_res")(x, lim)
    return dense(x, dim, f"{name}_proj")


def _scalable_attention(x, num_heads, sr_ratio, c_ratio, qkv_bias, drop, name):
    """SSA: queries from x (B, H, W, C), keys and values from a smaller map; queries and keys of another width."""
    dim = x.shape[-1]
    width = int(dim * c_ratio) if sr_ratio > 1 else dim
    q = dense(x, width, f"{name}_q", qkv_bias)
    if sr_ratio > 1:
        x = DepthwiseConv2D(sr_ratio, sr_ratio, padding=0, name=f"{name}_sr")(x)
        x = layer_norm(conv(x, width, 1, 1, f"{name}_sr_proj"), 1e-5, f"{name}_sr_norm")
        kv = dense(activation(x, "gelu", f"{name}_sr_act"), width + dim, f"{name}_sr_kv", qkv_bias)
    else:
        kv = dense(x, 2 * dim, f"{name}_kv", qkv_bias)
    scale = (dim // num_heads * c_ratio) ** -0.5
    x = CrossAttention(num_heads, scale=scale, drop=drop, name=name)(q, kv)
    return dense(x, dim, f"{name}_proj")


def _mlp_head(x, hidden, num_classes, classifier_activation, norm_eps):
    """Mean of the map, a hidden layer with a norm, class scores."""
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layer_norm(dense(x, hidden, "head_fc"), norm_eps, "head_norm")
    return head(activation(x, "gelu", "head_act"), num_classes, classifier_activation)


def _windows_per_stage(check, window_size, stages):
    """`window_size` in any of its forms -> a number or None for every stage."""
    windows = window_size if isinstance(window_size, (tuple, list)) else [window_size] * stages
    good = len(windows) == stages and all(w is None or (is_sides(w) and isinstance(w, int)) for w in windows)
    check.that(good, "window_size", window_size, f"a positive integer, None, or {stages} of these, one a stage")
    return windows


def _check_scaled_widths(check, dims, num_heads, sr_ratios, c_ratios):
    """Where SSA reduces, every head has the same, whole number of scaled channels."""
    for dim, heads, sr_ratio, c_ratio in zip(dims, num_heads, sr_ratios, c_ratios, strict=True):
        width = int(dim * c_ratio)
        good = sr_ratio == 1 or (width >= heads and width % heads == 0)
        allowed = f"ratios that make of the width a multiple of the heads, here {width} for {heads} heads"
        check.that(good, "c_ratios", c_ratios, allowed)
