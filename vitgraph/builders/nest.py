"""NesT: attention within square parts of an image, which are nested from stage to stage.

Paper: Zhang et al., "Nested Hierarchical Transformer: Towards Accurate, Data-Efficient and Interpretable Visual
Understanding", arXiv:2105.12723, which calls the parts "blocks" and the stages "levels".
Official code: github.com/google-research/nested-transformer; the checkpoints here are timm's.

    image (H, W, 3)
      stage 1   4x4/4 convolution -> 4 x 4 parts, positions, blocks      (H/4,  W/4,  dims[0])
      stage 2   aggregation       -> 2 x 2 parts, positions, blocks      (H/8,  W/8,  dims[1])
      stage 3   aggregation       -> 1 part, positions, blocks           (H/16, W/16, dims[2])
      norm, mean, head

    block: x + attention in parts(norm(x)); x + mlp(norm(x)).
    aggregation: 3x3 convolution, norm, 3x3/2 maximum, on the whole map.

The number of stages sets the number of parts, so their size follows the image's, and so does the learned table of
positions, one for every token of every part: a graph is tied to its grid. For another image size another graph is
built, and a checkpoint's tables are resampled on loading. Attention orders its channels with the heads fastest, as the
published weights need them; otherwise it is the usual one. vit-pytorch's NesT learns one number per position, shared by
parts and channels; here the official table is built.
"""

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.initializers import InitialWeights, normal, zeros
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.transformer import Transformer, pre_norm_block

_SMALL = {"depths": (2, 2, 20)}
_BASE = {"dims": (128, 256, 512), "depths": (2, 2, 20), "num_heads": (4, 8, 16)}
_JX = {"same_padding": True}

VARIANTS = {  # table A1 of the paper, with the official code's depths; jx: the weights trained in JAX
    "nest_tiny": {},
    "nest_small": {**_SMALL},
    "nest_base": {**_BASE},
    "nest_tiny_jx": {**_JX},
    "nest_small_jx": {**_SMALL, **_JX},
    "nest_base_jx": {**_BASE, **_JX},
}

_INITIAL = InitialWeights(conv=normal(0.02), conv_bias=zeros)


@c.builder(initial=_INITIAL)
def build_nest(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Kernel = 4,
    dims: c.PerStage[c.Width] = (96, 192, 384),
    depths: c.PerStage[c.Depth] = (2, 2, 8),
    num_heads: c.PerStage[c.Count] = (3, 6, 12),
    mlp_ratios: c.OneOrPerStage[c.Ratio] = 4.0,
    qkv_bias: bool = True,
    act: c.Act = "gelu",
    same_padding: bool = False,
    norm_eps: c.Epsilon = 1e-6,
    drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "nest",
) -> keras.Model:
    """Builds a NesT (arXiv:2105.12723): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels); height and width in pixels, multiples of
            patch_size * 2 ** (stages - 1). They must be known: the position tables hold for one grid.
        patch_size: side of a patch, in pixels.
        same_padding: whether the maximum's windows start at the map's edge and reach beyond its end, as in TensorFlow's
            "same"; else they start one position before it.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P4" (for `patch_size` 4), each stage's map before the final norm;
        the last map is (B, H / 16, W / 16, dims[-1]).

    Example:
        >>> backbone = vitgraph.build_nest((64, 96, 3), include_top=False, depths=(1, 1, 2))
        >>> backbone.output_shape
        (None, 4, 6, 384)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    ratios = c.entries(mlp_ratios)
    c.heads_divide(dims, num_heads)
    c.has_hidden(dims, ratios, "mlp_ratios")
    part = _part(border.shape, patch_size, 2 ** (len(dims) - 1))

    x = w.conv(border.image, dims[0], patch_size, patch_size, "patch_embed")
    rates = iter(w.drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage = f"stage_{i + 1}"
        if i > 0:
            x = _aggregate(x, dims[i], norm_eps, same_padding, f"{stage}_pool")
        t = _InterleavedTransformer(
            dim=dims[i], num_heads=num_heads[i], mlp_ratio=ratios[i], qkv_bias=qkv_bias, act=act,
            norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
        )  # fmt: skip
        y = blocks.WindowPartition(part, clip=False, name=f"{stage}_partition")(x)
        y = blocks.BlockPositions(4 ** (len(dims) - 1 - i), part, name=f"{stage}_pos_embed")(y)
        for j in range(depth):
            y = pre_norm_block(y, t, next(rates), f"{stage}_block_{j}")
        x = blocks.WindowReverse(part, clip=False, name=f"{stage}_reverse")(y, x)
        x = blocks.Stage(patch_size * 2**i, name=stage)(x)
    return border.end(w.layer_norm(x, norm_eps, "norm"), drop_rate)


def _part(shape, patch_size, parts):
    """(rows, columns) of one of parts x parts: the same at every stage."""
    c.known(shape, "the position tables hold for one grid")
    unit = parts * patch_size
    c.at_least(unit, shape)
    multiples = f"multiples of {unit}, for {parts} x {parts} parts of whole patches"
    c.require(shape[0] % unit == shape[1] % unit == 0, "input_shape", multiples, value=shape)
    return shape[0] // unit, shape[1] // unit


class _InterleavedTransformer(Transformer):
    def attend(self, qkv, name):
        return blocks.InterleaveHeads(self.num_heads, name=f"{name}_interleave")(super().attend(qkv, name))


def _aggregate(x, dim, norm_eps, same_padding, name):
    """(B, H, W, C) -> (B, H / 2, W / 2, dim): what passes between neighbouring parts."""
    x = w.conv(x, dim, 3, 1, f"{name}_conv", padding=1)
    x = w.layer_norm(x, norm_eps, f"{name}_norm")
    if same_padding:
        return layers.MaxPooling2D(3, 2, "same", name=name)(x)
    return blocks.MaxPooling(3, 2, padding=1, name=name)(x)
