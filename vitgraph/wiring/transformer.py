"""The plain transformer: its block in all its forms, the stream of blocks, and what is before and after it."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Annotated, Any

from keras import layers

from vitgraph.blocks import (
    CrossAttention,
    DropPrefix,
    GatedActivation,
    HeadsAttention,
    Latent,
    Patchify,
    Residual,
    SelfAttention,
    SplitHeads,
    SplitParallel,
    Stage,
    TakeToken,
)
from vitgraph.blocks.base import is_static, pair
from vitgraph.contract import Conversion, at_least, calling, has_hidden, heads_divide, require
from vitgraph.wiring.layers import activation, conv, dense, dropout, layer_norm, mlp, pad_to_patch, rms_norm

_BLOCK = "a function (x, transformer, drop_path, name) -> x"


def _block(function):
    """The same function, which is refused if it fails or gives tokens of another shape."""
    if not callable(function):
        raise TypeError

    @functools.wraps(function)
    def block(x, t, drop_path, name):
        with calling("block", _BLOCK):
            y = function(x, t, drop_path, name)
            shape = getattr(y, "shape", None)
            require(shape == x.shape, "block", f"{_BLOCK}, both {x.shape}; this one gives {shape}")
        return y

    return block


Block = Annotated[Callable[..., Any], Conversion(_BLOCK, _block)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transformer:
    """The numbers of a transformer block, called as builders call them, and its parts: tokens (B, N, C) to the same."""

    dim: int
    num_heads: int
    mlp_ratio: float = 4.0
    qkv_bias: bool = True
    proj_bias: bool = True
    mlp_bias: bool = True
    attn_proj: bool = True
    head_dim: int | None = None
    qk_norm: bool = False
    attn_norm: bool = False
    mlp_norm: bool = False
    gated_mlp: bool = False
    act: str = "gelu"
    init_values: float | None = None
    norm_eps: float = 1e-6
    rms_norm: bool = False
    proj_drop_rate: float = 0.0
    attn_drop_rate: float = 0.0
    qk_scale: float | None = None
    core: type = SelfAttention

    def __post_init__(self):
        heads_divide(self.dim, self.num_heads, head_dim=self.head_dim)
        has_hidden(self.dim, self.mlp_ratio / (2 if self.gated_mlp else 1), "mlp_ratio")
        halves = not self.gated_mlp or self.hidden % 2 == 0
        require(halves, "mlp_ratio", f"an even hidden width with gated_mlp=True, here {self.hidden}")
        fits = self.attn_proj or self.attn_dim == self.dim
        require(fits, "attn_proj", f"True where heads have another width than the stream, here {self.attn_dim}")

    @property
    def attn_dim(self):
        return self.num_heads * (self.head_dim or self.dim // self.num_heads)

    @property
    def hidden(self):
        return int(self.dim * self.mlp_ratio)

    def norm(self, x, name):
        return (rms_norm if self.rms_norm else layer_norm)(x, self.norm_eps, name)

    def attention(self, x, name):
        """qkv, softmax attention, proj."""
        x = self.attend(dense(x, 3 * self.attn_dim, f"{name}_qkv", self.qkv_bias), name)
        if self.attn_norm:
            x = self.norm(x, f"{name}_norm")
        return dense(x, self.dim, f"{name}_proj", self.proj_bias) if self.attn_proj else x

    def attend(self, qkv, name):
        """The core, with queries and keys normed head by head where the architecture does so."""
        if not self.qk_norm:
            return self.core(self.num_heads, self.qk_scale, self.attn_drop_rate, name=name)(qkv)
        q, k, v = SplitHeads(self.num_heads, name=f"{name}_heads")(qkv)
        q, k = self.norm(q, f"{name}_q_norm"), self.norm(k, f"{name}_k_norm")
        return HeadsAttention(self.num_heads, self.qk_scale, self.attn_drop_rate, name=name)(q, k, v)

    def mlp(self, x, name):
        """fc1, activation or gate, fc2."""
        x = dense(x, self.hidden, f"{name}_fc1", self.mlp_bias)
        x = self.activate(x, name)
        if self.mlp_norm:
            x = self.norm(x, f"{name}_norm")
        return dense(x, self.dim, f"{name}_fc2", self.mlp_bias)

    def activate(self, x, name):
        if self.gated_mlp:
            x = GatedActivation(self.act, name=f"{name}_act")(x)
        else:
            x = activation(x, self.act, f"{name}_act")
        return dropout(x, self.proj_drop_rate, f"{name}_drop")

    def residual(self, x, branch, drop_path, name):
        return Residual(self.init_values, drop_path, self.proj_drop_rate, name=name)(x, branch)


def pre_norm_block(x, t, drop_path, name):
    """ViT's block: x + attention(norm(x)); x + mlp(norm(x)): (B, N, C) -> (B, N, C)."""
    y = t.attention(t.norm(x, f"{name}_norm1"), f"{name}_attn")
    x = t.residual(x, y, drop_path, f"{name}_res1")
    y = t.mlp(t.norm(x, f"{name}_norm2"), f"{name}_mlp")
    return t.residual(x, y, drop_path, f"{name}_res2")


def res_post_norm_block(x, t, drop_path, name):
    """The norm at the end of each branch, as in Swin V2: (B, N, C) -> (B, N, C).

    The norms' own scale is the layer scale; it starts at 1 and not, as timm's does, at `init_values`.
    """
    t = dataclasses.replace(t, init_values=None)
    y = t.norm(t.attention(x, f"{name}_attn"), f"{name}_norm1")
    x = t.residual(x, y, drop_path, f"{name}_res1")
    y = t.norm(t.mlp(x, f"{name}_mlp"), f"{name}_norm2")
    return t.residual(x, y, drop_path, f"{name}_res2")


def parallel_things_block(x, t, drop_path, name, num_parallel=2):
    """`num_parallel` attentions side by side, then as many feed-forward layers: (B, N, C) -> (B, N, C)."""
    stream = x
    for i in range(num_parallel):
        y = t.attention(t.norm(stream, f"{name}_attns_{i}_norm"), f"{name}_attns_{i}_attn")
        x = t.residual(x, y, drop_path, f"{name}_attns_{i}_res")
    stream = x
    for i in range(num_parallel):
        y = t.mlp(t.norm(stream, f"{name}_ffns_{i}_norm"), f"{name}_ffns_{i}_mlp")
        x = t.residual(x, y, drop_path, f"{name}_ffns_{i}_res")
    return x


def parallel_scaling_block(x, t, drop_path, name, fuse_out_proj=False):
    """Attention and feed-forward layer side by side, after one projection: (B, N, C) -> (B, N, C)."""
    widths = (t.hidden, 3 * t.attn_dim)
    y = dense(t.norm(x, f"{name}_in_norm"), sum(widths), f"{name}_in_proj", t.qkv_bias)
    y, qkv = SplitParallel(widths, bias=not t.qkv_bias, name=f"{name}_split")(y)
    attn, y = t.attend(qkv, f"{name}_core"), t.activate(y, f"{name}_mlp")
    if fuse_out_proj:
        y = layers.Concatenate(name=f"{name}_join")([attn, y])
        y = dense(y, t.dim, f"{name}_out_proj", t.proj_bias)
    else:
        attn = dense(attn, t.dim, f"{name}_attn_out_proj", t.proj_bias)
        y = dense(y, t.dim, f"{name}_mlp_out_proj", t.mlp_bias)
        y = layers.Add(name=f"{name}_sum")([attn, y])
    return t.residual(x, y, drop_path, f"{name}_res")


def transformer_blocks(x, t, block, drop_paths, patch, prefix=0):
    """The stream of blocks, one for each rate in `drop_paths`: (B, prefix + N, C) -> (B, prefix + N, C).

    `t` is the `Transformer` of them all, or a list with one per block.
    """
    for i, drop_path in enumerate(drop_paths):
        x = block(x, t[i] if isinstance(t, list) else t, drop_path, f"block_{i}")
        x = Stage(patch, prefix, "patch_embed", name=f"block_{i}")(x)
    return x


def patch_grid(border, patch_size, img_size):
    """(rows, columns) of a patch, and of the grid of patches that position tables are made for."""
    patch, planned = pair(patch_size), border.planned(img_size)
    at_least(max(patch), border.shape)
    at_least(max(patch), planned, "img_size")
    return patch, [n // p for n, p in zip(planned, patch, strict=True)]


def patch_embed(x, patch, dim, use_bias=True, norm_eps=None):
    """Image -> map of patches (B, H / p, W / q, dim); with `norm_eps`, a linear layer between two norms."""
    if not is_static(*x.shape[1:3]):
        x = pad_to_patch(x, patch)
    if norm_eps is None:
        return conv(x, dim, patch, patch, "patch_embed", use_bias=use_bias)
    x = Patchify(patch, name="patchify")(x)
    x = layer_norm(x, norm_eps, "patch_norm1")
    x = dense(x, dim, "patch_proj", use_bias)
    return layer_norm(x, norm_eps, "patch_embed")


def norm_place(fc_norm, global_pool):
    """Where the final norm is: "before" pooling, or "after" it; with `fc_norm` None after means and maxima."""
    return "after" if (global_pool in ("avg", "max", "avgmax") if fc_norm is None else fc_norm) else "before"


def pool(x, kind, prefix, t):
    """(B, prefix + N, C) -> (B, C), "token_avg" (B, 2 C), in one of the ways that `contract.Pool` names."""
    if kind == "token":
        return TakeToken(name="pool")(x)
    token = TakeToken(name="pool_token")(x) if kind == "token_avg" else None
    x = DropPrefix(prefix, name="patches")(x) if prefix else x
    if kind == "map":
        return _attention_pool(x, t)
    if kind == "avgmax":
        means, maxima = layers.GlobalAveragePooling1D(name="pool_avg")(x), layers.GlobalMaxPooling1D(name="pool_max")(x)
        return layers.Average(name="pool")([means, maxima])
    if kind == "token_avg":
        return layers.Concatenate(name="pool")([token, layers.GlobalAveragePooling1D(name="pool_avg")(x)])
    layer = layers.GlobalAveragePooling1D if kind == "avg" else layers.GlobalMaxPooling1D
    return layer(name="pool")(x)


def _attention_pool(x, t):
    """SigLIP's head: one learned query attends to all tokens; x + mlp(norm(x))."""
    heads_divide(t.dim, t.num_heads)
    q = dense(Latent(name="attn_pool_latent")(x), t.dim, "attn_pool_q")
    kv = dense(x, 2 * t.dim, "attn_pool_kv")
    x = CrossAttention(t.num_heads, name="attn_pool")(q, kv)
    x = dense(x, t.dim, "attn_pool_proj")
    y = mlp(t.norm(x, "attn_pool_norm"), t.hidden, t.act, "attn_pool_mlp")
    x = layers.Add(name="attn_pool_res")([x, y])
    return TakeToken(name="pool")(x)
