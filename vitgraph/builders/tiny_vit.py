"""TinyViT: a small hierarchy of windows, distilled from large nets, that begins in convolutions.

Paper: Wu et al., "TinyViT: Fast Pretraining Distillation for Small Vision Transformers", arXiv:2207.10666.
Official code: github.com/microsoft/Cream, TinyViT/models/tiny_vit.py; checkpoints there and in timm.

    image (H, W, 3)
      stem      two 3x3/2 convolutions                         (H/4,  W/4,  dims[0])
      stage 1   inverted residuals                             (H/4,  W/4,  dims[0])
      stage 2   1x1, depthwise 3x3/2, 1x1 convolution, blocks  (H/8,  W/8,  dims[1])
      stage 3   likewise                                       (H/16, W/16, dims[2])
      stage 4   likewise                                       (H/32, W/32, dims[3])
      mean, norm, head

    inverted residual: act(x + 1x1, depthwise 3x3, 1x1 convolutions of x).
    block: x + attention(norm(x)) in windows; depthwise convolution(x); x + mlp(norm(x)).

Each convolution is followed by a batch norm. Windows are filled up with zeros, which have a part in attention, and
aren't shifted. Scores get a learned number for each absolute offset within a window. Any input size, also an open one.
"""

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.base import pair
from vitgraph.blocks.initializers import InitialWeights
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.branches import depthwise_norm

_21M: dict = {"dims": (96, 192, 384, 576), "num_heads": (3, 6, 12, 18)}

VARIANTS: dict = {  # table 1 of the paper
    "tiny_vit_5m_224": {},
    "tiny_vit_11m_224": {"dims": (64, 128, 256, 448), "num_heads": (2, 4, 8, 14)},
    "tiny_vit_21m_224": _21M,
    "tiny_vit_21m_384": {**_21M, "input_shape": (384, 384, 3), "window_sizes": (12, 12, 24, 12)},
    "tiny_vit_21m_512": {**_21M, "input_shape": (512, 512, 3), "window_sizes": (16, 16, 32, 16)},
}


@c.builder(initial=InitialWeights())
def build_tiny_vit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    dims: c.PerStage[c.Width] = (64, 128, 160, 320),
    depths: c.PerStage[c.Depth] = (2, 2, 6, 2),
    num_heads: c.PerStage[c.Count] = (2, 4, 5, 10),
    window_sizes: c.PerStage[c.Window] = (7, 7, 14, 7),
    expand_ratio: c.Ratio = 4.0,
    mlp_ratio: c.Ratio = 4.0,
    local_kernel_size: c.OddKernel = 3,
    act: c.Act = "gelu",
    drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "tiny_vit",
) -> keras.Model:
    """Builds a TinyViT (arXiv:2207.10666): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        num_heads: attention heads of each stage; the first stage has none, whatever its entry.
        window_sizes: side of the attention windows of each stage; the first stage has none, whatever its entry.
        expand_ratio: widening inside the inverted residuals of the first stage.
        mlp_ratio: hidden width of the feed-forward layers, relative to the stage's width.
        local_kernel_size: side of the kernel of the convolution between attention and feed-forward layers.
        act: activation of convolutions and feed-forward layers.
        proj_drop_rate: dropout within and after feed-forward layers.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5"; the last map is (B, ceil(H / 32), ceil(W / 32), dims[-1]).

    Example:
        >>> backbone = vitgraph.build_tiny_vit((64, 96, 3), include_top=False)
        >>> backbone.output_shape
        (None, 2, 3, 320)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    c.require(dims[0] > 1, "dims", "a first width of at least 2")
    c.heads_divide(dims[1:], num_heads[1:])
    c.has_hidden(dims[0], expand_ratio, "expand_ratio")
    c.has_hidden(dims[1:], (mlp_ratio,) * len(dims[1:]), "mlp_ratio")
    c.at_least(2 ** (len(dims) + 1), border.shape)

    x = w.activation(w.conv_norm(border.image, dims[0] // 2, 3, 2, "stem_conv1", padding=1), act, "stem_act")
    x = w.conv_norm(x, dims[0], 3, 2, "stem_conv2", padding=1)
    rates = iter(w.drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage = f"stage_{i + 1}"
        if i > 0:
            x = _convolutions(x, dims[i], dims[i], 2, act, f"{stage}_down")
        for j in range(depth):
            block, drop_path = f"{stage}_block_{j}", next(rates)
            if i == 0:
                y = _convolutions(x, int(dims[i] * expand_ratio), dims[i], 1, act, block, gamma="zeros")
                x = blocks.Residual(drop_path=drop_path, name=f"{block}_res")(x, y)
                x = w.activation(x, act, f"{block}_act")
                continue
            y = _window_attention(x, num_heads[i], window_sizes[i], f"{block}_attn")
            x = blocks.Residual(drop_path=drop_path, name=f"{block}_res1")(x, y)
            x = depthwise_norm(x, local_kernel_size, 1, f"{block}_local_conv")
            y = w.layer_norm(x, 1e-5, f"{block}_mlp_norm")
            y = w.mlp(y, int(dims[i] * mlp_ratio), act, f"{block}_mlp", proj_drop_rate)
            x = blocks.Residual(None, drop_path, proj_drop_rate, name=f"{block}_res2")(x, y)
        x = blocks.Stage(2 ** (i + 2), name=stage)(x)
    return border.end(x, drop_rate, lambda x: w.layer_norm(x, 1e-5, "fc_norm"))


def _convolutions(x, hidden, dim, strides, act, name, gamma="ones"):
    """1x1, depthwise 3x3 and 1x1 convolution: (B, H, W, C) -> (B, ceil(H / strides), ceil(W / strides), dim)."""
    x = w.activation(w.conv_norm(x, hidden, 1, 1, f"{name}_conv1"), act, f"{name}_act1")
    x = w.activation(depthwise_norm(x, 3, strides, f"{name}_conv2"), act, f"{name}_act2")
    return w.conv_norm(x, dim, 1, 1, f"{name}_conv3", gamma=gamma)


def _window_attention(x, num_heads, window_size, name):
    """Attention within windows: (B, H, W, C) -> (B, H, W, C)."""
    dim, window = x.shape[-1], pair(window_size)
    bias = blocks.WindowOffsetBias(window, num_heads, name=f"{name}_bias")(x)
    y = blocks.WindowPartition(window, clip=False, name=f"{name}_partition")(x)
    y = w.dense(w.layer_norm(y, 1e-5, f"{name}_norm"), 3 * dim, f"{name}_qkv")
    y = blocks.InterleavedSelfAttention(num_heads, dim // num_heads, name=name)(y, bias)
    y = w.dense(y, dim, f"{name}_proj")
    return blocks.WindowReverse(window, clip=False, name=f"{name}_reverse")(y, x)
