"""Attention layers that can be given to `build_efficient_vit`, each a function (dim, num_heads, name) -> layer.

A layer is anything that makes tokens (B, N, dim) of tokens (B, N, dim) when it is called: a Keras layer, or, as here, a
function that wires several. `functools.partial(nystrom_attention, num_landmarks=256)` sets what else there is to set.
"""

import math
from collections.abc import Callable
from typing import Annotated

import keras
from keras import layers

from vitgraph import contract as c
from vitgraph.blocks import (
    AttentionScores,
    DepthwiseConv2D,
    InterleaveHeads,
    NystromAttention,
    RandomFeatureAttention,
    Residual,
    ScoredAttention,
    TakeValues,
)
from vitgraph.wiring.layers import dense

Wiring = Callable[[keras.KerasTensor], keras.KerasTensor]


@c.public
def nystrom_attention(
    dim: c.Width,
    num_heads: c.Count,
    name: c.Name,
    *,
    head_dim: c.Width | None = None,
    num_landmarks: Annotated[int, c.between(1, 4096)] = 64,
    pinv_iterations: Annotated[int, c.between(1, 64)] = 6,
    pinv_shared: bool = False,
    kernel_size: c.OddKernel | None = 33,
) -> Wiring:
    """Nystroemformer's attention (arXiv:2102.03902), of linear cost.

    Args:
        name: beginning of the nodes' names.
        num_landmarks: number of pieces of the sequence whose means stand for it.
        pinv_iterations: steps of Newton's iteration to the pseudo-inverse.
        pinv_shared: whether the iteration starts from the largest column sum of the whole batch, not of each matrix;
            then it converges more slowly, and an answer depends on what else is in the batch.
        kernel_size: number of tokens, odd, that a convolution of the values beside attention sees, one filter per head;
            None: no convolution.

    Returns:
        A function that wires tokens (B, N, dim) to tokens (B, N, dim).

    Example:
        >>> from vitgraph.builders.efficient_vit import nystrom_attention
        >>> nystrom_attention(32, 4, "attn", num_landmarks=8)(keras.Input((100, 32))).shape
        (None, 100, 32)
    """
    width = _head_width(dim, num_heads, head_dim)

    def layer(x):
        qkv = dense(x, 3 * num_heads * width, f"{name}_qkv", use_bias=False)
        x = NystromAttention(num_heads, num_landmarks, pinv_iterations, pinv_shared, name=name)(qkv)
        if kernel_size is not None:
            y = _convolved_values(qkv, num_heads, width, kernel_size, name)
            x = Residual(name=f"{name}_conv_res")(x, y)
        return dense(x, dim, f"{name}_proj")

    return layer


@c.public
def performer_attention(
    dim: c.Width,
    num_heads: c.Count,
    name: c.Name,
    *,
    head_dim: c.Width | None = None,
    features: c.Width | None = None,
) -> Wiring:
    """Performer's linear attention (arXiv:2009.14794). It makes no maps, so `vitgraph.attention` has none of it.

    Args:
        name: beginning of the nodes' names.
        features: number of random features; None: d log d, with d the width of one head.

    Returns:
        A function that wires tokens (B, N, dim) to tokens (B, N, dim).

    Example:
        >>> from vitgraph.builders.efficient_vit import performer_attention
        >>> performer_attention(32, 4, "attn")(keras.Input((100, 32))).shape
        (None, 100, 32)
    """
    width = _head_width(dim, num_heads, head_dim)
    features = features or max(int(width * math.log(width)), 1)

    def layer(x):
        kqv = dense(x, 3 * num_heads * width, f"{name}_kqv", use_bias=False)
        x = RandomFeatureAttention(features, num_heads=num_heads, scale=width**-0.5, name=name)(kqv)
        return dense(x, dim, f"{name}_proj")

    return layer


@c.public
def residual_attention(
    dim: c.Width,
    num_heads: c.Count,
    name: c.Name,
    *,
    head_dim: c.Width | None = None,
    attn_drop_rate: c.Rate = 0.0,
) -> Callable[..., tuple[keras.KerasTensor, keras.KerasTensor]]:
    """Softmax attention whose scores are added to those of the block before (RealFormer, arXiv:2012.11747).

    Args:
        name: beginning of the nodes' names.

    Returns:
        A function that wires tokens (B, N, dim) and, after the first block, scores (B, num_heads, N, N) to the same.

    Example:
        >>> from vitgraph.builders.efficient_vit import residual_attention
        >>> tokens, scores = residual_attention(32, 4, "attn")(keras.Input((100, 32)))
        >>> scores.shape
        (None, 4, 100, 100)
    """
    width = _head_width(dim, num_heads, head_dim)

    def layer(x, *before):
        qkv = dense(x, 3 * num_heads * width, f"{name}_qkv", use_bias=False)
        scores = AttentionScores(num_heads, name=f"{name}_scores")(qkv, *before)
        x = ScoredAttention(num_heads, drop=attn_drop_rate, name=name)(qkv, scores)
        return dense(x, dim, f"{name}_proj"), scores

    return layer


def _convolved_values(qkv, num_heads, width, kernel_size, name):
    """A convolution along the values, one filter per head: (B, N, 3 heads d) -> (B, N, heads d)."""
    y = InterleaveHeads(num_heads, name=f"{name}_v_interleaved")(TakeValues(name=f"{name}_v")(qkv))
    y = layers.Reshape((-1, width, num_heads), name=f"{name}_v_map")(y)  # a map, whose channels are heads
    y = DepthwiseConv2D((kernel_size, 1), use_bias=False, name=f"{name}_conv")(y)
    y = layers.Reshape((-1, width * num_heads), name=f"{name}_conv_tokens")(y)
    return InterleaveHeads(width, name=f"{name}_conv_heads")(y)


def _head_width(dim, num_heads, head_dim):
    c.heads_divide(dim, num_heads, head_dim=head_dim)
    return head_dim or dim // num_heads
