"""Swin Transformer: attention within windows that shift from block to block.

Paper: Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", arXiv:2103.14030.
Official code: github.com/microsoft/Swin-Transformer, models/swin_transformer.py; checkpoints there and in timm.

    image (H, W, 3)
      4x4/4 convolution, norm, in some nets learned positions
      stage 1   blocks                     (H/4,  W/4,  dim)
      stage 2   patch merging, blocks      (H/8,  W/8,  2 dim)
      stage 3   likewise                   (H/16, W/16, 4 dim)
      stage 4   likewise                   (H/32, W/32, 8 dim)
      norm, mean, head

    block: x + attention in windows(norm(x)), in every other block on a map shifted by half a window;
           x + mlp(norm(x)).

Any input size, also an open one: the bottom and the right are padded with zeros to whole windows and to pairs of
positions, a window is never larger than the map, and an axis that one window covers isn't shifted. With a known size
this is decided when the graph is built, and the bias tables are as small as their windows, as in the official code;
with an open one, when the graph runs, and smaller windows use the middle of the tables.
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
_384 = {"input_shape": (384, 384, 3), "window_sizes": 12}

VARIANTS = {  # section 3.3 of the paper; s3: Chen et al., arXiv:2111.14725
    "swin_tiny_patch4_window7_224": {},
    "swin_small_patch4_window7_224": {**_SMALL},
    "swin_base_patch4_window7_224": {**_BASE},
    "swin_base_patch4_window12_384": {**_BASE, **_384},
    "swin_large_patch4_window7_224": {**_LARGE},
    "swin_large_patch4_window12_384": {**_LARGE, **_384},
    "swin_s3_tiny_224": {"window_sizes": (7, 7, 14, 7)},
    "swin_s3_small_224": {**_SMALL, "window_sizes": (14, 14, 14, 7)},
    "swin_s3_base_224": {"depths": (2, 2, 30, 2), "window_sizes": (7, 7, 14, 7)},
}


@c.builder
def build_swin(
    input_shape: c.Image = (224, 224, 3),
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
    window_sizes: c.Window | c.PerStage[c.Window | tuple[c.Window, c.Window]] = 7,
    qkv_bias: bool = True,
    head_dim: Annotated[int, c.between(1, 512)] | None = None,
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
    name: c.Name = "swin",
) -> keras.Model:
    """Builds a Swin Transformer (arXiv:2103.14030): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        patch_size: side of a patch, in pixels; the image is padded with zeros to whole patches.
        dim: width of the first stage; it doubles at each further stage.
        pos_embed: "learn" adds a learned table to the embedded patches (`ape` in the official code), beside the biases
            by relative position; for another image size it is resampled.
        img_size: side or (height, width) of the image for which windows are clipped and the table of positions is made
            where `input_shape` is open; None: windows are clipped for the image at hand.
        pos_drop_rate: dropout after the patch embedding, its norm and the positions.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5" (for `patch_size` 4), each stage's map before the final norm;
        the last map is (B, ceil(H / 32), ceil(W / 32), 8 dim).

    Example:
        >>> backbone = vitgraph.build_swin((64, 96, 3), include_top=False, depths=(1, 1, 2, 1))
        >>> backbone.output_shape
        (None, 2, 3, 768)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    dims, ratios, windows = doubled(dim, len(depths)), c.entries(mlp_ratios), c.entries(window_sizes)
    if head_dim is None:
        c.heads_divide(dims, num_heads)
    c.has_hidden(dims, ratios, "mlp_ratios")
    c.at_least(patch_size, border.shape)
    planned = border.shape[:2] if img_size is None else border.planned(img_size)

    x = embedded_patches(border.image, patch_size, dim, norm_eps, pos_embed, planned, pos_drop_rate)
    rates = iter(w.drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage, stride = f"stage_{i + 1}", patch_size * 2**i
        t = Transformer(
            dim=dims[i], num_heads=num_heads[i], mlp_ratio=ratios[i], qkv_bias=qkv_bias, head_dim=head_dim,
            norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
        )  # fmt: skip
        if i > 0:
            x = t.norm(blocks.PatchMerging(name=f"{stage}_merge")(x), f"{stage}_merge_norm")
            x = w.dense(x, dims[i], f"{stage}_merge_reduction", use_bias=False)
        grid = [None if n is None else -(-n // stride) for n in planned]
        for j in range(depth):
            block, drop_path = f"{stage}_block_{j}", next(rates)
            window = block_window(windows[i], j % 2 == 1, grid, clip_windows, border.is_open)
            y = _attention(t.norm(x, f"{block}_norm1"), t, window, f"{block}_attn")
            x = t.residual(x, y, drop_path, f"{block}_res1")
            y = t.mlp(t.norm(x, f"{block}_norm2"), f"{block}_mlp")
            x = t.residual(x, y, drop_path, f"{block}_res2")
        x = blocks.Stage(stride, name=stage)(x)
    return border.end(w.layer_norm(x, norm_eps, "norm"), drop_rate)


def _attention(x, t, window, name):
    """Self-attention within the windows of x (B, H, W, C), with a bias by relative position."""
    bias = blocks.WindowBias(num_heads=t.num_heads, **window, name=f"{name}_bias")(x)
    y = blocks.WindowPartition(**window, name=f"{name}_partition")(x)
    y = w.dense(y, 3 * t.attn_dim, f"{name}_qkv", t.qkv_bias)
    y = blocks.SelfAttention(t.num_heads, drop=t.attn_drop_rate, name=name)(y, bias)
    y = blocks.WindowReverse(**window, name=f"{name}_reverse")(y, x)
    return w.dense(y, t.dim, f"{name}_proj")
