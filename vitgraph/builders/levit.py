"""LeViT: a hierarchy of transformers for fast inference, with batch norms and attention that shrinks the map.

Paper: Graham et al., "LeViT: a Vision Transformer in ConvNet's Clothing for Faster Inference", arXiv:2104.01136.
Official code: github.com/facebookresearch/LeViT, levit.py; checkpoints there and in timm.

    image (H, W, 3)
      stem      four 3x3/2 convolutions                     (H/16, W/16, dims[0])
      stage 1   blocks
      stage 2   shrinking attention, mlp -> blocks          (H/32, W/32, dims[1])
      stage 3   likewise                                    (H/64, W/64, dims[2])
      mean
      head, or two heads, for labels and for a teacher's; their mean

    block: x + attention(x); x + mlp(x).
    shrinking attention: queries from every other position along both axes, no residual connection around it.

Every convolution and every linear layer has no bias and is followed by a batch norm. Scores get a learned number for
each absolute offset between query and key, from one table per attention layer, so a graph is tied to one image size. A
graph for another size has tables of another size, and a checkpoint's are resampled when it is loaded.

timm's convolutional form (`levit_conv_*`) is the same net in another layout: here maps stay maps, and a linear layer on
their last axis is a 1x1 convolution. vit-pytorch's LeViT has no norms in its stem and its feed-forward layers, and one
head; the official one is built.
"""

from typing import Annotated

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.initializers import InitialWeights, normal, pytorch_uniform
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border

_S8 = {"stem_stride": 8, "act": "silu"}
_384 = {"dims": (384, 512, 768), "num_heads": (6, 9, 12)}
_DISTILLED = {"distilled": True}

_ROWS = {  # table 2 of the paper; those with another activation are timm's
    "128s": {"dims": (128, 256, 384), "depths": (2, 3, 4), "num_heads": (4, 6, 8), "key_dim": 16, **_DISTILLED},
    "128": {"dims": (128, 256, 384), "num_heads": (4, 8, 12), "key_dim": 16, **_DISTILLED},
    "192": {"dims": (192, 288, 384), "num_heads": (3, 5, 6), **_DISTILLED},
    "256": {**_DISTILLED},
    "384": {**_384, **_DISTILLED},
    "384_s8": {**_384, **_S8, **_DISTILLED},
    "512_s8": {"dims": (512, 640, 896), "num_heads": (8, 10, 14), "key_dim": 64, **_S8},
    "512": {"dims": (512, 768, 1024), "num_heads": (8, 12, 16), "key_dim": 64, "act": "silu"},
    "256d": {"depths": (4, 8, 6), "act": "silu"},
    "512d": {"dims": (512, 640, 768), "depths": (4, 8, 6), "num_heads": (8, 10, 12), "key_dim": 64, "act": "silu"},
}
VARIANTS = {f"{form}_{size}": row for form in ("levit", "levit_conv") for size, row in _ROWS.items()}

_StemStride = Annotated[int, c.Rule("a power of two from 2 to 1024", lambda v: 2 <= v <= 1024 and v.bit_count() == 1)]
_POSITIONS = 2**13

_INITIAL = InitialWeights(dense=pytorch_uniform, special={r"head(?:_dist)?/kernel": normal(0.02)})


@c.builder(initial=_INITIAL)
def build_levit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    stem_stride: _StemStride = 16,
    dims: c.PerStage[c.Width] = (256, 384, 512),
    depths: c.PerStage[c.Depth] = (4, 4, 4),
    num_heads: c.PerStage[Annotated[int, c.between(1, 256)]] = (4, 6, 8),
    key_dim: c.Width = 32,
    attn_ratios: c.PerStage[c.Ratio] = (2, 2, 2),
    mlp_ratios: c.OneOrPerStage[c.Ratio] = (2, 2, 2),
    act: c.Act = "hard_silu",
    attn_act: c.Act | None = None,
    distilled: bool = False,
    drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "levit",
) -> keras.Model:
    """Builds a LeViT (arXiv:2104.01136): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels. They must be known: the biases of attention are tables of
            the offsets on the grid of one image size.
        stem_stride: pixels per position of the first map, a power of two; the stem has a convolution for each factor.
        key_dim: width of one head's queries and keys. Shrinking attention has as many heads as make up the width of
            the stage before.
        attn_ratios: width of one head's values, relative to `key_dim`; 4 in shrinking attention.
        mlp_ratios: hidden width of the feed-forward layers relative to the stage's width, for all stages or per stage;
            always 2 after shrinking attention.
        act: activation of the stem and the feed-forward layers.
        attn_act: activation between attention and its projection; None: `act`.
        distilled: whether there is a second head, for a teacher's labels. Scores are those of the mean logits; for
            training, each head's logits are the output of the layer "head" or "head_dist".
        drop_path_rate: stochastic depth, the same for all blocks.

    Returns:
        A `keras.Model` with pyramid levels "P4" to "P6" (for `stem_stride` 16); the last map is
        (B, ceil(H / 64), ceil(W / 64), dims[-1]).

    Example:
        >>> backbone = vitgraph.build_levit((64, 128, 3), include_top=False, depths=(1, 1, 1))
        >>> backbone.output_shape
        (None, 1, 2, 512)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    factor = stem_stride // 2
    c.require(dims[0] % factor == 0, "dims", f"a first width that {factor} (`stem_stride` / 2) divides")
    c.require(key_dim <= min(dims), "key_dim", f"at most the least width, here {min(dims)}")
    c.has_hidden([key_dim] * len(dims), attn_ratios, "attn_ratios")
    c.has_hidden(dims, mlp_ratios, "mlp_ratios")
    _check_size(border.shape, stem_stride)
    attn_act, ratios = attn_act or act, c.entries(mlp_ratios)

    x = _stem(border.image, dims[0], stem_stride.bit_length() - 1, act)
    for i, depth in enumerate(depths):
        stage = f"stage_{i + 1}"
        if i > 0:
            x = _shrinking_attention(x, dims[i], dims[i - 1] // key_dim, key_dim, attn_act, f"{stage}_down_attn")
            y = _mlp(x, 2 * dims[i], act, f"{stage}_down_mlp")
            x = blocks.Residual(drop_path=drop_path_rate, name=f"{stage}_down_res")(x, y)
        for j in range(depth):
            block = f"{stage}_block_{j}"
            y = _attention(x, num_heads[i], key_dim, int(attn_ratios[i] * key_dim), attn_act, f"{block}_attn")
            x = blocks.Residual(drop_path=drop_path_rate, name=f"{block}_res1")(x, y)
            y = _mlp(x, int(ratios[i] * dims[i]), act, f"{block}_mlp")
            x = blocks.Residual(drop_path=drop_path_rate, name=f"{block}_res2")(x, y)
        x = blocks.Stage(stem_stride * 2**i, name=stage)(x)
    if not include_top:
        return border.end(x)

    x = layers.GlobalAveragePooling2D(name="pool")(x)
    logits = _head(x, num_classes, drop_rate, "head")
    if distilled:
        logits = layers.Average(name="heads")([logits, _head(x, num_classes, drop_rate, "head_dist")])
    return border.end_scores(logits)


def _check_size(shape, stem_stride):
    c.known(shape, "the biases of attention are tables of the offsets on the grid of one image size")
    c.at_least(stem_stride, shape)
    positions = -(-shape[0] // stem_stride) * -(-shape[1] // stem_stride)
    allowed = f"at most {_POSITIONS} positions after the stem, here {positions}: all pairs of them are listed"
    c.require(positions <= _POSITIONS, "input_shape", allowed, value=shape)


def _stem(x, dim, count, act):
    """`count` convolutions with stride 2, each twice as wide as the one before."""
    for i in range(1, count + 1):
        x = w.conv_norm(x, dim // 2 ** (count - i), 3, 2, f"stem_conv{i}", padding=1)
        if i < count:
            x = w.activation(x, act, f"stem_act{i}")
    return x


def _attention(x, num_heads, key_dim, value_dim, act, name):
    """Self-attention of all positions of x (B, H, W, C)."""
    dim = x.shape[-1]
    bias = blocks.OffsetBias(x.shape[1:3], num_heads, name=f"{name}_bias")(x)
    x = w.dense_norm(x, num_heads * (2 * key_dim + value_dim), f"{name}_qkv")
    x = blocks.InterleavedSelfAttention(num_heads, key_dim, name=name)(x, bias)
    return w.dense_norm(w.activation(x, act, f"{name}_act"), dim, f"{name}_proj", gamma="zeros")


def _shrinking_attention(x, dim, num_heads, key_dim, act, name):
    """Attention from every other position along both axes: (B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), dim)."""
    bias = blocks.OffsetBias(x.shape[1:3], num_heads, 2, name=f"{name}_bias")(x)
    kv = w.dense_norm(x, num_heads * 5 * key_dim, f"{name}_kv")
    q = layers.AveragePooling2D(1, 2, name=f"{name}_q_sub")(x)
    q = w.dense_norm(q, num_heads * key_dim, f"{name}_q")
    x = blocks.InterleavedCrossAttention(num_heads, name=name)(q, kv, bias)
    return w.dense_norm(w.activation(x, act, f"{name}_act"), dim, f"{name}_proj")


def _mlp(x, hidden, act, name):
    """The feed-forward layer; like attention, it adds nothing at first: the last norm's scale is 0."""
    dim = x.shape[-1]
    x = w.activation(w.dense_norm(x, hidden, f"{name}_fc1"), act, f"{name}_act")
    return w.dense_norm(x, dim, f"{name}_fc2", gamma="zeros")


def _head(x, num_classes, drop_rate, name):
    """Mean (B, C) -> logits (B, num_classes)."""
    x = w.dropout(w.batch_norm(x, f"{name}_norm"), drop_rate, f"{name}_drop")
    return w.dense(x, num_classes, name)
