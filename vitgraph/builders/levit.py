"""LeViT: a hierarchy of transformers for fast inference, with batch norms and attention that shrinks the map.

Paper: Graham et al., "LeViT: a Vision Transformer in ConvNet's Clothing for Faster Inference", arXiv:2104.01136.
Official code: github.com/facebookresearch/LeViT, levit.py; checkpoints there and in timm.

    image (H, W, 3)
      stem      four 3x3/2 convolutions                     (H/16, W/16, dims[0])
      stage 1   blocks
      stage 2   shrinking attention, mlp -> blocks          (H/32, W/32, dims[1])
      stage 3   likewise                                    (H/64, W/64, dims[2])
      mean
      two heads, for labels and for a teacher's; their mean

    block: x + attention(x); x + mlp(x).
    shrinking attention: queries from every other position along both axes, no residual connection around it.

Every convolution and every linear layer has no bias and a batch norm behind it. Scores get a learned number for each
absolute offset between query and key, one table an attention layer: so a graph holds for one image size. For another
one a graph has tables of another size, and a checkpoint's are resampled when it is loaded.

timm's convolutional form (`levit_conv_*`) is the same net in another layout: here maps stay maps, and a linear layer on
their last axis is a convolution of 1x1. vit-pytorch's LeViT has no norms in its stem and its feed-forward layers, and
one head; the official one is built.
"""

from keras import layers

from vitgraph.blocks import InterleavedCrossAttention, InterleavedSelfAttention, OffsetBias, Residual, Stage
from vitgraph.old.contract import Check, begin, builder, finish, shape_of
from vitgraph.old.layers import (
    ACTIVATIONS,
    activation,
    batch_norm,
    conv_norm,
    dense,
    dense_norm,
    dropout,
    map_pool,
    predictions,
)

_S8 = {"patch_size": 8, "act": "silu"}
_384 = {"dims": (384, 512, 768), "num_heads": (6, 9, 12)}
_SILU = {"act": "silu", "distilled": False}

_ROWS = {  # table 2 of the paper; those with another activation are timm's
    "128s": {"dims": (128, 256, 384), "depths": (2, 3, 4), "num_heads": (4, 6, 8), "key_dim": 16},
    "128": {"dims": (128, 256, 384), "num_heads": (4, 8, 12), "key_dim": 16},
    "192": {"dims": (192, 288, 384), "num_heads": (3, 5, 6)},
    "256": {},
    "384": {**_384},
    "384_s8": {**_384, **_S8},
    "512_s8": {"dims": (512, 640, 896), "num_heads": (8, 10, 14), "key_dim": 64, **_S8, "distilled": False},
    "512": {"dims": (512, 768, 1024), "num_heads": (8, 12, 16), "key_dim": 64, **_SILU},
    "256d": {"depths": (4, 8, 6), **_SILU},
    "512d": {"dims": (512, 640, 768), "depths": (4, 8, 6), "num_heads": (8, 10, 12), "key_dim": 64, **_SILU},
}
VARIANTS = {f"{form}_{size}": row for form in ("levit", "levit_conv") for size, row in _ROWS.items()}


@builder
def build_levit(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=16,
    dims=(256, 384, 512),
    depths=(4, 4, 4),
    num_heads=(4, 6, 8),
    key_dim=32,
    attn_ratios=(2, 2, 2),
    mlp_ratios=(2, 2, 2),
    act="hard_silu",
    attn_act=None,
    distilled=True,
    drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="levit",
):
    """Builds a LeViT (arXiv:2104.01136): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels. They can't be None: the biases of attention are tables of
            the offsets on this size's grid.
        include_top: False ends the graph at the last stage's map (B, ceil(H / 64), ceil(W / 64), dims[-1]).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map: (B, dims[-1]).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: pixels per position of the first stage, a power of two; the stem has a convolution for each factor.
        dims, depths, num_heads: width, blocks and heads, one a stage.
        key_dim: width of one head's queries and keys. Shrinking attention has as many heads as make up the width.
        attn_ratios: width of one head's values over `key_dim`, one a stage; 4 in shrinking attention.
        mlp_ratios: widening of the feed-forward layers, one a stage; 2 behind shrinking attention.
        act: activation of stem and feed-forward layers.
        attn_act: activation of what attention finds, before its projection; None: `act`.
        distilled: whether there is a second head, for a teacher's labels. Scores are those of the mean logits; for
            training, each head's logits are the output of the layer "head" or "head_dist".
        drop_rate: dropout before the heads.
        drop_path_rate: stochastic depth, the same for all blocks.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model` with pyramid levels "P4" to "P6" (for patch_size 16).

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_levit")
    check.per_stage(dims=dims, depths=depths, num_heads=num_heads)
    check.same_length(dims=dims, attn_ratios=attn_ratios, mlp_ratios=mlp_ratios)
    check.over_zero(attn_ratios=attn_ratios, mlp_ratios=mlp_ratios)
    check.positive(patch_size=patch_size, key_dim=key_dim)
    check.that(patch_size.bit_count() == 1 < patch_size, "patch_size", patch_size, "a power of two, at least 2")
    check.that(dims[0] % (patch_size // 2) == 0, "dims", dims, f"a first width that {patch_size // 2} divides")
    check.that(key_dim <= min(dims), "key_dim", key_dim, f"at most the least width, here {min(dims)}")
    check.that(act in ACTIVATIONS, "act", act, ", ".join(ACTIVATIONS))
    check.that(attn_act in (None, *ACTIVATIONS), "attn_act", attn_act, f"None, {', '.join(ACTIVATIONS)}")
    attn_act = attn_act or act
    shape = shape_of(input_shape, input_tensor)
    why = "a known height and width: the biases of attention are tables of the offsets on the grid of one image size"
    check.that(None not in shape[:2], "input_shape", shape, why)
    check.smallest(patch_size, input_shape=shape)

    x = inputs = begin(input_shape, input_tensor)
    x = _stem(x, dims[0], patch_size.bit_length() - 1, act)
    for i, depth in enumerate(depths):
        stage = f"stage_{i + 1}"
        if i > 0:
            x = _shrinking_attention(x, dims[i], dims[i - 1] // key_dim, key_dim, attn_act, f"{stage}_down_attn")
            y = _mlp(x, 2 * dims[i], act, f"{stage}_down_mlp")
            x = Residual(drop_path=drop_path_rate, name=f"{stage}_down_res")(x, y)
        for j in range(depth):
            block = f"{stage}_block_{j}"
            y = _attention(x, num_heads[i], key_dim, int(attn_ratios[i] * key_dim), attn_act, f"{block}_attn")
            x = Residual(drop_path=drop_path_rate, name=f"{block}_res1")(x, y)
            y = _mlp(x, int(mlp_ratios[i] * dims[i]), act, f"{block}_mlp")
            x = Residual(drop_path=drop_path_rate, name=f"{block}_res2")(x, y)
        x = Stage(patch_size * 2**i, name=stage)(x)

    x = map_pool(x, "avg" if include_top else pooling)
    if not include_top:
        return finish(inputs, x, name)
    logits = [_head(x, num_classes, drop_rate, part) for part in ("head", "head_dist")[: 1 + distilled]]
    x = layers.Average(name="heads")(logits) if distilled else logits[0]
    return finish(inputs, predictions(x, classifier_activation), name)


def _stem(x, dim, count, act):
    """`count` convolutions of step 2, each twice as wide as the one before."""
    for i in range(1, count + 1):
        x = conv_norm(x, dim // 2 ** (count - i), 3, 2, f"stem_conv{i}", padding=1)
        if i < count:
            x = activation(x, act, f"stem_act{i}")
    return x


def _attention(x, num_heads, key_dim, value_dim, act, name):
    """Self-attention of all positions of x (B, H, W, C)."""
    dim = x.shape[-1]
    bias = OffsetBias(x.shape[1:3], num_heads, name=f"{name}_bias")(x)
    x = dense_norm(x, num_heads * (2 * key_dim + value_dim), f"{name}_qkv")
    x = InterleavedSelfAttention(num_heads, key_dim, name=name)(x, bias)
    return dense_norm(activation(x, act, f"{name}_act"), dim, f"{name}_proj", gamma="zeros")


def _shrinking_attention(x, dim, num_heads, key_dim, act, name):
    """Attention from every other position along both axes: (B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), dim)."""
    bias = OffsetBias(x.shape[1:3], num_heads, 2, name=f"{name}_bias")(x)
    kv = dense_norm(x, num_heads * 5 * key_dim, f"{name}_kv")
    q = layers.AveragePooling2D(1, 2, name=f"{name}_q_sub")(x)
    q = dense_norm(q, num_heads * key_dim, f"{name}_q")
    x = InterleavedCrossAttention(num_heads, name=name)(q, kv, bias)
    return dense_norm(activation(x, act, f"{name}_act"), dim, f"{name}_proj")


def _mlp(x, hidden, act, name):
    """The feed-forward layer; like attention, it adds nothing at first: the last norm's scale is 0."""
    dim = x.shape[-1]
    x = activation(dense_norm(x, hidden, f"{name}_fc1"), act, f"{name}_act")
    return dense_norm(x, dim, f"{name}_fc2", gamma="zeros")


def _head(x, num_classes, drop_rate, name):
    """Mean (B, C) -> logits (B, num_classes)."""
    x = dropout(batch_norm(x, f"{name}_norm"), drop_rate, f"{name}_drop")
    return dense(x, num_classes, name)


__all__ = ["VARIANTS", "build_levit"]
