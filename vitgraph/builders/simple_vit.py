"""SimpleViT: a ViT without class token and without learned positions.

Paper: Beyer et al., "Better plain ViT baselines for ImageNet-1k", arXiv:2205.01580.
Official code: github.com/google-research/big_vision, models/vit.py with configs/vit_s16_i1k.py.

    image (H, W, 3)
      patches: p x p / p convolution           (H/p, W/p, dim)
      tokens, fixed sine-cosine positions      (B, N, dim)
      blocks 0 ... depth - 1                   (B, N, dim)
      norm, mean                               (B, dim)
      head: one linear layer

    block: ViT's, with the tanh form of GELU.

The official configuration has a layer with tanh before the head (`rep_size=True`); the paper finds one linear layer as
good, and `representation_size` is None here. vit-pytorch's SimpleViT has norms around the patch embedding, no biases in
attention, and the exact GELU: `dual_patch_norm=True, qkv_bias=False, proj_bias=False, act="gelu", norm_eps=1e-5`.

Any input size, also an open one.
"""

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.base import pair
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import VIT_PYTORCH
from vitgraph.wiring.transformer import Transformer, patch_embed, patch_grid, pre_norm_block, transformer_blocks

VARIANTS = {  # section 2 of the paper
    "simple_vit_s16": {"dim": 384, "num_heads": 6},
    "simple_vit_b16": {},
}


@c.builder(initial=VIT_PYTORCH)
def build_simple_vit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Size = 16,
    dim: c.Width = 768,
    depth: c.Depth = 12,
    num_heads: c.Count = 12,
    mlp_ratio: c.Ratio = 4.0,
    dual_patch_norm: bool = False,
    head_dim: c.Width | None = None,
    qkv_bias: bool = True,
    proj_bias: bool = True,
    act: c.Act = "gelu_tanh",
    norm_eps: c.Epsilon = 1e-6,
    representation_size: c.Width | None = None,
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "simple_vit",
) -> keras.Model:
    """Builds a SimpleViT (arXiv:2205.01580): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        dim: width of the tokens, a multiple of 4.
        representation_size: width of a layer with tanh before the head; None: no such layer.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16). Without a top it ends in the
        normed map of the tokens (B, H / p, W / p, dim).

    Example:
        >>> simple_vit = vitgraph.build_simple_vit((None, None, 3), dim=32, depth=2, num_heads=2, num_classes=10)
        >>> simple_vit.predict(numpy.zeros((1, 48, 64, 3)), verbose=0).shape
        (1, 10)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    t = Transformer(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, proj_bias=proj_bias, head_dim=head_dim,
        act=act, norm_eps=norm_eps, proj_drop_rate=proj_drop_rate,
    )  # fmt: skip
    c.require(dim % 4 == 0, "dim", "a multiple of 4: sine and cosine of rows and columns")
    patch, _ = patch_grid(border, patch_size, max(pair(patch_size)))  # positions have no table, so no planned size

    patches = patch_embed(border.image, patch, dim, norm_eps=norm_eps if dual_patch_norm else None)
    x = blocks.SinCosPosition(name="pos_embed")(blocks.ToTokens(name="tokens")(patches), patches)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    x = transformer_blocks(x, t, pre_norm_block, w.drop_path_rates(drop_path_rate, depth), patch)

    def hidden(x):
        return layers.Activation("tanh", name="head_act")(w.dense(x, representation_size, "head_rep"))

    hidden_layer = hidden if representation_size else None
    return border.end_plain(x, patches, t, "avg", prefix=0, hidden=hidden_layer, drop_rate=drop_rate)
