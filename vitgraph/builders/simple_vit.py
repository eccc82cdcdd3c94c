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
good, and `rep_size` is None here. vit-pytorch's SimpleViT has norms around the patch embedding, no biases in attention,
and the exact GELU: `dual_patch_norm=True, qkv_bias=False, proj_bias=False, act="gelu", norm_eps=1e-5`.
"""

from keras import layers

from vitgraph.blocks import SinCosPosition, ToMap, ToTokens
from vitgraph.contract import Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import dense, drop_path_rates, dropout, head
from vitgraph.wiring.transformer import Transformer, blocks, patch_embed, patch_grid, pool, pre_norm_block

VARIANTS = {  # section 2 of the paper
    "simple_vit_s16": {"dim": 384, "num_heads": 6},
    "simple_vit_b16": {},
}


@builder
def build_simple_vit(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=16,
    dim=768,
    depth=12,
    num_heads=12,
    mlp_ratio=4.0,
    dual_patch_norm=False,
    head_dim=None,
    qkv_bias=True,
    proj_bias=True,
    act="gelu_tanh",
    norm_eps=1e-6,
    rep_size=None,
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="simple_vit",
):
    """Builds a SimpleViT (arXiv:2205.01580): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels; what patches leave over at the bottom and the right is
            dropped. Or (None, None, channels): then the image is padded to whole patches.
        include_top: False ends the graph at the normed map of the last tokens (B, H / p, W / p, dim).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map: (B, dim).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, or (height, width), in pixels.
        dim, depth, num_heads, mlp_ratio: width, blocks, heads, widening of the feed-forward layers.
        dual_patch_norm: norms before and after a linear patch embedding (arXiv:2302.01327).
        head_dim: width of one head; None: dim / num_heads.
        qkv_bias, proj_bias: whether the projections before and after attention have biases.
        act: "gelu_tanh", "gelu" (exact), "quick_gelu", "relu", "silu", ...
        norm_eps: epsilon of all norms.
        rep_size: width of a layer with tanh before the head; None: none.
        pos_drop_rate, proj_drop_rate: dropout after positions, of projections.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16).

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_simple_vit")
    t = Transformer(
        dim, num_heads, mlp_ratio, qkv_bias, proj_bias, head_dim=head_dim, act=act, norm_eps=norm_eps,
        proj_drop=proj_drop_rate,
    )  # fmt: skip
    t.check(check)
    check.positive(depth=depth)
    check.that(dim % 4 == 0, "dim", dim, "a multiple of 4: sine and cosine of rows and columns")
    if rep_size is not None:
        check.positive(rep_size=rep_size)
    patch, _ = patch_grid(check, shape_of(input_shape, input_tensor), patch_size, patch_size)

    inputs = begin(input_shape, input_tensor)
    patches = patch_embed(inputs, patch, dim, norm_eps=norm_eps if dual_patch_norm else None)
    x = SinCosPosition(name="pos_embed")(ToTokens(name="tokens")(patches), patches)
    x = dropout(x, pos_drop_rate, "pos_drop")
    x = blocks(x, t, pre_norm_block, drop_path_rates(drop_path_rate, depth), patch)
    x = t.norm(x, "norm")
    if not include_top and pooling is None:
        return finish(inputs, ToMap(name="map")(x, patches), name)
    x = pool(x, pooling or "avg", 0, t)
    if include_top and rep_size:
        x = layers.Activation("tanh", name="head_act")(dense(x, rep_size, "head_rep"))
    if include_top:
        x = head(x, num_classes, classifier_activation)
    return finish(inputs, x, name)


__all__ = ["VARIANTS", "build_simple_vit"]
