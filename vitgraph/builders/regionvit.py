"""RegionViT: regional tokens attend to each other, and each of them with the local tokens of its region.

Paper: Chen, Panda and Fan, "RegionViT: Regional-to-Local Attention for Vision Transformers", arXiv:2106.02689.
Official code: github.com/IBM/RegionViT, regionvit/regionvit.py; checkpoints there.

    image (H, W, 3)
      local tokens: 3 convolutions, or 1          (H/4,  W/4,  dims[0])
      regional tokens: 28x28/28 convolution       (H/28, W/28, dims[0])
      stage 1   blocks                            (H/4,  W/4,  dims[0])   (H/28,  W/28,  dims[0])
      stage 2   3x3/2 convolution -> blocks       (H/8,  W/8,  dims[1])   (H/56,  W/56,  dims[1])
      stage 3   likewise                          (H/16, W/16, dims[2])   (H/112, W/112, dims[2])
      stage 4   likewise                          (H/32, W/32, dims[3])   (H/224, W/224, dims[3])
      norm, mean and head of the regional tokens

    block: r + attention(norm(r)) among the regional tokens r;
           t + attention(norm(t)) of t, each regional token with the local tokens of its window; the weights of both
           attentions are the same; t + mlp(norm(t)).

Local and regional tokens share all layers but the first. Any input size, also one that is not known: the image is
padded on all sides for the regional tokens, and the windows are padded at the bottom and the right and masked, as in
the official code to the letter.
"""

from keras import layers

from vitgraph.blocks import (
    GELU,
    Alongside,
    CropTo,
    DepthwiseConv2D,
    DropPrefix,
    JoinRegional,
    LayerNorm,
    PadCentred,
    PadToRegions,
    RegionBias,
    Residual,
    SelfAttention,
    Stage,
    TakeRegional,
    WindowPartition,
    WindowReverse,
)
from vitgraph.old.contract import Check, begin, builder, finish, is_sides, shape_of
from vitgraph.old.layers import activation, conv, dense_layer, drop_path_rates, layer_norm, map_top, mlp

_SMALL = {"dims": (96, 192, 384, 768), "num_heads": (3, 6, 12, 24)}
_MEDIUM = {**_SMALL, "depths": (2, 2, 14, 2), "patch_conv_type": "1conv"}
_BASE = {**_MEDIUM, "dims": (128, 256, 512, 1024), "num_heads": (4, 8, 16, 32)}

VARIANTS = {  # table 1 of the paper; w14 and peg: the official code
    "regionvit_tiny_224": {},
    "regionvit_small_224": {**_SMALL},
    "regionvit_small_w14_224": {**_SMALL, "window_size": 14},
    "regionvit_small_w14_peg_224": {**_SMALL, "window_size": 14, "peg": True},
    "regionvit_medium_224": {**_MEDIUM},
    "regionvit_base_224": {**_BASE},
    "regionvit_base_w14_224": {**_BASE, "window_size": 14},
    "regionvit_base_w14_peg_224": {**_BASE, "window_size": 14, "peg": True},
}


@builder
def build_regionvit(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=4,
    patch_conv_type="3conv",
    embed_dim=None,
    dims=(64, 128, 256, 512),
    depths=(2, 2, 8, 2),
    num_heads=(2, 4, 8, 16),
    mlp_ratio=4.0,
    window_size=7,
    downsampling=(1, 2, 2, 2),
    peg=False,
    det_norm=False,
    qkv_bias=True,
    qk_scale=None,
    norm_eps=1e-6,
    drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="regionvit",
):
    """Builds a RegionViT (arXiv:2106.02689): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels); height and width in pixels, or both None.
        include_top: False ends the graph at the last map of local tokens (B, H / 32, W / 32, dims[-1]).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map: (B, dims[-1]).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: pixels between two local tokens; 4 for "3conv".
        patch_conv_type: local tokens by "3conv" (3x3 convolutions with norms between them), "1conv" (one with a kernel
            of two patches) or "linear" (patches).
        embed_dim: width of the tokens before the first stage; None: dims[0].
        dims, depths, num_heads: width, blocks and heads, one a stage. A width is a multiple of the one before.
        mlp_ratio: widening of the feed-forward layers, a number or one a stage.
        window_size: side of a region in local tokens, a number or one a stage, none smaller than the first.
        downsampling: one a stage, the convolution before its blocks makes both maps 1 or 2 times smaller; there is none
            where neither size nor width changes.
        peg: after each stage's first block x + depthwise 3x3 convolution(x), of both maps.
        det_norm: a norm of each stage's local map, as for detection.
        qkv_bias: whether the projections to queries, keys and values have biases.
        qk_scale: factor of the products of queries and keys; None: (width of a head) ** -0.5.
        norm_eps: epsilon of the blocks' and the last norms; those of maps have 1e-5.
        drop_rate: dropout of the local tokens, after projections and in the feed-forward layers.
        attn_drop_rate: dropout of attention probabilities.
        drop_path_rate: stochastic depth of the last block, by region; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5" (for patch_size 4), each stage's map of local tokens.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_regionvit")
    check.per_stage(dims=dims, depths=depths, num_heads=num_heads, downsampling=downsampling)
    check.heads_divide(dims, num_heads)
    check.that(set(downsampling) <= {1, 2}, "downsampling", downsampling, "1 or 2 for every stage")
    check.positive(patch_size=patch_size)
    check.that(patch_conv_type in _TOKENIZERS, "patch_conv_type", patch_conv_type, ", ".join(_TOKENIZERS))
    check.that(patch_size == 4 or patch_conv_type != "3conv", "patch_size", patch_size, "4 with '3conv'")
    if embed_dim is not None:
        check.positive(embed_dim=embed_dim)
    if qk_scale is not None:
        check.over_zero(qk_scale=qk_scale)
    widths = (embed_dim or dims[0], *dims)
    good = all(dim % before == 0 for before, dim in zip(widths, dims, strict=False))
    check.that(good, "dims", dims, f"multiples, each of the one before, and the first of {widths[0]}")
    windows = _windows_per_stage(check, window_size, len(dims))
    ratios = mlp_ratio if isinstance(mlp_ratio, (tuple, list)) else [mlp_ratio] * len(dims)
    check.over_zero(mlp_ratio=mlp_ratio)
    check.same_length(dims=dims, mlp_ratio=ratios)
    check.smallest(patch_size, input_shape=shape_of(input_shape, input_tensor))

    inputs = begin(input_shape, input_tensor)
    x = _TOKENIZERS[patch_conv_type](inputs, widths[0], patch_size)
    x = layers.Dropout(drop_rate, name="pos_drop")(x)  # at any rate: the order of the weights depends on it
    r = _regional_embed(inputs, widths[0], patch_size * windows[0])
    rates, stride = iter(drop_path_rates(drop_path_rate, sum(depths))), patch_size
    for i, depth in enumerate(depths):
        stage, stride = f"stage_{i + 1}", stride * downsampling[i]
        numbers = (num_heads[i], int(dims[i] * ratios[i]), qkv_bias, qk_scale, norm_eps, drop_rate, attn_drop_rate)
        if downsampling[i] > 1 or widths[i] != dims[i]:
            x, r = _project((x, r), dims[i], downsampling[i], f"{stage}_proj")
        local, padded = _to_windows(x, r, windows[i], stage)
        for j in range(depth):
            block = f"{stage}_block_{j}"
            bias = RegionBias(windows[i], num_heads[i], name=f"{block}_attn_bias")(x, r)
            r, local = _block(r, local, bias, *numbers, next(rates), block)
            if peg and j == 0:
                x = _to_map(local, padded, x, windows[i], f"{block}_map")
                x, r = _peg((x, r), f"{stage}_peg")
                local, padded = _to_windows(x, r, windows[i], f"{stage}_peg")
        x = _to_map(local, padded, x, windows[i], f"{stage}_map")
        if det_norm:
            x = layer_norm(x, 1e-5, f"{stage}_norm")
        x = Stage(stride, name=stage)(x)

    if include_top:
        x = layer_norm(Alongside(name="regional")(r, x), norm_eps, "fc_norm")
    x = map_top(
        x,
        include_top=include_top,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        pooling=pooling,
        drop_rate=0.0,
    )
    return finish(inputs, x, name)


def _three_convs(x, dim, patch_size):
    for i, (filters, stride) in enumerate(((dim // 4, 2), (dim // 2, 2)), start=1):
        x = conv(x, filters, 3, stride, f"patch_embed_conv{i}", padding=1)
        x = layer_norm(x, 1e-5, f"patch_embed_norm{i}")
        x = activation(x, "gelu", f"patch_embed_act{i}")
    return conv(x, dim, 3, 1, "patch_embed_conv3", padding=1)


def _one_conv(x, dim, patch_size):
    return conv(x, dim, 2 * patch_size, patch_size, "patch_embed", padding=patch_size - 1)


def _linear(x, dim, patch_size):
    return conv(x, dim, patch_size, patch_size, "patch_embed")


_TOKENIZERS = {"3conv": _three_convs, "1conv": _one_conv, "linear": _linear}


def _regional_embed(x, dim, region):
    x = PadCentred(region, name="regional_pad")(x)
    return conv(x, dim, region, region, "regional_embed")


def _project(maps, dim, stride, name):
    """Norm, GELU and a depthwise convolution between two stages, the same for local and regional tokens."""
    norm, act = LayerNorm(1e-5, name=f"{name}_norm"), GELU(name=f"{name}_act")
    multiplier = dim // maps[0].shape[-1]
    conv = DepthwiseConv2D(2 * stride - 1, stride, depth_multiplier=multiplier, name=name)
    return [conv(act(norm(x))) for x in maps]


def _block(r, local, bias, num_heads, hidden, qkv_bias, qk_scale, norm_eps, drop, attn_drop, drop_path, name):
    """Regional tokens (B, R, S, C) and local ones (B R S, w w, C): one attention for the former, then for all."""
    dim, drops = r.shape[-1], {"drop_path": drop_path, "dropout": drop}
    qkv, proj = dense_layer(3 * dim, f"{name}_attn_qkv", qkv_bias), dense_layer(dim, f"{name}_attn_proj")

    def attention(*inputs, name):
        x, *bias = inputs
        return proj(SelfAttention(num_heads, qk_scale, attn_drop, name=name)(qkv(x), *bias))

    y = attention(layer_norm(r, norm_eps, f"{name}_norm0"), name=f"{name}_attn_regional")
    r = Residual(**drops, name=f"{name}_res0")(r, y)
    x = JoinRegional(name=f"{name}_join")(r, local)
    y = attention(layer_norm(x, norm_eps, f"{name}_norm1"), bias, name=f"{name}_attn")
    x = Residual(**drops, name=f"{name}_res1")(x, y)
    y = mlp(layer_norm(x, norm_eps, f"{name}_norm2"), hidden, "gelu", f"{name}_mlp", drop)
    x = Residual(**drops, name=f"{name}_res2")(x, y)
    return TakeRegional(name=f"{name}_regional")(x, r), DropPrefix(1, name=f"{name}_local")(x)


def _peg(maps, name):
    """x + depthwise convolution(x), the same for local and regional tokens."""
    conv = DepthwiseConv2D(3, use_bias=False, name=name)
    names = f"{name}_res", f"{name}_regional_res"
    return [Residual(name=name)(x, conv(x)) for x, name in zip(maps, names, strict=True)]


def _to_windows(x, r, window_size, name):
    """A map (B, H, W, C) -> the windows of its regions (B R S, w w, C), and the map padded to whole windows."""
    x = PadToRegions(window_size, name=f"{name}_pad")(x, r)
    return WindowPartition(window_size, clip=False, name=f"{name}_partition")(x), x


def _to_map(windows, padded, x, window_size, name):
    """The windows of regions (B R S, w w, C) -> a map (B, H, W, C) of the size of x."""
    y = WindowReverse(window_size, clip=False, name=f"{name}_reverse")(windows, padded)
    return CropTo(name=name)(y, x)


def _windows_per_stage(check, window_size, stages):
    """`window_size` in either form -> a number for every stage."""
    windows = window_size if isinstance(window_size, (tuple, list)) else [window_size] * stages
    good = len(windows) == stages and all(is_sides(w) and isinstance(w, int) and w >= windows[0] for w in windows)
    allowed = f"a positive integer, or {stages} of them, one a stage, none smaller than the first"
    check.that(good, "window_size", window_size, allowed)
    return windows
