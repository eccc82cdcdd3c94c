"""PVT v2: the Pyramid Vision Transformer with overlapping patches and convolutional feed-forward layers.

Paper: Wang et al., "PVT v2: Improved Baselines with Pyramid Vision Transformer", arXiv:2106.13797.
Official code: github.com/whai362/PVT, classification/pvt_v2.py; checkpoints there and in timm.

    image (H, W, 3)
      stage 1   7x7/4 convolution, norm -> blocks -> norm     (H/4,  W/4,  dims[0])
      stage 2   3x3/2 convolution, norm -> blocks -> norm     (H/8,  W/8,  dims[1])
      stage 3   likewise                                      (H/16, W/16, dims[2])
      stage 4   likewise                                      (H/32, W/32, dims[3])
      mean, head

    block: x + attention(norm(x)), keys and values from a map that is reduced `sr_ratio` times;
           x + mlp(norm(x)), with a depthwise 3x3 convolution before its activation.

Any input size, also one that is not known. Where the reduction doesn't divide the map the remainder is dropped, as in
the official code.
"""

from keras import layers

from vitgraph.blocks import AdaptiveAveragePooling, DepthwiseConv2D, Residual, Stage
from vitgraph.contract import Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import (
    activation,
    conv,
    cross_attention,
    dense,
    drop_path_rates,
    dropout,
    layer_norm,
    map_top,
    spatial_reduction,
)

_WIDE = {"dims": (64, 128, 320, 512)}

VARIANTS = {  # table 1 of the paper; b2_li is PVT v2-B2-Li
    "pvt_v2_b0": {},
    "pvt_v2_b1": {**_WIDE},
    "pvt_v2_b2": {**_WIDE, "depths": (3, 4, 6, 3)},
    "pvt_v2_b2_li": {**_WIDE, "depths": (3, 4, 6, 3), "linear": True},
    "pvt_v2_b3": {**_WIDE, "depths": (3, 4, 18, 3)},
    "pvt_v2_b4": {**_WIDE, "depths": (3, 8, 27, 3)},
    "pvt_v2_b5": {**_WIDE, "depths": (3, 6, 40, 3), "mlp_ratios": (4, 4, 4, 4)},
}


@builder
def build_pvt_v2(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    dims=(32, 64, 160, 256),
    depths=(2, 2, 2, 2),
    num_heads=(1, 2, 5, 8),
    mlp_ratios=(8, 8, 4, 4),
    sr_ratios=(8, 4, 2, 1),
    linear=False,
    pool_size=7,
    qkv_bias=True,
    norm_eps=1e-6,
    drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="pvt_v2",
):
    """Builds a PVT v2 (arXiv:2106.13797): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels); height and width in pixels, or both None. The least is what stages and
            `sr_ratios` reduce to 1: 32 unless they are changed.
        include_top: False ends the graph at the last stage's map (B, ceil(H / 32), ceil(W / 32), dims[-1]).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map: (B, dims[-1]).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        dims, depths, num_heads, mlp_ratios: width, blocks, heads and widening of the feed-forward layer, one a stage.
        sr_ratios: one a stage, the side of the map that keys and values come from is so many times smaller.
        linear: reduce by average pooling instead ("linear SRA"), for stages with a ratio over 1 or not.
        pool_size: with `linear`, side of the pooled map.
        qkv_bias: whether the projections to queries, keys and values have biases.
        norm_eps: epsilon of the blocks' and stages' norms; those of the embeddings and of the reduction have 1e-5.
        drop_rate: dropout after projections, in the feed-forward layers and before the head.
        attn_drop_rate: dropout of attention probabilities.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5".

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_pvt_v2")
    check.per_stage(dims=dims, depths=depths, num_heads=num_heads, sr_ratios=sr_ratios)
    check.same_length(dims=dims, mlp_ratios=mlp_ratios)
    check.over_zero(mlp_ratios=mlp_ratios)
    check.positive(pool_size=pool_size)
    check.heads_divide(dims, num_heads)
    smallest = max(4 * 2**i * ratio for i, ratio in enumerate(sr_ratios))
    check.smallest(smallest, input_shape=shape_of(input_shape, input_tensor))

    x = inputs = begin(input_shape, input_tensor)
    rates = iter(drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage = f"stage_{i + 1}"
        kernel, stride = (7, 4) if i == 0 else (3, 2)
        x = conv(x, dims[i], kernel, stride, f"{stage}_embed", padding=kernel // 2)
        x = layer_norm(x, 1e-5, f"{stage}_embed_norm")
        for j in range(depth):
            block, drop_path = f"{stage}_block_{j}", next(rates)
            y = layer_norm(x, norm_eps, f"{block}_norm1")
            attn = f"{block}_attn"
            reduced = _pooled(y, pool_size, attn) if linear else spatial_reduction(y, sr_ratios[i], attn)
            y = cross_attention(y, reduced, num_heads[i], attn, qkv_bias, attn_drop_rate)
            x = Residual(drop_path=drop_path, dropout=drop_rate, name=f"{block}_res1")(x, y)
            y = layer_norm(x, norm_eps, f"{block}_norm2")
            y = _mlp(y, int(dims[i] * mlp_ratios[i]), linear, drop_rate, f"{block}_mlp")
            x = Residual(drop_path=drop_path, dropout=drop_rate, name=f"{block}_res2")(x, y)
        x = layer_norm(x, norm_eps, f"{stage}_norm")
        x = Stage(2 ** (i + 2), name=stage)(x)

    x = map_top(
        x,
        include_top=include_top,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        pooling=pooling,
        drop_rate=drop_rate,
    )
    return finish(inputs, x, name)


def _pooled(x, pool_size, name):
    """The reduction of "linear SRA": (B, H, W, C) -> (B, pool_size, pool_size, C)."""
    x = AdaptiveAveragePooling(pool_size, name=f"{name}_pool")(x)
    x = layer_norm(conv(x, x.shape[-1], 1, 1, f"{name}_sr"), 1e-5, f"{name}_norm")
    return activation(x, "gelu", f"{name}_act")


def _mlp(x, hidden, linear, drop, name):
    """The feed-forward layer with a depthwise 3x3 convolution, so that no position embedding is needed."""
    dim = x.shape[-1]
    x = dense(x, hidden, f"{name}_fc1")
    if linear:
        x = layers.ReLU(name=f"{name}_relu")(x)
    x = DepthwiseConv2D(3, name=f"{name}_dwconv")(x)
    x = activation(x, "gelu", f"{name}_act")
    x = dropout(x, drop, f"{name}_drop")
    return dense(x, dim, f"{name}_fc2")
