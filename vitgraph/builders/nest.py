"""NesT: attention within the blocks of an image, which are nested from level to level.

Paper: Zhang et al., "Nested Hierarchical Transformer: Towards Accurate, Data-Efficient and Interpretable Visual
Understanding", arXiv:2105.12723.
Official code: github.com/google-research/nested-transformer; the checkpoints here are timm's.

    image (H, W, 3)
      level 1   4x4/4 convolution -> 4 x 4 blocks, positions, transformer blocks      (H/4,  W/4,  dims[0])
      level 2   aggregation       -> 2 x 2 blocks, positions, transformer blocks      (H/8,  W/8,  dims[1])
      level 3   aggregation       -> 1 block, positions, transformer blocks           (H/16, W/16, dims[2])
      norm, mean, head

    aggregation: 3x3 convolution, norm, 3x3/2 maximum, on the whole map.

The blocks' number is given by the levels, so their size follows the image's, and so does the learned table of
positions, one for every token of every block: a graph is tied to its grid. For another image size another graph is
built, and a checkpoint's tables are resampled on loading. Attention gives its channels with the heads fastest, as the
published weights want them; attention itself is the usual one. vit-pytorch's NesT learns one number a position, shared
by blocks and channels; here the official table is built.
"""

from keras import layers

from vitgraph.blocks import BlockPositions, InterleaveHeads, MaxPooling, Stage, WindowPartition, WindowReverse
from vitgraph.old.contract import Check, begin, builder, finish, shape_of
from vitgraph.old.layers import ACTIVATIONS, conv, drop_path_rates, layer_norm, map_top
from vitgraph.old.transformer import Transformer, pre_norm_block

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


@builder
def build_nest(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=4,
    dims=(96, 192, 384),
    depths=(2, 2, 8),
    num_heads=(3, 6, 12),
    mlp_ratio=4.0,
    qkv_bias=True,
    act="gelu",
    same_padding=False,
    norm_eps=1e-6,
    drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="nest",
):
    """Builds a NesT (arXiv:2105.12723): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels); height and width in pixels, multiples of patch_size * 2 ** (levels - 1).
            They must be known: the position tables hold for one grid.
        include_top: False ends the graph at the last, normed map (B, H / 16, W / 16, dims[-1]).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map: (B, dims[-1]).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, in pixels.
        dims, depths, num_heads: width, transformer blocks and heads, one a level; the number of levels is their length.
        mlp_ratio: widening of the feed-forward layers.
        qkv_bias: whether the projections to queries, keys and values have biases.
        act: activation in the feed-forward layers.
        same_padding: whether the maximum's windows start at the map's edge and pass its end, as TensorFlow's "same"
            has it; else they start one position before.
        norm_eps: epsilon of all norms.
        drop_rate: dropout after projections, in the feed-forward layers and before the head.
        attn_drop_rate: dropout of attention probabilities.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P4" (for patch_size 4), each level's map before the final norm.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_nest")
    check.per_stage(dims=dims, depths=depths, num_heads=num_heads)
    check.heads_divide(dims, num_heads)
    check.positive(patch_size=patch_size)
    check.over_zero(mlp_ratio=mlp_ratio)
    check.that(act in ACTIVATIONS, "act", act, ", ".join(ACTIVATIONS))
    height, width, _ = shape = shape_of(input_shape, input_tensor)
    side = 2 ** (len(dims) - 1)
    unit = side * patch_size
    check.that(None not in shape, "input_shape", shape, "a known size: the position tables hold for one grid")
    check.smallest(unit, input_shape=shape)
    multiples = f"multiples of {unit}, for {side} x {side} blocks"
    check.that(height % unit == width % unit == 0, "input_shape", shape, multiples)
    block_size = (height // unit, width // unit)

    x = inputs = begin(input_shape, input_tensor)
    x = conv(x, dims[0], patch_size, patch_size, "patch_embed")
    rates = iter(drop_path_rates(drop_path_rate, sum(depths)))
    for i, (dim, heads) in enumerate(zip(dims, num_heads, strict=True)):
        stage = f"stage_{i + 1}"
        if i > 0:
            x = _aggregate(x, dim, norm_eps, same_padding, f"{stage}_pool")
        transformer = _Transformer(
            dim,
            heads,
            mlp_ratio,
            qkv_bias=qkv_bias,
            act=act,
            norm_eps=norm_eps,
            attn_drop=attn_drop_rate,
            proj_drop=drop_rate,
        )
        y = WindowPartition(block_size, clip=False, name=f"{stage}_partition")(x)
        y = BlockPositions(4 ** (len(dims) - 1 - i), block_size, name=f"{stage}_pos_embed")(y)
        for j in range(depths[i]):
            y = pre_norm_block(y, transformer, next(rates), f"{stage}_block_{j}")
        x = WindowReverse(block_size, clip=False, name=f"{stage}_reverse")(y, x)
        x = Stage(patch_size * 2**i, name=stage)(x)

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


class _Transformer(Transformer):
    def attend(self, qkv, name):
        return InterleaveHeads(self.num_heads, name=f"{name}_interleave")(super().attend(qkv, name))


def _aggregate(x, dim, norm_eps, same_padding, name):
    """(B, H, W, C) -> (B, H / 2, W / 2, dim): what lets neighbouring blocks know of each other."""
    x = conv(x, dim, 3, 1, f"{name}_conv", padding=1)
    x = layer_norm(x, norm_eps, f"{name}_norm")
    if same_padding:
        return layers.MaxPooling2D(3, 2, "same", name=name)(x)
    return MaxPooling(3, 2, padding=1, name=name)(x)
