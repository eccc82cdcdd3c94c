"""Class attention (arXiv:2103.17239): only the class token has a query."""

from vitgraph.blocks import CrossAttention, TakePrefix
from vitgraph.wiring.layers import dense


def class_attention(x, t, name):
    """The class token attends to itself and the patches: (B, 1 + N, C) -> (B, 1, C). `t` is the `Transformer`."""
    q = dense(TakePrefix(name=f"{name}_query")(x), t.attn_dim, f"{name}_q", t.qkv_bias)
    kv = dense(x, 2 * t.attn_dim, f"{name}_kv", t.qkv_bias)
    x = CrossAttention(t.num_heads, t.qk_scale, t.attn_drop_rate, name=name)(q, kv)
    return dense(x, t.dim, f"{name}_proj")
