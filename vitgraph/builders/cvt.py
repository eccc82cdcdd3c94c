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
           their own, stride 2 for keys and values; the class token skips the convolutions;
           x + mlp(norm(x)).

Any input size, also an open one: there are no positions to embed. Attention is scaled by the stage's width and not by
a head's, as in the official code. There the final norm sees the class token alone; here it sees all tokens, so that the
map without a top is normed, which changes nothing else. There is no dropout before the head in the official code.
vit-pytorch's CvT has no class token, no final norm, one convolution for keys and values, and heads of 64; this is the
official net.
"""

import dataclasses
import math
from typing import Literal

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.initializers import InitialWeights, glorot_uniform, normal, pytorch_uniform
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border

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

_HEAD = {"head/kernel": normal(0.02), "head/bias": pytorch_uniform}
_INITIAL = {"trunc_norm": InitialWeights(special=_HEAD), "xavier": InitialWeights(dense=glorot_uniform, special=_HEAD)}


@c.builder(initial=_INITIAL)
def build_cvt(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.TokenPooling = None,
    input_tensor: c.ImageTensor | None = None,
    kernel_sizes: c.PerStage[c.Kernel] = (7, 3, 3),
    strides: c.PerStage[c.Kernel] = (4, 2, 2),
    paddings: c.PerStage[c.Padding] = (2, 1, 1),
    dims: c.PerStage[c.Width] = (64, 192, 384),
    depths: c.PerStage[c.Depth] = (1, 2, 10),
    num_heads: c.PerStage[c.Count] = (1, 3, 6),
    mlp_ratios: c.OneOrPerStage[c.Ratio] = 4.0,
    class_token: c.OneOrPerStage[bool] = (False, False, True),
    qkv_bias: c.OneOrPerStage[bool] = True,
    qkv_method: c.OneOrPerStage[Literal["dw_bn", "avg", "linear"]] = "dw_bn",
    kernel_qkv: c.OneOrPerStage[c.Kernel] = 3,
    stride_kv: c.OneOrPerStage[c.Kernel] = 2,
    padding_kv: c.OneOrPerStage[c.Padding] = 1,
    stride_q: c.OneOrPerStage[c.Kernel] = 1,
    padding_q: c.OneOrPerStage[c.Padding] = 1,
    act: c.Act = "quick_gelu",
    norm_eps: c.Epsilon = 1e-5,
    weight_init: Literal["trunc_norm", "xavier"] = "trunc_norm",
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.OneOrPerStage[c.Rate] = 0.0,
    proj_drop_rate: c.OneOrPerStage[c.Rate] = 0.0,
    attn_drop_rate: c.OneOrPerStage[c.Rate] = 0.0,
    drop_path_rate: c.OneOrPerStage[c.Rate] = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "cvt",
) -> keras.Model:
    """Builds a CvT (arXiv:2103.15808): image (B, H, W, C) -> scores (B, num_classes).

    Arguments from `class_token` to `padding_q`, and all rates except `drop_rate`, take one value for all stages or one
    per stage.

    Args:
        paddings: zeros on each side of the map before each stage's embedding.
        class_token: whether a class token joins a stage's tokens; the head sees that of the last stage, or the mean.
        qkv_method: what comes before the projections to queries, keys and values: "dw_bn", a depthwise convolution and
            a batch norm for each; "avg", average pooling for keys and values; "linear", nothing.
        kernel_qkv: side of the windows of that convolution or pooling.
        stride_kv: its stride for keys and values.
        padding_kv: its zeros on each side of the map for keys and values, at most half of `kernel_qkv`.
        stride_q: the convolution's stride for queries: 1, since every position needs a query.
        padding_q: the convolution's zeros on each side for queries: half of an odd `kernel_qkv`.
        act: activation of the feed-forward layers; the official class' default, unlike its published nets', is "gelu".
        norm_eps: epsilon of the layer norms; batch norms have 1e-5.
        weight_init: initial weights of linear layers: "trunc_norm" with a deviation of 0.02, or "xavier".
        pos_drop_rate: dropout after the embedding of each stage.
        drop_path_rate: stochastic depth of each stage's last block; its earlier ones have less.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P4", each stage's map before the final norm; where the head needs
        its class token, a stage's stream is tokens. The last map is (B, ceil(H / 16), ceil(W / 16), dims[-1]).

    Example:
        >>> backbone = vitgraph.build_cvt((64, 96, 3), include_top=False, depths=(1, 1, 1))
        >>> backbone.output_shape
        (None, 4, 6, 384)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    tokens, ratios = c.entries(class_token), c.entries(mlp_ratios)
    pos_drops, proj_drops, drop_paths = map(c.entries, (pos_drop_rate, proj_drop_rate, drop_path_rate))
    c.require(tokens[-1] or pooling != "token", "pooling", "not the class token: the last stage has none")
    c.heads_divide(dims, num_heads)
    c.has_hidden(dims, mlp_ratios, "mlp_ratios")
    _check_embeddings(kernel_sizes, strides, paddings)
    per_stage = {
        "dim": dims, "num_heads": num_heads, "qkv_bias": qkv_bias, "qkv_method": qkv_method, "kernel_qkv": kernel_qkv,
        "stride_kv": stride_kv, "padding_kv": padding_kv, "stride_q": stride_q, "padding_q": padding_q,
        "attn_drop_rate": attn_drop_rate,
    }  # fmt: skip
    rows = [{argument: c.entries(value)[i] for argument, value in per_stage.items()} for i in range(len(dims))]
    attentions = [_Attention(**row) for row in rows]
    pixels = [math.prod(strides[: i + 1]) for i in range(len(dims))]
    c.at_least(max(n * attention.least for n, attention in zip(pixels, attentions, strict=True)), border.shape)

    x, patches, needs_token = border.image, None, include_top or pooling == "token"
    for i, attention in enumerate(attentions):
        stage = f"stage_{i + 1}"
        x = _without_token(x, patches, f"stage_{i}_map")
        x = w.conv(x, dims[i], kernel_sizes[i], strides[i], f"{stage}_embed", padding=paddings[i])
        x = w.layer_norm(x, norm_eps, f"{stage}_embed_norm")
        patches = x if tokens[i] else None
        if tokens[i]:
            x = blocks.PrependTokens(name=f"{stage}_cls_token")(blocks.ToTokens(name=f"{stage}_tokens")(x))
        x = w.dropout(x, pos_drops[i], f"{stage}_drop")
        for j, drop_path in enumerate(w.drop_path_rates(drop_paths[i], depths[i])):
            block, drops = f"{stage}_block_{j}", {"drop_path": drop_path, "dropout": proj_drops[i]}
            y = attention(w.layer_norm(x, norm_eps, f"{block}_norm1"), patches, f"{block}_attn")
            x = blocks.Residual(**drops, name=f"{block}_res1")(x, y)
            y, hidden = w.layer_norm(x, norm_eps, f"{block}_norm2"), int(dims[i] * ratios[i])
            y = w.mlp(y, hidden, act, f"{block}_mlp", proj_drops[i])
            x = blocks.Residual(**drops, name=f"{block}_res2")(x, y)
        if not needs_token:
            x, patches = _without_token(x, patches, f"{stage}_map"), None
        prefix, grid = (0, None) if patches is None else (1, f"{stage}_embed_norm")
        x = blocks.Stage(pixels[i], prefix, grid, name=stage)(x)
    return border.end_with_token(w.layer_norm(x, norm_eps, "norm"), patches, drop_rate)


def _check_embeddings(kernel_sizes, strides, paddings):
    """A stage's map has a position for every `stride` pixels of its input, whatever the input's size."""
    for size, stride, padding in zip(kernel_sizes, strides, paddings, strict=True):
        c.require(stride > 1 or size % 2 == 1, "kernel_sizes", f"an odd kernel where the stride is 1, not {size}")
        least, most = -(-max(size - stride, 0) // 2), (size - 1) // 2
        allowed = f"here {least} to {most}: a position for every {stride} pixels"
        c.require(size - stride <= 2 * padding < size, "paddings", allowed)


def _without_token(x, patches, name):
    """The stream as a map; it is one where there is no class token, and so no map of the tokens' positions."""
    return x if patches is None else blocks.ToMap(1, name=name)(x, patches)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Attention:
    """The attention of a stage's blocks; its numbers are called as those of `build_cvt`."""

    dim: int
    num_heads: int
    qkv_bias: bool
    qkv_method: str
    kernel_qkv: int
    stride_kv: int
    padding_kv: int
    stride_q: int
    padding_q: int
    attn_drop_rate: float

    def __post_init__(self):
        """Every position has a query, since the residual connection adds to that position what the query finds."""
        if self.qkv_method == "linear":
            return
        good = 2 * self.padding_kv <= self.kernel_qkv
        c.require(good, "padding_kv", f"at most half of the kernel, here of {self.kernel_qkv}")
        if self.qkv_method == "dw_bn":
            c.require(self.stride_q == 1, "stride_q", "1: every position needs a query")
            half = f"half of an odd kernel, here of {self.kernel_qkv}: every position needs a query"
            c.require(2 * self.padding_q + 1 == self.kernel_qkv, "padding_q", half)

    @property
    def least(self):
        """The side of the smallest map that has a key."""
        return 1 if self.qkv_method == "linear" else max(1, self.kernel_qkv - 2 * self.padding_kv)

    def __call__(self, x, patches, name):
        """(B, H, W, C), or after a class token (B, 1 + N, C) with the map `patches`: -> as x."""
        parts = zip("qkv", self._convolved(x, patches, name), strict=True)
        qkv = [w.dense(y, self.dim, f"{name}_{part}", self.qkv_bias) for part, y in parts]
        x = blocks.QKVAttention(self.num_heads, scale=self.dim**-0.5, drop=self.attn_drop_rate, name=name)(*qkv)
        return w.dense(x, self.dim, f"{name}_proj")

    def _convolved(self, x, patches, name):
        """What queries, keys and values are projected from; a class token stays as it is."""
        if self.qkv_method == "linear":
            return x, x, x
        positions = _without_token(x, patches, f"{name}_positions")

        def rejoin(y, part):
            return y if patches is None else blocks.RejoinPrefix(name=f"{name}_{part}_tokens")(y, x)

        def convolve(part, stride, padding):
            y = blocks.DepthwiseConv2D(self.kernel_qkv, stride, False, padding, name=f"{name}_{part}_conv")(positions)
            return rejoin(w.batch_norm(y, f"{name}_{part}_conv_norm"), part)

        if self.qkv_method == "avg":
            y = blocks.AveragePooling(self.kernel_qkv, self.stride_kv, self.padding_kv, name=f"{name}_pool")(positions)
            y = rejoin(y, "kv")
            return x, y, y
        kv = self.stride_kv, self.padding_kv
        return convolve("q", self.stride_q, self.padding_q), convolve("k", *kv), convolve("v", *kv)
