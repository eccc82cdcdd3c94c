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

    block: x + norm(attention in windows(x)), in every other block on a map shifted by half a window;
           x + norm(mlp(x)).

    attention: softmax(scale cos(q, k) + 16 sigmoid(mlp(log-spaced offset of query and key))) v.

Any input size, as in Swin: the bottom and the right are padded with zeros to whole windows and to pairs of positions, a
window is never larger than the map, and an axis that one window covers isn't shifted. No weight depends on the window,
so a checkpoint fits windows of any size; `pretrained_window_sizes` tells the position bias which ones it was trained
with.
"""

from typing import Annotated, Literal

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.transformer import Transformer
from vitgraph.wiring.windows import block_window, doubled, embedded_patches

_SMALL = {"depths": (2, 2, 18, 2)}
_BASE = {"dim": 128, "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32)}
_LARGE = {"dim": 192, "depths": (2, 2, 18, 2), "num_heads": (6, 12, 24, 48)}
_12 = {"input_shape": (192, 192, 3), "window_sizes": 12}
_12TO16 = {"window_sizes": 16, "pretrained_window_sizes": (12, 12, 12, 6)}
_12TO24 = {"input_shape": (384, 384, 3), "window_sizes": 24, "pretrained_window_sizes": (12, 12, 12, 6)}

VARIANTS = {  # section 3.5 of the paper; windows and image sizes of its tables 2 and 4
    "swinv2_tiny_window8_256": {},
    "swinv2_tiny_window16_256": {"window_sizes": 16},
    "swinv2_small_window8_256": {**_SMALL},
    "swinv2_small_window16_256": {**_SMALL, "window_sizes": 16},
    "swinv2_base_window8_256": {**_BASE},
    "swinv2_base_window16_256": {**_BASE, "window_sizes": 16},
    "swinv2_base_window12_192": {**_BASE, **_12},
    "swinv2_base_window12to16_192to256": {**_BASE, **_12TO16},
    "swinv2_base_window12to24_192to384": {**_BASE, **_12TO24},
    "swinv2_large_window12_192": {**_LARGE, **_12},
    "swinv2_large_window12to16_192to256": {**_LARGE, **_12TO16},
    "swinv2_large_window12to24_192to384": {**_LARGE, **_12TO24},
}

_Pretrained = Annotated[int, c.between(0, 64)]


@c.builder
def build_swin_v2(
    input_shape: c.Image = (256, 256, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Kernel = 4,
    dim: c.Width = 96,
    depths: c.PerStage[c.Depth] = (2, 2, 6, 2),
    num_heads: c.PerStage[c.Count] = (3, 6, 12, 24),
    mlp_ratios: c.OneOrPerStage[c.Ratio] = 4.0,
    window_sizes: c.Window | c.PerStage[c.Window | tuple[c.Window, c.Window]] = 8,
    pretrained_window_sizes: _Pretrained | c.PerStage[_Pretrained | tuple[_Pretrained, _Pretrained]] = 0,
    qkv_bias: bool = True,
    act: c.Act = "gelu",
    clip_windows: bool = True,
    pos_embed: Literal["learn", "none"] = "none",
    img_size: c.ImageSize | None = None,
    norm_eps: c.Epsilon = 1e-5,
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "swin_v2",
) -> keras.Model:
    """Builds a Swin Transformer V2 (arXiv:2111.09883): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        patch_size: side of a patch, in pixels; the image is padded with zeros to whole patches.
        dim: width of the first stage; it doubles at each further stage.
        pretrained_window_sizes: side of the windows that the weights were trained with, in the form of `window_sizes`;
            0: that of the block's own window.
        qkv_bias: whether queries and values have biases; keys never do.
        pos_embed: "learn" adds a learned table to the embedded patches (`ape` in the official code), beside the biases
            by relative position; for another image size it is resampled.
        img_size: side or (height, width) of the image for which windows are clipped and the table of positions is made
            where `input_shape` is open; None: windows are clipped for the image at hand.
        pos_drop_rate: dropout after the patch embedding, its norm and the positions.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5" (for `patch_size` 4), each stage's map before the final norm;
        the last map is (B, ceil(H / 32), ceil(W / 32), 8 dim).

    Example:
        >>> backbone = vitgraph.build_swin_v2((64, 96, 3), include_top=False, depths=(1, 1, 2, 1))
        >>> backbone.output_shape
        (None, 2, 3, 768)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    dims, ratios = doubled(dim, len(depths)), c.entries(mlp_ratios)
    windows, pretrained = c.entries(window_sizes), c.entries(pretrained_window_sizes)
    c.heads_divide(dims, num_heads)
    c.has_hidden(dims, ratios, "mlp_ratios")
    c.at_least(patch_size, border.shape)
    planned = border.shape[:2] if img_size is None else border.planned(img_size)

    x = embedded_patches(border.image, patch_size, dim, norm_eps, pos_embed, planned, pos_drop_rate)
    rates = iter(w.drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage, stride = f"stage_{i + 1}", patch_size * 2**i
        t = Transformer(
            dim=dims[i], num_heads=num_heads[i], mlp_ratio=ratios[i], qkv_bias=qkv_bias, act=act,
            norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
        )  # fmt: skip
        if i > 0:
            x = blocks.PatchMerging(name=f"{stage}_merge")(x)
            x = w.dense(x, dims[i], f"{stage}_merge_reduction", use_bias=False)
            x = t.norm(x, f"{stage}_merge_norm")
        grid = [None if n is None else -(-n // stride) for n in planned]
        for j in range(depth):
            block, drop_path = f"{stage}_block_{j}", next(rates)
            window = block_window(windows[i], j % 2 == 1, grid, clip_windows, border.is_open)
            x = _residual(x, _attention(x, t, window, pretrained[i], f"{block}_attn"), t, drop_path, block, 1)
            x = _residual(x, t.mlp(x, f"{block}_mlp"), t, drop_path, block, 2)
        x = blocks.Stage(stride, name=stage)(x)
    return border.end(w.layer_norm(x, norm_eps, "norm"), drop_rate)


def _attention(x, t, window, pretrained, name):
    """Cosine attention within the windows of x (B, H, W, C), with a bias by relative position."""
    bias = _position_bias(x, t.num_heads, window, pretrained, name)
    y = blocks.WindowPartition(**window, name=f"{name}_partition")(x)
    y = w.dense(y, 3 * t.dim, f"{name}_qkv", use_bias=False)
    y = blocks.CosineQKV(t.num_heads, t.qkv_bias, name=f"{name}_cosine")(y)
    y = blocks.SelfAttention(t.num_heads, scale=1.0, drop=t.attn_drop_rate, name=name)(y, bias)
    y = blocks.WindowReverse(**window, name=f"{name}_reverse")(y, x)
    return w.dense(y, t.dim, f"{name}_proj")


def _position_bias(x, num_heads, window, pretrained, name):
    """A network of two layers from the offsets of positions in a window to their bias for each head."""
    y = blocks.WindowOffsets(window["window_size"], pretrained, window["clip"], name=f"{name}_offsets")(x)
    y = w.activation(w.dense(y, 512, f"{name}_cpb_fc1"), "relu", f"{name}_cpb_act")
    y = w.dense(y, num_heads, f"{name}_cpb_fc2", use_bias=False)
    return blocks.ContinuousWindowBias(**window, name=f"{name}_bias")(y, x)


def _residual(x, branch, t, drop_path, block, number):
    """x + norm(branch); the norm's scale starts at 0, and with it the branch."""
    branch = w.dropout(branch, t.proj_drop_rate, f"{block}_drop{number}")
    branch = w.layer_norm(branch, t.norm_eps, f"{block}_norm{number}", init=0.0)
    return blocks.Residual(drop_path=drop_path, name=f"{block}_res{number}")(x, branch)
