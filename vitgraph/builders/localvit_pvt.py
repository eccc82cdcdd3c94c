"""LocalViT on PVT: a pyramid whose feed-forward layers look at each position's neighbours.

Paper: Li et al., "LocalViT: Bringing Locality to Vision Transformers", arXiv:2104.05707.
Official code: github.com/ofsoundof/LocalViT, models/localvit_pvt.py; checkpoints there.

The stages are those of PVT (see pvt.py), the second half of each block is that of LocalViT (see
wiring/locality_feed_forward.py). The official code has squeeze-excitation and square images only.
"""

from typing import Any

import keras

from vitgraph import contract as c
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import LOCALITY
from vitgraph.wiring.locality_feed_forward import Gate, LocalityFeedForward, Place
from vitgraph.wiring.pyramid import Pyramid

VARIANTS: dict[str, dict[str, Any]] = {"localvit_pvt_tiny": {}}


@c.builder(initial=LOCALITY)
def build_localvit_pvt(
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
    act: c.Act = "hard_silu",
    channel_attention: Gate | None = "se",
    reduction: c.Count | None = None,
    depthwise: Place = "middle",
    class_token: bool = True,
    qkv_bias: bool = True,
    qk_scale: c.Scale | None = None,
    norm_eps: c.Epsilon = 1e-6,
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "localvit_pvt",
) -> keras.Model:
    """Builds a LocalViT-PVT (arXiv:2104.05707): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        patch_sizes: side of each stage's patches, or (height, width), in positions of the stage before it (pixels at
            first).
        class_token: whether the last stage has a class token, from which the scores come; else they come from the mean.
        norm_eps: epsilon of the layer norms of blocks and the last one; embeddings, reductions and batch norms have
            1e-5.
        pos_drop_rate: dropout after the positions of each stage.
        proj_drop_rate: dropout after the projections of attention; feed-forward layers have none.
        drop_path_rate: stochastic depth of the last block's attention; earlier ones have less.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5"; the last map is (B, H / 32, W / 32, dims[-1]).

    Example:
        >>> backbone = vitgraph.build_localvit_pvt((64, 96, 3), include_top=False, depths=(1, 1, 1, 1))
        >>> backbone.output_shape
        (None, 2, 3, 512)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    pyramid = Pyramid(
        border=border, patch_sizes=patch_sizes, dims=dims, depths=depths, num_heads=num_heads,
        mlp_ratios=c.entries(mlp_ratios), sr_ratios=sr_ratios, class_token=class_token, qkv_bias=qkv_bias,
        qk_scale=qk_scale, norm_eps=norm_eps, img_size=img_size, drop_rate=drop_rate, pos_drop_rate=pos_drop_rate,
        proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate, drop_path_rate=drop_path_rate,
    )  # fmt: skip
    locality = LocalityFeedForward(
        act=act, channel_attention=channel_attention, reduction=reduction, depthwise=depthwise
    )
    for dim, mlp_ratio in zip(dims, c.entries(mlp_ratios), strict=True):
        locality.check(dim, int(dim * mlp_ratio))
    return pyramid.model(lambda x, grid, hidden, drop_path, block: locality(x, grid, hidden, block))
