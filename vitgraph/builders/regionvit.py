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

Local and regional tokens share all layers except the first. Any input size, also an open one: the image is padded on
all sides for the regional tokens, and the windows are padded at the bottom and the right and masked, exactly as in the
official code.
"""

from typing import Annotated, Literal

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.transformer import Transformer

_SMALL = {"dims": (96, 192, 384, 768), "num_heads": (3, 6, 12, 24)}
_MEDIUM = {**_SMALL, "depths": (2, 2, 14, 2), "patch_conv_type": "1conv"}
_BASE = {**_MEDIUM, "dims": (128, 256, 512, 1024), "num_heads": (4, 8, 16, 32)}

VARIANTS = {  # table 1 of the paper; w14 and peg: the official code
    "regionvit_tiny_224": {},
    "regionvit_small_224": {**_SMALL},
    "regionvit_small_w14_224": {**_SMALL, "window_sizes": 14},
    "regionvit_small_w14_peg_224": {**_SMALL, "window_sizes": 14, "peg": True},
    "regionvit_medium_224": {**_MEDIUM},
    "regionvit_base_224": {**_BASE},
    "regionvit_base_w14_224": {**_BASE, "window_sizes": 14},
    "regionvit_base_w14_peg_224": {**_BASE, "window_sizes": 14, "peg": True},
}


@c.builder
def build_regionvit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    stem_stride: c.Kernel = 4,
    patch_conv_type: Literal["3conv", "1conv", "linear"] = "3conv",
    stem_dim: c.Width | None = None,
    dims: c.PerStage[c.Width] = (64, 128, 256, 512),
    depths: c.PerStage[c.Depth] = (2, 2, 8, 2),
    num_heads: c.PerStage[c.Count] = (2, 4, 8, 16),
    mlp_ratios: c.OneOrPerStage[c.Ratio] = 4.0,
    window_sizes: c.OneOrPerStage[c.Window] = 7,
    strides: c.PerStage[Annotated[int, c.between(1, 2)]] = (1, 2, 2, 2),
    peg: bool = False,
    det_norm: bool = False,
    qkv_bias: bool = True,
    qk_scale: c.Scale | None = None,
    norm_eps: c.Epsilon = 1e-6,
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "regionvit",
) -> keras.Model:
    """Builds a RegionViT (arXiv:2106.02689): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        stem_stride: pixels between two local tokens; 4 for "3conv".
        patch_conv_type: local tokens by "3conv" (3x3 convolutions with norms between them), "1conv" (one convolution
            with a kernel twice as large as its stride) or "linear" (patches).
        stem_dim: width of the tokens before the first stage; None: dims[0].
        dims: width of each stage, a multiple of the one before.
        window_sizes: side of a region, in local tokens, for all stages or per stage; never smaller than the first.
        strides: 1 or 2, stride of the convolution of both maps before each stage's blocks; there is none where neither
            size nor width changes.
        peg: whether x + depthwise 3x3 convolution(x) follows each stage's first block, for both maps.
        det_norm: whether each stage's local map is normed, as for detection.
        norm_eps: epsilon of the norms of the blocks and the last one; those of maps have 1e-5.
        pos_drop_rate: dropout of the local tokens before the first stage.
        drop_path_rate: stochastic depth of the last block, by region; earlier ones have less.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5" (for `stem_stride` 4), each stage's map of local tokens; the
        last map is (B, H / 32, W / 32, dims[-1]).

    Example:
        >>> backbone = vitgraph.build_regionvit((64, 96, 3), include_top=False, depths=(1, 1, 2, 1))
        >>> backbone.output_shape
        (None, 2, 3, 512)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    widths, ratios, windows = (stem_dim or dims[0], *dims), c.entries(mlp_ratios), c.entries(window_sizes)
    c.heads_divide(dims, num_heads)
    c.has_hidden(dims, ratios, "mlp_ratios")
    _check_tokens(widths, windows, stem_stride, patch_conv_type)
    c.at_least(stem_stride, border.shape)

    x = _TOKENIZERS[patch_conv_type](border.image, widths[0], stem_stride)
    x = layers.Dropout(pos_drop_rate, name="pos_drop")(x)  # at any rate: the order of the weights depends on it
    r = _regional_embed(border.image, widths[0], stem_stride * windows[0])
    rates, stride = iter(w.drop_path_rates(drop_path_rate, sum(depths))), stem_stride
    for i, depth in enumerate(depths):
        stage, stride = f"stage_{i + 1}", stride * strides[i]
        t = Transformer(
            dim=dims[i], num_heads=num_heads[i], mlp_ratio=ratios[i], qkv_bias=qkv_bias, qk_scale=qk_scale,
            norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
        )  # fmt: skip
        if strides[i] > 1 or widths[i] != dims[i]:
            x, r = _project((x, r), dims[i], strides[i], f"{stage}_proj")
        local, padded = _to_windows(x, r, windows[i], stage)
        for j in range(depth):
            block = f"{stage}_block_{j}"
            bias = blocks.RegionBias(windows[i], num_heads[i], name=f"{block}_attn_bias")(x, r)
            r, local = _block(r, local, bias, t, next(rates), block)
            if peg and j == 0:
                x = _to_map(local, padded, x, windows[i], f"{block}_map")
                x, r = _peg((x, r), f"{stage}_peg")
                local, padded = _to_windows(x, r, windows[i], f"{stage}_peg")
        x = _to_map(local, padded, x, windows[i], f"{stage}_map")
        if det_norm:
            x = w.layer_norm(x, 1e-5, f"{stage}_norm")
        x = blocks.Stage(stride, name=stage)(x)
    if include_top:
        x = w.layer_norm(blocks.Alongside(name="regional")(r, x), norm_eps, "fc_norm")
    return border.end(x, drop_rate)


def _check_tokens(widths, windows, stem_stride, patch_conv_type):
    good = all(dim % before == 0 for before, dim in zip(widths, widths[1:], strict=False))
    c.require(good, "dims", f"multiples, each of the one before, and the first of {widths[0]}")
    c.require(min(windows) == windows[0], "window_sizes", f"no side smaller than the first, here {windows[0]}")
    if patch_conv_type == "3conv":
        c.require(stem_stride == 4, "stem_stride", '4 with patch_conv_type="3conv"')
        c.require(widths[0] >= 4, "stem_dim", f'at least 4 with patch_conv_type="3conv", here {widths[0]}')
    if patch_conv_type == "1conv":
        c.require(stem_stride > 1, "stem_stride", 'at least 2 with patch_conv_type="1conv"')
    region = stem_stride * windows[0]
    c.require(region <= 512, "stem_stride", f"regions of at most 512 pixels a side, here {region}")


def _three_convs(x, dim, stride):
    for i, (filters, step) in enumerate(((dim // 4, 2), (dim // 2, 2)), start=1):
        x = w.conv(x, filters, 3, step, f"patch_embed_conv{i}", padding=1)
        x = w.layer_norm(x, 1e-5, f"patch_embed_norm{i}")
        x = w.activation(x, "gelu", f"patch_embed_act{i}")
    return w.conv(x, dim, 3, 1, "patch_embed_conv3", padding=1)


def _one_conv(x, dim, stride):
    return w.conv(x, dim, 2 * stride, stride, "patch_embed", padding=stride - 1)


def _linear(x, dim, stride):
    return w.conv(x, dim, stride, stride, "patch_embed")


_TOKENIZERS = {"3conv": _three_convs, "1conv": _one_conv, "linear": _linear}


def _regional_embed(x, dim, region):
    x = blocks.PadCentred(region, name="regional_pad")(x)
    return w.conv(x, dim, region, region, "regional_embed")


def _project(maps, dim, stride, name):
    """Norm, GELU and a depthwise convolution between two stages, the same for local and regional tokens."""
    norm, act = blocks.LayerNorm(1e-5, name=f"{name}_norm"), blocks.GELU(name=f"{name}_act")
    multiplier = dim // maps[0].shape[-1]
    conv = blocks.DepthwiseConv2D(2 * stride - 1, stride, depth_multiplier=multiplier, name=name)
    return [conv(act(norm(x))) for x in maps]


def _block(r, local, bias, t, drop_path, name):
    """Regional tokens (B, R, S, C) and local ones (B R S, w w, C): one attention for the former, then for all."""
    qkv = w.dense_layer(t.dim, 3 * t.dim, f"{name}_attn_qkv", t.qkv_bias)
    proj = w.dense_layer(t.dim, t.dim, f"{name}_attn_proj")

    def attention(x, *bias, name):
        return proj(blocks.SelfAttention(t.num_heads, t.qk_scale, t.attn_drop_rate, name=name)(qkv(x), *bias))

    y = attention(t.norm(r, f"{name}_norm0"), name=f"{name}_attn_regional")
    r = t.residual(r, y, drop_path, f"{name}_res0")
    x = blocks.JoinRegional(name=f"{name}_join")(r, local)
    y = attention(t.norm(x, f"{name}_norm1"), bias, name=f"{name}_attn")
    x = t.residual(x, y, drop_path, f"{name}_res1")
    y = t.mlp(t.norm(x, f"{name}_norm2"), f"{name}_mlp")
    x = t.residual(x, y, drop_path, f"{name}_res2")
    return blocks.TakeRegional(name=f"{name}_regional")(x, r), blocks.DropPrefix(1, name=f"{name}_local")(x)


def _peg(maps, name):
    """x + depthwise convolution(x), the same for local and regional tokens."""
    conv = blocks.DepthwiseConv2D(3, use_bias=False, name=name)
    names = f"{name}_res", f"{name}_regional_res"
    return [blocks.Residual(name=name)(x, conv(x)) for x, name in zip(maps, names, strict=True)]


def _to_windows(x, r, window_size, name):
    """A map (B, H, W, C) -> the windows of its regions (B R S, w w, C), and the map padded to whole windows."""
    x = blocks.PadToRegions(window_size, name=f"{name}_pad")(x, r)
    return blocks.WindowPartition(window_size, clip=False, name=f"{name}_partition")(x), x


def _to_map(windows, padded, x, window_size, name):
    """The windows of regions (B R S, w w, C) -> a map (B, H, W, C) of the size of x."""
    y = blocks.WindowReverse(window_size, clip=False, name=f"{name}_reverse")(windows, padded)
    return blocks.CropTo(name=name)(y, x)
