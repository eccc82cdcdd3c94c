"""Attention layers that can be given to `build_efficient_vit`, each a function (dim, num_heads, name) -> layer.

A layer is anything that makes tokens (B, N, dim) of tokens (B, N, dim) when it is called: a Keras layer, or, as here, a
function that wires several. `functools.partial(nystrom_attention, num_landmarks=256)` sets what else there is to set.
"""

import math

from keras import layers

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
from vitgraph.contract import Check
from vitgraph.wiring.layers import dense


def nystrom_attention(
    dim, num_heads, name, *, head_dim=None, num_landmarks=64, pinv_iterations=6, pinv_shared=False, kernel_size=33
):
    """Nystroemformer's attention (arXiv:2102.03902), of linear cost.

    Args:
        dim, num_heads, name: width, heads, beginning of the nodes' names.
        head_dim: width of one head; None: dim / num_heads.
        num_landmarks, pinv_iterations, pinv_shared: see `NystromAttention`.
        kernel_size: tokens, an odd number, that a convolution of the values beside attention sees, one filter a head;
            None: no convolution.
    """
    check = Check("nystrom_attention")
    width = _head_width(check, dim, num_heads, head_dim)
    check.positive(num_landmarks=num_landmarks, pinv_iterations=pinv_iterations)
    if kernel_size is not None:
        check.positive(kernel_size=kernel_size)
        check.that(kernel_size % 2 == 1, "kernel_size", kernel_size, "None, or an odd number")

    def layer(x):
        qkv = dense(x, 3 * num_heads * width, f"{name}_qkv", use_bias=False)
        x = NystromAttention(num_heads, num_landmarks, pinv_iterations, pinv_shared, name=name)(qkv)
        if kernel_size is not None:
            y = _convolved_values(qkv, num_heads, width, kernel_size, name)
            x = Residual(name=f"{name}_conv_res")(x, y)
        return dense(x, dim, f"{name}_proj")

    return layer


def performer_attention(dim, num_heads, name, *, head_dim=None, features=None):
    """Performer's linear attention (arXiv:2009.14794). It makes no maps, so `vitgraph.attention` has none of it.

    Args:
        dim, num_heads, name: width, heads, beginning of the nodes' names.
        head_dim: width d of one head; None: dim / num_heads.
        features: number of random features; None: d log d.
    """
    check = Check("performer_attention")
    width = _head_width(check, dim, num_heads, head_dim)
    features = max(int(width * math.log(width)), 1) if features is None else features
    check.positive(features=features)

    def layer(x):
        kqv = dense(x, 3 * num_heads * width, f"{name}_kqv", use_bias=False)
        x = RandomFeatureAttention(features, num_heads=num_heads, scale=width**-0.5, name=name)(kqv)
        return dense(x, dim, f"{name}_proj")

    return layer


def residual_attention(dim, num_heads, name, *, head_dim=None, drop=0.0):
    """Softmax attention whose scores are added to those of the block before (RealFormer, arXiv:2012.11747).

    Args:
        dim, num_heads, name: width, heads, beginning of the nodes' names.
        head_dim: width of one head; None: dim / num_heads.
        drop: dropout rate of the probabilities.
    """
    width = _head_width(Check("residual_attention"), dim, num_heads, head_dim)

    def layer(x, *before):
        qkv = dense(x, 3 * num_heads * width, f"{name}_qkv", use_bias=False)
        scores = AttentionScores(num_heads, name=f"{name}_scores")(qkv, *before)
        x = ScoredAttention(num_heads, drop=drop, name=name)(qkv, scores)
        return dense(x, dim, f"{name}_proj"), scores

    return layer


def _convolved_values(qkv, num_heads, width, kernel_size, name):
    """A convolution along the values, one filter a head: (B, N, 3 heads d) -> (B, N, heads d)."""
    y = InterleaveHeads(num_heads, name=f"{name}_v_interleaved")(TakeValues(name=f"{name}_v")(qkv))
    y = layers.Reshape((-1, width, num_heads), name=f"{name}_v_map")(y)  # a map, whose channels are heads
    y = DepthwiseConv2D((kernel_size, 1), use_bias=False, name=f"{name}_conv")(y)
    y = layers.Reshape((-1, width * num_heads), name=f"{name}_conv_tokens")(y)
    return InterleaveHeads(width, name=f"{name}_conv_heads")(y)


def _head_width(check, dim, num_heads, head_dim):
    if head_dim is None:
        check.heads_divide(dim, num_heads)
        return dim // num_heads
    check.positive(head_dim=head_dim)
    return head_dim
