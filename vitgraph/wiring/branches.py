"""The two branches of CrossViT: patches, ViT blocks, and what their class tokens exchange."""

import dataclasses
import math

from keras import layers

from vitgraph.blocks import (
    CrossAttention,
    DropPrefix,
    PositionTable,
    PrependTokens,
    ScaleImage,
    Stage,
    TakePrefix,
    ToTokens,
)
from vitgraph.blocks.base import is_static
from vitgraph.wiring.layers import activation, conv, dense, layer_norm
from vitgraph.wiring.transformer import Transformer, pre_norm_block

STEMS = {  # kernel, step, padding of the daggers' convolutions, for each size of patches
    12: ((7, 4, 3), (3, 3, 0), (3, 1, 1)),
    16: ((7, 4, 3), (3, 2, 1), (3, 2, 1)),
}


class BranchTransformer(Transformer):
    """Its dropout is a node at any rate: the order of weights follows from the lengths of the two branches."""

    def activate(self, x, name):
        return layers.Dropout(self.proj_drop, name=f"{name}_drop")(activation(x, self.act, f"{name}_act"))


@dataclasses.dataclass(frozen=True)
class Branch:
    """One of the two ViTs."""

    i: int
    scale: float
    crop: bool
    patch: int
    multi_conv: bool
    t: Transformer
    into: Transformer
    """Of the other branch's class token, when it attends to this branch's patches."""

    def patches(self, x):
        """Image (B, H, W, C) -> map (B, s H / p, s W / p, dim)."""
        if self.scale != 1:
            x = ScaleImage(self.scale, self.crop, name=f"image_{self.i}")(x)
        if not self.multi_conv:
            return conv(x, self.t.dim, self.patch, self.patch, self._patches)
        for n, (kernel, step, padding) in enumerate(STEMS[self.patch]):
            x = layers.ReLU(name=f"patch_embed_{self.i}_act{2 * n - 1}")(x) if n else x
            x = conv(x, 2**n * self.t.dim // 4, kernel, step, f"patch_embed_{self.i}_conv{2 * n}", padding)
        return x

    @property
    def _patches(self):
        """The name of the layer that gives them."""
        return f"patch_embed_{self.i}" + ("_conv4" if self.multi_conv else "")

    def embed(self, patches, img_size, drop):
        """Map -> class token and patches, with positions: (B, 1 + N, dim)."""
        grid = patches.shape[1:3]
        if not is_static(*grid):
            grid = [math.floor(self.scale * n) // self.patch for n in img_size]
        x = ToTokens(name=f"tokens_{self.i}")(patches)
        x = PrependTokens(name=f"cls_token_{self.i}")(x)
        x = PositionTable(grid, 1, name=f"pos_embed_{self.i}")(x, patches)
        return layers.Dropout(drop, name=f"pos_drop_{self.i}")(x)

    def encode(self, x, drop_paths, name):
        """ViT blocks, as many as there are rates: (B, 1 + N, dim) -> the same."""
        for n, drop_path in enumerate(drop_paths):
            x = pre_norm_block(x, self.t, drop_path, f"{name}_branch_{self.i}_{n}")
        return x

    def stage(self, x, name):
        return Stage(round(self.patch / self.scale), 1, self._patches, name=f"{name}_branch_{self.i}")(x)


def exchange(xs, branches, rounds, drop_path, name):
    """Each branch's class token visits the other's patches: two (B, 1 + N, C) -> two such."""
    tokens = [TakePrefix(name=f"{name}_cls_{b.i}")(x) for b, x in zip(branches, xs, strict=True)]
    patches = [DropPrefix(1, name=f"{name}_patches_{b.i}")(x) for b, x in zip(branches, xs, strict=True)]
    for own, other in (branches, branches[::-1]):
        x = _project(tokens[own.i], other.t, f"{name}_proj_{own.i}")
        x = _visit(x, patches[other.i], other.into, rounds, drop_path, f"{name}_fusion_{own.i}")
        x = _project(x, own.t, f"{name}_revert_proj_{own.i}")
        xs[own.i] = layers.Concatenate(axis=1, name=f"{name}_join_{own.i}")([x, patches[own.i]])
    return xs


def _project(x, t, name):
    """Norm, GELU, linear: (B, 1, .) -> (B, 1, C)."""
    x = layer_norm(x, t.norm_eps, f"{name}_norm")
    return dense(activation(x, "gelu", f"{name}_act"), t.dim, name)


def _visit(token, patches, t, rounds, drop_path, name):
    """Cross attention: (B, 1, C), (B, N, C) -> (B, 1, C). From the second round on the token is alone with itself."""
    x = layers.Concatenate(axis=1, name=f"{name}_join")([token, patches])
    for part in [f"{name}_{n}" for n in range(rounds)] or [name]:
        x = t.norm(x, f"{part}_norm1")
        q = dense(TakePrefix(name=f"{part}_cls")(x), t.attn_dim, f"{part}_attn_q", t.qkv_bias)
        kv = dense(x, 2 * t.attn_dim, f"{part}_attn_kv", t.qkv_bias)
        y = CrossAttention(t.num_heads, drop=t.attn_drop, name=f"{part}_attn")(q, kv)
        y = dense(y, t.dim, f"{part}_attn_proj")
        x = token = t.residual(token, y, drop_path, f"{part}_res")
    return x


def smallest_image(patch, scale):
    """The least side of which a branch sees one patch."""
    size = math.ceil(patch / scale)
    return size if math.floor(size * scale) >= patch else size + 1
