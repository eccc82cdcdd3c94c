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

Any input size, also an open one: where a stage's map isn't as large as its position table, the table is resampled
bilinearly. The official code leaves a table as it is when the first stage's map merely has as many positions. Where
patches or the reduction don't divide the map, the remainder is dropped, as there. Without a class token the scores come
from the mean of the last map; the official code always has one.
"""

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.pyramid import Pyramid

VARIANTS = {  # table 1 of the paper
    "pvt_tiny": {},
    "pvt_small": {"depths": (3, 4, 6, 3)},
    "pvt_medium": {"depths": (3, 4, 18, 3)},
    "pvt_large": {"depths": (3, 8, 27, 3)},
}


@c.builder
def build_pvt(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.TokenPooling = None,
    input_tensor: c.ImageTensor | None = None,
    patch_sizes: c.PerStage[c.Size] = (4, 2, 2, 2),
    dims: c.PerStage[c.Width] = (64, 128, 320, 512),
    depths: c.PerStage[c.Depth] = (2, 2, 2, 2),
    num_heads: c.PerStage[c.Count] = (1, 2, 5, 8),
    mlp_ratios: c.OneOrPerStage[c.Ratio] = (8, 8, 4, 4),
    sr_ratios: c.PerStage[c.Kernel] = (8, 4, 2, 1),
    class_token: bool = True,
    qkv_bias: bool = True,
    qk_scale: c.Scale | None = None,
    norm_eps: c.Epsilon = 1e-6,
    embed_norm_eps: c.Epsilon = 1e-5,
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "pvt",
) -> keras.Model:
    """Builds a PVT (arXiv:2102.12122): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        patch_sizes: side of each stage's patches, or (height, width), in positions of the stage before it (pixels at
            first).
        class_token: whether the last stage has a class token, from which the scores come; else they come from the mean.
        norm_eps: epsilon of the norms of blocks and the last one.
        embed_norm_eps: epsilon of the norms of embeddings and reductions.
        pos_drop_rate: dropout after the positions of each stage.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5"; the last map is (B, H / 32, W / 32, dims[-1]).

    Example:
        >>> backbone = vitgraph.build_pvt((64, 96, 3), include_top=False, depths=(1, 1, 1, 1))
        >>> backbone.output_shape
        (None, 2, 3, 512)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    pyramid = Pyramid(
        border=border, patch_sizes=patch_sizes, dims=dims, depths=depths, num_heads=num_heads,
        mlp_ratios=c.entries(mlp_ratios), sr_ratios=sr_ratios, class_token=class_token, qkv_bias=qkv_bias,
        qk_scale=qk_scale, norm_eps=norm_eps, embed_norm_eps=embed_norm_eps, img_size=img_size, drop_rate=drop_rate,
        pos_drop_rate=pos_drop_rate,
        proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate, drop_path_rate=drop_path_rate,
    )  # fmt: skip

    def feed_forward(x, grid, hidden, drop_path, block):
        y = w.mlp(w.layer_norm(x, norm_eps, f"{block}_norm2"), hidden, "gelu", f"{block}_mlp", proj_drop_rate)
        return blocks.Residual(drop_path=drop_path, dropout=proj_drop_rate, name=f"{block}_res2")(x, y)

    return pyramid.model(feed_forward)
