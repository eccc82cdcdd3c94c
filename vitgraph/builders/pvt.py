"""PVT, the Pyramid Vision Transformer: stages of shrinking maps, and attention to a map that is smaller still.

Paper: Wang et al., "Pyramid Vision Transformer: A Versatile Backbone for Dense Prediction without Convolutions",
arXiv:2102.12122.
Official code: github.com/whai362/PVT, classification/pvt.py; checkpoints there.

    image (H, W, 3)
      stage 1   4x4/4 convolution, norm, positions -> blocks     (H/4,  W/4,  dims[0])
      stage 2   2x2/2 convolution, likewise                      (H/8,  W/8,  dims[1])
      stage 3   likewise                                         (H/16, W/16, dims[2])
      stage 4   likewise, with a class token                     (1 + H/32 W/32, dims[3])
      norm, class token, head

    block: x + attention(norm(x)), keys and values from a map that is reduced `sr_ratio` times; x + mlp(norm(x)).

Any input size, also one that is not known: where a stage's map is not as large as its position table, the table is
resampled bilinearly. The official code leaves a table as it is when the first stage's map merely has as many positions.
What patches and reduction don't divide is dropped, as there. Without a class token the scores come from the mean of the
last map; the official code always has one.
"""

from vitgraph.blocks import Residual
from vitgraph.contract import Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import layer_norm, mlp
from vitgraph.wiring.pyramid import Pyramid

VARIANTS = {  # table 1 of the paper
    "pvt_tiny": {},
    "pvt_small": {"depths": (3, 4, 6, 3)},
    "pvt_medium": {"depths": (3, 4, 18, 3)},
    "pvt_large": {"depths": (3, 8, 27, 3)},
}


@builder(pools=("token", "avg", "max"))
def build_pvt(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_sizes=(4, 2, 2, 2),
    dims=(64, 128, 320, 512),
    depths=(2, 2, 2, 2),
    num_heads=(1, 2, 5, 8),
    mlp_ratios=(8, 8, 4, 4),
    sr_ratios=(8, 4, 2, 1),
    class_token=True,
    qkv_bias=True,
    qk_scale=None,
    norm_eps=1e-6,
    img_size=None,
    drop_rate=0.0,
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="pvt",
):
    """Builds a PVT (arXiv:2102.12122): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels); height and width in pixels, or both None. The least is what stages and
            `sr_ratios` reduce to 1: 32 unless they are changed.
        include_top: False ends the graph at the last, normed map (B, H / 32, W / 32, dims[-1]).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "token" for the class token, "avg" or "max" over the map: (B, dims[-1]).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_sizes: one a stage, side of a patch, or (height, width): in pixels, then in positions of the stage before.
        dims, depths, num_heads, mlp_ratios: width, blocks, heads and widening of the feed-forward layer, one a stage.
        sr_ratios: one a stage, the side of the map that keys and values come from is so many times smaller.
        class_token: whether the last stage has a class token, from which the scores come; else from its map's mean.
        qkv_bias: whether the projections to queries, keys and values have biases.
        qk_scale: factor of the products of queries and keys; None: (width of a head) ** -0.5.
        norm_eps: epsilon of the blocks' norms and the last one; those of the embeddings and reductions have 1e-5.
        img_size: the image size whose grids the position tables have; None: the input's, or 224 x 224 where that is
            open.
        drop_rate: dropout before the head.
        pos_drop_rate, proj_drop_rate, attn_drop_rate: dropout after positions, of projections, of attention.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5".

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    p = Pyramid(
        patch_sizes, dims, depths, num_heads, mlp_ratios, sr_ratios, class_token, qkv_bias, qk_scale, norm_eps,
        img_size, pos_drop_rate, proj_drop_rate, attn_drop_rate, drop_path_rate,
    )  # fmt: skip
    p.check(Check("build_pvt"), shape_of(input_shape, input_tensor))

    def feed_forward(x, grid, hidden, drop_path, block):
        y = mlp(layer_norm(x, norm_eps, f"{block}_norm2"), hidden, "gelu", f"{block}_mlp", proj_drop_rate)
        return Residual(drop_path=drop_path, dropout=proj_drop_rate, name=f"{block}_res2")(x, y)

    inputs = begin(input_shape, input_tensor)
    x = p.net(
        inputs,
        feed_forward,
        include_top=include_top,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        pooling=pooling,
        drop_rate=drop_rate,
    )
    return finish(inputs, x, name)
