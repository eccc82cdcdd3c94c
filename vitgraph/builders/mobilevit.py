"""MobileViT: inverted residuals, and transformers that look at a whole map through one place of every patch at a time.

Paper: Mehta and Rastegari, "MobileViT: Light-weight, General-purpose, and Mobile-friendly Vision Transformer",
arXiv:2110.02178.
Official code: github.com/apple/ml-cvnets, cvnets/models/classification/mobilevit.py; checkpoints there and in timm.

    image (H, W, 3)
      3x3/2 convolution                                   (H/2,  W/2,  stem_dim)
      stage 1   inverted residual                         (H/2,  W/2,  dims[0])
      stage 2   inverted residuals, the first with step 2 (H/4,  W/4,  dims[1])
      stage 3   inverted residual /2, MobileViT block     (H/8,  W/8,  dims[2])
      stage 4   likewise                                  (H/16, W/16, dims[3])
      stage 5   likewise                                  (H/32, W/32, dims[4])
      1x1 convolution, mean, head                         (H/32, W/32, last_dim)

    inverted residual: x + 1x1, depthwise 3x3, 1x1 convolutions, widened in between; x only where its shape fits.
    MobileViT block:   3x3, 1x1 convolutions -> unfold -> transformer blocks, norm -> fold -> 1x1 convolution;
                       3x3 convolution of x and that side by side.

Convolutions are followed by batch norm and SiLU; the last of an inverted residual by the norm alone, the 1x1
convolution before unfolding by nothing. Any input size, also one that is not known: a map that patches don't divide is
resized, bilinearly, before unfolding and after folding. vit-pytorch's MobileViT has heads of 8 channels, no biases and
no norm after its transformers; here the official one is built.
"""

from keras import layers

from vitgraph.blocks import Fold, GroupedAttention, ResizeLike, Unfold
from vitgraph.old.contract import Check, begin, builder, finish, shape_of
from vitgraph.old.layers import conv, map_top
from vitgraph.wiring.mobile_stages import check_numbers, conv_norm_act, mobile_stages, resize_to_patches
from vitgraph.old.transformer import Transformer, pre_norm_block

VARIANTS = {  # table 4 of the paper
    "mobilevit_xxs": {
        "dims": (16, 24, 48, 64, 80),
        "expansions": (2, 2, 2, 2, 2),
        "attn_dims": (64, 80, 96),
        "last_dim": 320,
    },
    "mobilevit_xs": {"dims": (32, 48, 64, 80, 96), "attn_dims": (96, 120, 144), "last_dim": 384},
    "mobilevit_s": {},
}


@builder
def build_mobilevit(
    input_shape=(256, 256, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    stem_dim=16,
    dims=(32, 64, 96, 128, 160),
    depths=(1, 3, 1, 1, 1),
    strides=(1, 2, 2, 2, 2),
    expansions=(4, 4, 4, 4, 4),
    attn_dims=(144, 192, 240),
    attn_depths=(2, 4, 3),
    num_heads=(4, 4, 4),
    mlp_ratios=(2, 2, 2),
    patch_size=2,
    kernel_size=3,
    fusion=True,
    last_dim=640,
    act="silu",
    qkv_bias=True,
    norm_eps=1e-5,
    drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="mobilevit",
):
    """Builds a MobileViT (arXiv:2110.02178): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels); height and width in pixels, at least the last stride, or both None.
        include_top: False ends the graph at the map after the last convolution (B, ceil(H / 32), ceil(W / 32),
            last_dim).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map: (B, last_dim).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        stem_dim: width of the first convolution.
        dims, depths, strides, expansions: width, inverted residuals, step of the first of them, and their widening,
            one a stage.
        attn_dims, attn_depths, num_heads, mlp_ratios: width, blocks, heads and widening of the feed-forward layers of
            the transformers, one for each of the last stages; the stages before have none.
        patch_size: side of a patch of the map, in positions, or (rows, columns).
        kernel_size: side of the MobileViT blocks' larger convolutions, an odd number.
        fusion: whether a MobileViT block ends in a convolution of its input and the transformer's output.
        last_dim: width of the last 1x1 convolution; None: there is none.
        act: activation after convolutions and in feed-forward layers.
        qkv_bias: whether the projections to queries, keys and values have biases.
        norm_eps: epsilon of the transformers' norms; batch norms have 1e-5.
        drop_rate: dropout after the transformers' projections, in their feed-forward layers and before the head.
        attn_drop_rate: dropout of attention probabilities.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model` with pyramid levels "P1" to "P5", each stage's map before the last convolution.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_mobilevit")
    shape = shape_of(input_shape, input_tensor)
    check_numbers(
        check, shape, stem_dim, dims, depths, strides, expansions, attn_dims, attn_depths, mlp_ratios, patch_size,
        kernel_size, last_dim, act,
    )  # fmt: skip
    check.per_stage(attn_dims=attn_dims, num_heads=num_heads)
    check.heads_divide(attn_dims, num_heads)

    def block(k):
        transformer = Transformer(
            attn_dims[k],
            num_heads[k],
            mlp_ratios[k],
            qkv_bias=qkv_bias,
            core=GroupedAttention,
            act=act,
            norm_eps=norm_eps,
            attn_drop=attn_drop_rate,
            proj_drop=drop_rate,
        )
        return lambda x, rates, name: _mobilevit_block(x, transformer, rates, patch_size, kernel_size, fusion, name)

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


def _mobilevit_block(x, transformer, rates, patch_size, kernel_size, fusion, name):
    """(B, H, W, C) -> (B, H, W, C): local by convolutions, global by a transformer over every place in the patches."""
    act, shortcut = transformer.act, x
    x = conv_norm_act(x, x.shape[-1], kernel_size, 1, act, f"{name}_conv_kxk")
    x = before = conv(x, transformer.dim, 1, 1, f"{name}_conv_1x1", use_bias=False)
    x = grid = resize_to_patches(x, patch_size, f"{name}_resize")
    x = Unfold(patch_size, name=f"{name}_unfold")(x)
    for j, drop_path in enumerate(rates):
        x = pre_norm_block(x, transformer, drop_path, f"{name}_layer_{j}")
    # The official code counts the norm as one more layer, and so do its checkpoints.
    x = transformer.norm(x, f"{name}_layer_{len(rates)}_norm")
    x = Fold(patch_size, name=f"{name}_fold")(x, grid)
    if grid is not before:
        x = ResizeLike(name=f"{name}_resize_back")(x, before)
    x = conv_norm_act(x, shortcut.shape[-1], 1, 1, act, f"{name}_conv_proj")
    if not fusion:
        return x
    x = layers.Concatenate(name=f"{name}_concat")([shortcut, x])
    return conv_norm_act(x, shortcut.shape[-1], kernel_size, 1, act, f"{name}_conv_fusion")
