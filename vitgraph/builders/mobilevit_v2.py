"""MobileViT v2: MobileViT with attention whose cost grows linearly, and without its fusion.

Paper: Mehta and Rastegari, "Separable Self-attention for Mobile Vision Transformers", arXiv:2206.02680.
Official code: github.com/apple/ml-cvnets, cvnets/models/classification/mobilevit_v2.py; checkpoints there and in timm.

    image (H, W, 3)
      stages 1 to 5 as in MobileViT, with MobileViT v2 blocks      (H/32, W/32, dims[4])
      mean, head

    MobileViT v2 block: depthwise 3x3, 1x1 convolutions -> unfold -> transformer blocks, norm -> fold
                        -> 1x1 convolution, norm.
    transformer block:  x + context of all tokens * relu(values of each)(norm(x)); x + mlp(norm(x)).

The context is the mean of all keys, weighed by the softmax of one score a token. Norms are over channels and positions
together. Any input size, also one that is not known: a map that patches don't divide is resized before the block,
bilinearly, its corners aligned, and stays so: it and what follows are up to a patch larger.
"""

import dataclasses

from keras import layers

from vitgraph.blocks import ContextAttention, ContextGate, DepthwiseConv2D, Fold, Residual, Unfold
from vitgraph.old.contract import Check, begin, builder, finish, shape_of
from vitgraph.old.layers import activation, batch_norm, conv, conv_norm, dense, map_top, mlp
from vitgraph.wiring.mobile_stages import check_numbers, conv_norm_act, mobile_stages, resize_to_patches


def _width(multiplier):
    stem_dim, *dims = (int(width * multiplier) for width in (32, 64, 128, 256, 384, 512))
    return {"stem_dim": stem_dim, "dims": tuple(dims), "attn_dims": tuple(dim // 2 for dim in dims[2:])}


VARIANTS = {  # table 8 of the paper's appendix: one net in seven widths
    "mobilevitv2_050": _width(0.5),
    "mobilevitv2_075": _width(0.75),
    "mobilevitv2_100": _width(1.0),
    "mobilevitv2_125": _width(1.25),
    "mobilevitv2_150": _width(1.5),
    "mobilevitv2_175": _width(1.75),
    "mobilevitv2_200": _width(2.0),
}


@builder(uneven=True)
def build_mobilevit_v2(
    input_shape=(256, 256, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    stem_dim=32,
    dims=(64, 128, 256, 384, 512),
    depths=(1, 2, 1, 1, 1),
    strides=(1, 2, 2, 2, 2),
    expansions=(2, 2, 2, 2, 2),
    attn_dims=(128, 192, 256),
    attn_depths=(2, 4, 3),
    mlp_ratios=(2, 2, 2),
    patch_size=2,
    kernel_size=3,
    last_dim=None,
    act="silu",
    norm_eps=1e-5,
    drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="mobilevit_v2",
):
    """Builds a MobileViT v2 (arXiv:2206.02680): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels); height and width in pixels, at least the last stride, or both None.
        include_top: False ends the graph at the last map (B, H / 32, W / 32, dims[-1]), its sides rounded up to
            multiples of `patch_size`.
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map: (B, dims[-1]).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        stem_dim: width of the first convolution.
        dims, depths, strides, expansions: width, inverted residuals, step of the first of them, and their widening,
            one a stage.
        attn_dims, attn_depths, mlp_ratios: width, blocks and widening of the feed-forward layers of the transformers,
            one for each of the last stages; the stages before have none.
        patch_size: side of a patch of the map, in positions, or (rows, columns).
        kernel_size: side of the MobileViT v2 blocks' depthwise convolutions, an odd number.
        last_dim: width of a last 1x1 convolution; None: there is none.
        act: activation after convolutions and in feed-forward layers.
        norm_eps: epsilon of the transformers' norms; batch norms have 1e-5.
        drop_rate: dropout after the transformers' projections, in their feed-forward layers and before the head.
        attn_drop_rate: dropout of attention probabilities.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model` with pyramid levels "P1" to "P5", each stage's map.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_mobilevit_v2")
    shape = shape_of(input_shape, input_tensor)
    check_numbers(
        check, shape, stem_dim, dims, depths, strides, expansions, attn_dims, attn_depths, mlp_ratios, patch_size,
        kernel_size, last_dim, act,
    )  # fmt: skip

    def block(k):
        numbers = _Transformer(attn_dims[k], mlp_ratios[k], act, norm_eps, attn_drop_rate, drop_rate)
        return lambda x, rates, name: _mobilevit_v2_block(x, numbers, rates, patch_size, kernel_size, name)

    x = inputs = begin(input_shape, input_tensor)
    x = conv_norm_act(x, stem_dim, 3, 2, act, "stem")
    blocks = [block(k) for k in range(len(attn_dims))]
    x = mobile_stages(x, dims, depths, strides, expansions, act, blocks, attn_depths, drop_path_rate)
    if last_dim is not None:
        x = conv_norm_act(x, last_dim, 1, 1, act, "last_conv")

    x = map_top(
        x,
        include_top=include_top,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        pooling=pooling,
        drop_rate=drop_rate,
    )
    return finish(inputs, x, name)


@dataclasses.dataclass(frozen=True)
class _Transformer:
    """The numbers of a transformer block with separable attention."""

    dim: int
    mlp_ratio: float
    act: str
    norm_eps: float
    attn_drop: float
    drop: float

    def norm(self, x, name):
        return layers.GroupNormalization(1, epsilon=self.norm_eps, name=name)(x)


def _mobilevit_v2_block(x, t, rates, patch_size, kernel_size, name):
    """(B, H, W, C) -> (B, H', W', C), H' and W' rounded up to multiples of the patch."""
    dim = x.shape[-1]
    x = resize_to_patches(x, patch_size, f"{name}_resize", align_corners=True)
    x = DepthwiseConv2D(kernel_size, use_bias=False, name=f"{name}_conv_kxk")(x)
    x = activation(batch_norm(x, f"{name}_conv_kxk_norm"), t.act, f"{name}_conv_kxk_act")
    x = grid = conv(x, t.dim, 1, 1, f"{name}_conv_1x1", use_bias=False)
    x = Unfold(patch_size, name=f"{name}_unfold")(x)
    for j, drop_path in enumerate(rates):
        x = _transformer_block(x, t, drop_path, f"{name}_layer_{j}")
    x = t.norm(x, f"{name}_layer_{len(rates)}_norm")
    x = Fold(patch_size, name=f"{name}_fold")(x, grid)
    return conv_norm(x, dim, 1, 1, f"{name}_conv_proj")


def _transformer_block(x, t, drop_path, name):
    """(B, P, N, C) -> (B, P, N, C)."""
    y = dense(t.norm(x, f"{name}_norm1"), 1 + 2 * t.dim, f"{name}_attn_qkv")
    context = ContextAttention(t.attn_drop, name=f"{name}_attn")(y)
    y = ContextGate(name=f"{name}_attn_gate")(y, context)
    y = dense(y, t.dim, f"{name}_attn_proj")
    x = Residual(drop_path=drop_path, dropout=t.drop, name=f"{name}_res1")(x, y)
    y = mlp(t.norm(x, f"{name}_norm2"), int(t.dim * t.mlp_ratio), t.act, f"{name}_mlp", t.drop)
    return Residual(drop_path=drop_path, dropout=t.drop, name=f"{name}_res2")(x, y)
