"""CvT: a hierarchy of transformers whose queries, keys and values come from convolutions.

Paper: Wu et al., "CvT: Introducing Convolutions to Vision Transformers", arXiv:2103.15808.
Official code: github.com/microsoft/CvT, lib/models/cls_cvt.py; checkpoints there and on the Hugging Face hub.

    image (H, W, 3)
      stage 1   7x7/4 convolution, norm -> blocks                 (H/4,  W/4,  dims[0])
      stage 2   3x3/2 convolution, norm -> blocks                 (H/8,  W/8,  dims[1])
      stage 3   likewise, class token before the blocks           (1 + H/16 W/16, dims[2])
      norm
      class token, or mean where there is none                    (dims[2])
      head

    block: x + attention(norm(x)), queries, keys and values each through a depthwise 3x3 convolution and batch norm of
           their own, step 2 for keys and values, which the class token bypasses;
           x + mlp(norm(x)).

Any input size, also one that is not known: there are no positions to embed. Scores are scaled by the stage's width and
not by a head's, as in the official code. There the final norm sees the class token alone; here it sees all tokens, so
that the map without a top is normed, which changes nothing else. vit-pytorch's CvT has no class token, no final norm,
one convolution for keys and values, and heads of 64; the official one is built.
"""

import dataclasses
import math

from vitgraph.blocks import (
    AveragePooling,
    DepthwiseConv2D,
    PrependTokens,
    QKVAttention,
    RejoinPrefix,
    Residual,
    Stage,
    ToMap,
    ToTokens,
)
from vitgraph.contract import Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import (
    ACTIVATIONS,
    batch_norm,
    conv,
    dense,
    drop_path_rates,
    dropout,
    layer_norm,
    mlp,
    token_top,
)

_21 = {"depths": (1, 4, 16)}
_W24 = {"dims": (192, 768, 1024), "depths": (2, 2, 20), "num_heads": (3, 12, 16)}
_384 = {"input_shape": (384, 384, 3)}

VARIANTS = {  # table 2 of the paper
    "cvt_13_224": {},
    "cvt_13_384": {**_384},
    "cvt_21_224": {**_21},
    "cvt_21_384": {**_21, **_384},
    "cvt_w24_384": {**_W24, **_384},
}

_INITIALIZERS = {"trunc_norm": None, "xavier": "glorot_uniform"}
_METHODS = ("dw_bn", "avg", "linear")
_PROJECTIONS = ("qkv_method", "kernel_qkv", "stride_kv", "padding_kv", "stride_q", "padding_q")
_RATES = ("drop_rate", "attn_drop_rate", "drop_path_rate")


@builder(pools=("token", "avg", "max"), per_stage=("class_token", "qkv_bias", *_PROJECTIONS, *_RATES))
def build_cvt(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_sizes=(7, 3, 3),
    patch_strides=(4, 2, 2),
    patch_paddings=(2, 1, 1),
    dims=(64, 192, 384),
    depths=(1, 2, 10),
    num_heads=(1, 3, 6),
    mlp_ratios=(4.0, 4.0, 4.0),
    class_token=(False, False, True),
    qkv_bias=True,
    qkv_method="dw_bn",
    kernel_qkv=3,
    stride_kv=2,
    padding_kv=1,
    stride_q=1,
    padding_q=1,
    act="quick_gelu",
    norm_eps=1e-5,
    init="trunc_norm",
    drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="cvt",
):
    """Builds a CvT (arXiv:2103.15808): image (B, H, W, C) -> scores (B, num_classes).

    From `class_token` to `padding_q`, and the rates, are one value for all stages, or a sequence with one a stage.

    Args:
        input_shape: (height, width, channels); height and width in pixels, or both None. The least is what the stages
            reduce to 1: 16 unless strides and kernels are changed.
        include_top: False ends the graph at the last, normed map (B, H / 16, W / 16, dims[-1]).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over the map, or "token": (B, dims[-1]).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_sizes, patch_strides, patch_paddings: kernel, step and zeros on each side of the convolution that each
            stage begins with.
        dims, depths, num_heads, mlp_ratios: width, blocks, heads and widening of the feed-forward layer, one a stage.
        class_token: whether a class token joins the stage's tokens; the head sees that of the last stage, or the mean.
        qkv_bias: whether the projections to queries, keys and values have biases.
        qkv_method: what is before these projections: "dw_bn", a depthwise convolution and batch norm each; "avg",
            average pooling for keys and values; "linear", nothing.
        kernel_qkv: side of that convolution's or pooling's windows.
        stride_kv, padding_kv: step and zeros on each side, for keys and values.
        stride_q, padding_q: the same for queries, of which every position needs one: 1, and half the kernel.
        act: activation of the feed-forward layers; the official class' default, unlike its published nets', is "gelu".
        norm_eps: epsilon of all layer norms; batch norms have 1e-5.
        init: initial weights of dense layers: "trunc_norm", of deviation 0.02, or "xavier".
        drop_rate: dropout of tokens, after projections and in the feed-forward layers.
        attn_drop_rate: dropout of attention probabilities.
        drop_path_rate: stochastic depth of each stage's last block; its earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P4", each stage's map before the final norm; where the head needs
        its class token, a stage's stream is tokens.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_cvt")
    check.per_stage(dims=dims, depths=depths, num_heads=num_heads, patch_sizes=patch_sizes, patch_strides=patch_strides)
    check.same_length(dims=dims, patch_paddings=patch_paddings, mlp_ratios=mlp_ratios)
    check.over_zero(mlp_ratios=mlp_ratios)
    check.heads_divide(dims, num_heads)
    check.that(act in ACTIVATIONS, "act", act, ", ".join(ACTIVATIONS))
    check.that(init in _INITIALIZERS, "init", init, ", ".join(_INITIALIZERS))
    patch = {"patch_sizes": patch_sizes, "patch_strides": patch_strides, "patch_paddings": patch_paddings}
    given = {
        "class_token": class_token, "qkv_bias": qkv_bias, "qkv_method": qkv_method, "kernel_qkv": kernel_qkv,
        "stride_kv": stride_kv, "padding_kv": padding_kv, "stride_q": stride_q, "padding_q": padding_q,
        "drop_rate": drop_rate, "attn_drop_rate": attn_drop_rate, "drop_path_rate": drop_path_rate,
    }  # fmt: skip
    spread = check.spread(len(dims), **given)
    _check_windows(check, **patch)
    _check_projections(check, given, spread)
    has_token = spread["class_token"][-1]
    check.that(has_token or pooling != "token", "pooling", pooling, "not the class token: there is none")
    rows = zip(*patch.values(), dims, depths, num_heads, mlp_ratios, *spread.values(), strict=True)
    stages = [_Stage(act, norm_eps, _INITIALIZERS[init], *row) for row in rows]
    strides = [math.prod(patch_strides[: i + 1]) for i in range(len(stages))]
    least = max(s.least_side * stride for s, stride in zip(stages, strides, strict=True))
    check.smallest(least, input_shape=shape_of(input_shape, input_tensor))

    x = inputs = begin(input_shape, input_tensor)
    grid, as_map = None, not include_top and pooling != "token"
    for i, (s, stride) in enumerate(zip(stages, strides, strict=True)):
        x = _positions(x, grid, f"stage_{i}_map")
        x, grid = _stage(x, s, stride, as_map, f"stage_{i + 1}")
    x = layer_norm(x, norm_eps, "norm")
    x = token_top(
        x,
        grid,
        include_top=include_top,
        num_classes=num_classes,
        classifier_activation=classifier_activation,
        pooling=pooling,
        drop_rate=0.0,
    )
    return finish(inputs, x, name)


@dataclasses.dataclass(frozen=True)
class _Stage:
    """What all stages share, and one stage's entry of each argument that has one a stage."""

    act: str
    norm_eps: float
    init: str | None
    patch_size: int
    patch_stride: int
    patch_padding: int
    dim: int
    depth: int
    num_heads: int
    mlp_ratio: float
    class_token: bool
    qkv_bias: bool
    qkv_method: str
    kernel_qkv: int
    stride_kv: int
    padding_kv: int
    stride_q: int
    padding_q: int
    drop: float
    attn_drop: float
    drop_path: float

    @property
    def least_side(self):
        """The side of the smallest map that has a key."""
        return 1 if self.qkv_method == "linear" else max(1, self.kernel_qkv - 2 * self.padding_kv)


def _stage(x, s, stride, as_map, name):
    """(B, H, W, C) -> (B, H', W', dim), None; with a class token (B, 1 + H' W', dim), a map of the same positions.

    With `as_map` the class token, which nothing will need, is left out at the end.
    """
    x = conv(x, s.dim, s.patch_size, s.patch_stride, f"{name}_embed", padding=s.patch_padding)
    x = layer_norm(x, s.norm_eps, f"{name}_embed_norm")
    grid = x if s.class_token else None
    if s.class_token:
        x = PrependTokens(name=f"{name}_cls_token")(ToTokens(name=f"{name}_tokens")(x))
    x = dropout(x, s.drop, f"{name}_drop")
    for j, drop_path in enumerate(drop_path_rates(s.drop_path, s.depth)):
        block = f"{name}_block_{j}"
        y = layer_norm(x, s.norm_eps, f"{block}_norm1")
        y = _attention(y, grid, s, f"{block}_attn")
        x = Residual(drop_path=drop_path, dropout=s.drop, name=f"{block}_res1")(x, y)
        y = layer_norm(x, s.norm_eps, f"{block}_norm2")
        y = mlp(y, int(s.dim * s.mlp_ratio), s.act, f"{block}_mlp", s.drop, s.init)
        x = Residual(drop_path=drop_path, dropout=s.drop, name=f"{block}_res2")(x, y)
    if as_map:
        x, grid = _positions(x, grid, f"{name}_map"), None
    tokens = {} if grid is None else {"prefix": 1, "grid": f"{name}_embed_norm"}
    return Stage(stride, **tokens, name=name)(x), grid


def _positions(x, grid, name):
    """The stream as a map, without the class token that it may have."""
    return x if grid is None else ToMap(1, name=name)(x, grid)


def _attention(x, grid, s, name):
    """Attention with projections to queries, keys and values that each see `_convolved` x."""
    q, k, v = (
        dense(y, s.dim, f"{name}_{part}", s.qkv_bias, s.init)
        for part, y in zip("qkv", _convolved(x, grid, s, name), strict=True)
    )
    x = QKVAttention(s.num_heads, scale=s.dim**-0.5, drop=s.attn_drop, name=name)(q, k, v)
    return dense(x, s.dim, f"{name}_proj", initializer=s.init)


def _convolved(x, grid, s, name):
    """What queries, keys and values are projected from; a class token stays as it is."""
    if s.qkv_method == "linear":
        return x, x, x
    positions = _positions(x, grid, f"{name}_positions")

    def rejoin(y, part):
        return y if grid is None else RejoinPrefix(name=f"{name}_{part}_tokens")(y, x)

    if s.qkv_method == "avg":
        y = AveragePooling(s.kernel_qkv, s.stride_kv, s.padding_kv, name=f"{name}_pool")(positions)
        y = rejoin(y, "kv")
        return x, y, y

    def convolve(part, stride, padding):
        y = DepthwiseConv2D(s.kernel_qkv, stride, False, padding, name=f"{name}_{part}_conv")(positions)
        return rejoin(batch_norm(y, f"{name}_{part}_conv_norm"), part)

    return (
        convolve("q", s.stride_q, s.padding_q),
        convolve("k", s.stride_kv, s.padding_kv),
        convolve("v", s.stride_kv, s.padding_kv),
    )


def _check_windows(check, patch_sizes, patch_strides, patch_paddings):
    """A map has a position for every `stride` pixels of its input, whatever the input's size."""
    check.counts(0, patch_paddings=patch_paddings)
    for size, stride, padding in zip(patch_sizes, patch_strides, patch_paddings, strict=True):
        allowed = f"here {-(-max(size - stride, 0) // 2)} to {(size - 1) // 2}: a position for every {stride} pixels"
        check.that(size - stride <= 2 * padding < size, "patch_paddings", patch_paddings, allowed)


def _check_projections(check, given, spread):
    """There is a query for every position: the residual connection adds what it finds to that position."""
    check.counts(1, **{argument: given[argument] for argument in ("kernel_qkv", "stride_kv", "stride_q")})
    check.counts(0, **{argument: given[argument] for argument in ("padding_kv", "padding_q")})
    for method, kernel, _, padding_kv, stride_q, padding_q in zip(*(spread[a] for a in _PROJECTIONS), strict=True):
        check.that(method in _METHODS, "qkv_method", given["qkv_method"], ", ".join(_METHODS))
        if method == "dw_bn":
            check.that(stride_q == 1, "stride_q", given["stride_q"], "1: every position needs a query")
            allowed = f"half of the odd kernel, here of {kernel}: every position needs a query"
            check.that(2 * padding_q + 1 == kernel, "padding_q", given["padding_q"], allowed)
        if method == "avg":
            allowed = f"at most half the kernel, here of {kernel}"
            check.that(2 * padding_kv <= kernel, "padding_kv", given["padding_kv"], allowed)


__all__ = ["VARIANTS", "build_cvt"]
