"""EfficientViT of Microsoft: attention in which each head sees what the one before it found.

Paper: Liu et al., "EfficientViT: Memory Efficient Vision Transformer with Cascaded Group Attention", arXiv:2305.07027.
Official code: github.com/microsoft/Cream, EfficientViT; checkpoints in timm.

    image (H, W, 3)
      stem      four 3x3/2 convolutions                      (H/16, W/16, dims[0])
      stage 1   blocks                                       (H/16, W/16, dims[0])
      stage 2   convolutions and mlp; 1x1, depthwise 3x3/2,
                squeeze-excitation, 1x1; again; blocks       (H/32, W/32, dims[1])
      stage 3   likewise                                     (H/64, W/64, dims[2])
      mean, norm, head

    block: x + depthwise 3x3 convolution(x); x + mlp(x); x + attention(x) in windows; both of the first again.
    attention, in windows: of head i, with its part of the channels plus what head i - 1 found; depthwise convolution of
    the queries; all heads side by side; activation, projection.

Each convolution and linear layer is followed by a batch norm. Windows are filled up with zeros, which have a part in
attention. Scores get a learned number for each absolute offset within a window. Any input size, also an open one: a
window is clipped to the map that is planned for, as in the official code. The net of MIT with the same name is
`build_efficientvit`.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.initializers import InitialWeights
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.branches import depthwise_norm
from vitgraph.wiring.mobile_stages import multiple_of_8

_KERNELS = {"kernel_sizes": (7, 5, 3, 3)}
VARIANTS: dict = {  # table 1 of the paper
    "efficientvit_m0": {"dims": (64, 128, 192), "num_heads": (4, 4, 4)},
    "efficientvit_m1": {"dims": (128, 144, 192), "num_heads": (2, 3, 3), **_KERNELS},
    "efficientvit_m2": {"dims": (128, 192, 224), "num_heads": (4, 3, 2), **_KERNELS},
    "efficientvit_m3": {"dims": (128, 240, 320), "num_heads": (4, 3, 4)},
    "efficientvit_m4": {**_KERNELS},
    "efficientvit_m5": {"dims": (192, 288, 384), "depths": (1, 3, 4), "num_heads": (3, 3, 4), **_KERNELS},
}

_PerHead = Annotated[Sequence[c.OddKernel], c.Per("head", 256)]


@c.builder(initial=InitialWeights())
def build_efficientvit_msra(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    dims: c.PerStage[c.Width] = (128, 256, 384),
    depths: c.PerStage[c.Depth] = (1, 2, 3),
    num_heads: c.PerStage[c.Count] = (4, 4, 4),
    key_dims: c.PerStage[c.Width] = (16, 16, 16),
    window_sizes: c.PerStage[c.Window] = (7, 7, 7),
    kernel_sizes: _PerHead = (5, 5, 5, 5),
    downsamples: c.PerStage[bool] = (False, True, True),
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "efficientvit_msra",
) -> keras.Model:
    """Builds an EfficientViT of Microsoft (arXiv:2305.07027): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        key_dims: width of a head's queries and keys in each stage; its values are as wide as its part of the channels.
        window_sizes: side of the attention windows of each stage, at most that of the map.
        kernel_sizes: side of the kernel that each head's queries are convolved with, the same in all stages.
        downsamples: whether each stage begins by making the map smaller; else it has the width of the one before.

    Returns:
        A `keras.Model` with pyramid levels "P4" to "P6"; the last map is (B, ceil(H / 64), ceil(W / 64), dims[-1]).

    Example:
        >>> backbone = vitgraph.build_efficientvit_msra((64, 128, 3), include_top=False)
        >>> backbone.output_shape
        (None, 1, 2, 384)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    c.heads_divide(dims, num_heads)
    c.require(max(num_heads) <= len(kernel_sizes), "kernel_sizes", f"at least {max(num_heads)} entries, one per head")
    c.require(dims[0] % 8 == 0, "dims", "a first width that 8 divides")
    before = [dims[0], *dims[:-1]]
    good = all(flag or a == b for flag, a, b in zip(downsamples, before, dims, strict=True))
    c.require(good, "downsamples", "True where the width changes")
    planned = border.planned(img_size)
    c.at_least(16, border.shape)
    c.at_least(16, planned, "img_size")

    x = _stem(border.image, dims[0])
    side, stride = min(planned) // 16, 16
    for i, depth in enumerate(depths):
        stage = f"stage_{i + 1}"
        if downsamples[i]:
            x, side, stride = _smaller(x, dims[i], f"{stage}_down"), -(-side // 2), 2 * stride
        window = min(window_sizes[i], side)
        for j in range(depth):
            block = f"{stage}_block_{j}"
            x = _local(x, f"{block}_0", gamma="zeros")
            y = _attention(x, num_heads[i], key_dims[i], window, kernel_sizes, f"{block}_attn")
            x = blocks.Residual(name=f"{block}_res")(x, y)
            x = _local(x, f"{block}_1", gamma="zeros")
        x = blocks.Stage(stride, name=stage)(x)

    def hidden(x):
        return w.batch_norm(x, "head_norm") if include_top else x

    return border.end(x, drop_rate, hidden)


def _stem(x, dim):
    """Four convolutions with stride 2, each twice as wide as the one before."""
    for i in range(1, 5):
        x = w.conv_norm(x, dim // 2 ** (4 - i), 3, 2, f"stem_conv{i}", padding=1)
        x = w.activation(x, "relu", f"stem_act{i}") if i < 4 else x
    return x


def _local(x, name, gamma="ones"):
    """x + depthwise convolution(x); x + mlp(x); at first the latter adds nothing."""
    y = depthwise_norm(x, 3, 1, f"{name}_dw", gamma=gamma)
    x = blocks.Residual(name=f"{name}_res1")(x, y)
    y = w.activation(w.conv_norm(x, 2 * x.shape[-1], 1, 1, f"{name}_pw1"), "relu", f"{name}_act")
    y = w.conv_norm(y, x.shape[-1], 1, 1, f"{name}_pw2", gamma="zeros")
    return blocks.Residual(name=f"{name}_res2")(x, y)


def _smaller(x, dim, name):
    """Between two local parts: (B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), dim)."""
    x = _local(x, f"{name}_0")
    hidden = 4 * x.shape[-1]
    x = w.activation(w.conv_norm(x, hidden, 1, 1, f"{name}_conv1"), "relu", f"{name}_act1")
    x = w.activation(depthwise_norm(x, 3, 2, f"{name}_conv2"), "relu", f"{name}_act2")
    x = w.squeeze_excitation(x, multiple_of_8(hidden / 4, least=0.0), f"{name}_se")
    x = w.conv_norm(x, dim, 1, 1, f"{name}_conv3")
    return _local(x, f"{name}_1")


def _attention(x, num_heads, key_dim, window, kernel_sizes, name):
    """Cascaded group attention within windows: (B, H, W, C) -> (B, H, W, C)."""
    dim = x.shape[-1]
    value_dim = int(dim / (key_dim * num_heads) * key_dim)  # as the official code rounds
    bias = blocks.WindowOffsetBias(window, num_heads, name=f"{name}_bias")(x)
    biases = blocks.SplitBias(num_heads, name=f"{name}_biases")(bias)
    y = blocks.WindowPartition(window, clip=False, name=f"{name}_partition")(x)
    y = layers.Reshape((window, window, dim), name=f"{name}_windows")(y)
    parts = blocks.SplitParallel([dim // num_heads] * num_heads, name=f"{name}_parts")(y)
    found: list[Any] = []
    for i, part in enumerate(parts):
        head = f"{name}_{i}"
        y = layers.Add(name=f"{head}_sum")([found[-1], part]) if found else part
        y = w.conv_norm(y, 2 * key_dim + value_dim, 1, 1, f"{head}_qkv")
        q, kv = blocks.SplitParallel((key_dim, key_dim + value_dim), name=f"{head}_split")(y)
        q = depthwise_norm(q, kernel_sizes[i], 1, f"{head}_q")
        found.append(blocks.InterleavedCrossAttention(1, name=head)(q, kv, biases[i]))
    y = layers.Concatenate(name=f"{name}_heads")(found) if len(found) > 1 else found[0]
    y = w.conv_norm(w.activation(y, "relu", f"{name}_act"), dim, 1, 1, f"{name}_proj", gamma="zeros")
    y = layers.Reshape((window * window, dim), name=f"{name}_tokens")(y)
    return blocks.WindowReverse(window, clip=False, name=f"{name}_reverse")(y, x)
