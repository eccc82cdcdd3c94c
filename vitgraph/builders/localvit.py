"""LocalViT: a ViT whose feed-forward layers look at each patch's neighbours.

Paper: Li et al., "LocalViT: Bringing Locality to Vision Transformers", arXiv:2104.05707.
Official code: github.com/ofsoundof/LocalViT, models/localvit.py; checkpoints there.

    image (H, W, 3)
      patches: p x p / p convolution           (H/p, W/p, dim)
      tokens, class token, positions           (B, 1 + N, dim)
      blocks 0 ... depth - 1                   (B, 1 + N, dim)
      norm, class token, head

    block: x + attention(norm(x));
           x + locality(x), which leaves the class token out (see wiring/locality_feed_forward.py).

The class token sees no patch that the last feed-forward layer changes, so that layer never learns, as in the official
code. Without a class token, which the official code always has, the stream is maps and the scores come from the mean of
the last one. Any input size, also an open one: the position table is resampled bicubically.
"""

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import LOCALITY
from vitgraph.wiring.locality_feed_forward import Gate, LocalityFeedForward, Place
from vitgraph.wiring.transformer import Transformer, patch_grid

VARIANTS = {  # the official code's names: "mlp" is the ratio, "act3" h-swish and squeeze-excitation, "act1" ReLU6
    "localvit_tiny_mlp4_act3_r192": {},
    "localvit_tiny_mlp4_act3_r4": {"reduction": 4},
    "localvit_small_mlp4_act3_r384": {"dim": 384, "num_heads": 8},
    "localvit_tiny_mlp6_act1": {"mlp_ratio": 6, "act": "relu6", "channel_attention": None},
}


@c.builder(initial=LOCALITY)
def build_localvit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.TokenPooling = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Size = 16,
    dim: c.Width = 192,
    depth: c.Depth = 12,
    num_heads: c.Count = 4,
    mlp_ratio: c.Ratio = 4.0,
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
    name: c.Name = "localvit",
) -> keras.Model:
    """Builds a LocalViT (arXiv:2104.05707): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        patch_size: side of a patch, or (height, width), in pixels; what patches leave over of the image is dropped.
        norm_eps: epsilon of the layer norms; batch norms have 1e-5.
        proj_drop_rate: dropout after the projections of attention; feed-forward layers have none.
        drop_path_rate: stochastic depth of the last block's attention; earlier ones have less.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16). The last map is
        (B, H / p, W / p, dim).

    Example:
        >>> backbone = vitgraph.build_localvit((64, 96, 3), include_top=False, depth=1)
        >>> backbone.output_shape
        (None, 4, 6, 192)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    patch, grid = patch_grid(border, patch_size, img_size)
    t = Transformer(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, qk_scale=qk_scale, norm_eps=norm_eps,
        proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
    )  # fmt: skip
    locality = LocalityFeedForward(
        act=act, channel_attention=channel_attention, reduction=reduction, depthwise=depthwise
    )
    locality.check(dim, t.hidden)

    x = patches = w.conv(border.image, dim, patch, patch, "patch_embed")
    if class_token:
        x = blocks.PrependTokens(name="cls_token")(blocks.ToTokens(name="tokens")(x))
    x = blocks.PositionTable(grid, int(class_token), antialias=False, name="pos_embed")(x, patches)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    for i, drop_path in enumerate(w.drop_path_rates(drop_path_rate, depth)):
        block = f"block_{i}"
        y = t.attention(t.norm(x, f"{block}_norm1"), f"{block}_attn")
        x = t.residual(x, y, drop_path, f"{block}_res1")
        x = locality(x, patches, t.hidden, block)
        x = blocks.Stage(patch, int(class_token), "patch_embed" if class_token else None, name=block)(x)
    return border.end_with_token(t.norm(x, "norm"), patches, drop_rate)
