"""CrossViT: two ViTs on one image, with small and with large patches, whose class tokens visit each other.

Paper: Chen et al., "CrossViT: Cross-Attention Multi-Scale Vision Transformer for Image Classification",
arXiv:2103.14899. Official code: github.com/IBM/CrossViT, models/crossvit.py; checkpoints there and in timm.

    image (H, W, 3)            | branch 0                    | branch 1
      scaled image             | (s0 H, s0 W, 3)             | (s1 H, s1 W, 3)
      patches, class token,    | (B, 1 + N0, dims[0])        | (B, 1 + N1, dims[1])
        positions
      multi-scale blocks, each | depths[k][0] ViT blocks     | depths[k][1] ViT blocks
        cross attention        | class token 0 -> patches 1  | class token 1 -> patches 0
      norm, class token, head  | (B, num_classes)            | (B, num_classes)
      mean of the two

    cross attention: a class token is projected (norm, GELU, linear) to the other branch's width, put before the other
    branch's patches, attends to all of them, x + attention(norm(x)), and is projected back likewise.

The daggers' patches are cut by three convolutions. Any input size: what patches leave over at the bottom and the right
is dropped, and a position table is resampled for another grid than its own as timm does in its ViT; the official code
is tied to one size. vit-pytorch's CrossViT, with norms at the end of each block's branches, plain linear projections
and the sum of the heads, is another net.
"""

import dataclasses
import itertools
import math

from keras import layers

from vitgraph.blocks import (
    CrossAttention,
    DropPrefix,
    PositionTable,
    PrependTokens,
    ResizeLike,
    ScaleImage,
    Stage,
    TakePrefix,
    TakeToken,
    ToMap,
    ToTokens,
)
from vitgraph.blocks.base import is_static, pair
from vitgraph.builders.contract import Check, begin, builder, finish, shape_of
from vitgraph.builders.crossvit_sources import SOURCES
from vitgraph.builders.vit import pre_norm_block
from vitgraph.builders.wiring import (
    Transformer,
    activation,
    conv,
    dense,
    drop_path_rates,
    dropout,
    layer_norm,
    map_pool,
)

_15 = {"depths": ((1, 5, 0),) * 3, "mlp_ratios": (3, 3)}
_18 = {"depths": ((1, 6, 0),) * 3, "mlp_ratios": (3, 3), "dims": (224, 448), "num_heads": (7, 7)}
_9 = {"depths": ((1, 3, 0),) * 3, "mlp_ratios": (3, 3), "dims": (128, 256), "num_heads": (4, 4)}
_DAGGER = {"multi_conv": True}
_408 = {"input_shape": (408, 408, 3), "img_scale": (1.0, 384 / 408)}

VARIANTS = {  # table 1 of the paper; the names are timm's, with the size of the first branch's image
    "crossvit_9_240": {**_9},
    "crossvit_9_dagger_240": {**_9, **_DAGGER},
    "crossvit_15_240": {**_15},
    "crossvit_15_dagger_240": {**_15, **_DAGGER},
    "crossvit_15_dagger_408": {**_15, **_DAGGER, **_408},
    "crossvit_18_240": {**_18},
    "crossvit_18_dagger_240": {**_18, **_DAGGER},
    "crossvit_18_dagger_408": {**_18, **_DAGGER, **_408},
    "crossvit_base_240": {"dims": (384, 768), "num_heads": (12, 12)},
    "crossvit_small_240": {},
    "crossvit_tiny_240": {"dims": (96, 192), "num_heads": (3, 3)},
}

_STEMS = {  # kernel, step, padding of the daggers' convolutions, for each size of patches
    12: ((7, 4, 3), (3, 3, 0), (3, 1, 1)),
    16: ((7, 4, 3), (3, 2, 1), (3, 2, 1)),
}


@builder(pools=("token", "avg", "max"))
def build_crossvit(
    input_shape=(240, 240, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    img_scale=(1.0, 224 / 240),
    crop_scale=False,
    patch_size=(12, 16),
    multi_conv=False,
    dims=(192, 384),
    depths=((1, 4, 0), (1, 4, 0), (1, 4, 0)),
    num_heads=(6, 6),
    fusion_heads=None,
    head_dim=None,
    mlp_ratios=(4, 4),
    qkv_bias=True,
    norm_eps=1e-6,
    global_pool="token",
    img_size=(240, 240),
    drop_rate=0.0,
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="crossvit",
):
    """Builds a CrossViT (arXiv:2103.14899): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels; or (None, None, channels): then the position tables are
            resampled at run time.
        include_top: False ends the graph at the normed patches of both branches side by side, those of branch 1 brought
            to the grid of branch 0: (B, H / p0, W / p0, dims[0] + dims[1]).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" or "max" over that map, or "token", both class tokens side by side:
            (B, dims[0] + dims[1]).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        img_scale: each branch's image has floor(scale H) x floor(scale W) pixels.
        crop_scale: the smaller image is the middle of the larger, instead of the whole at another size.
        patch_size: side of each branch's patches, in pixels of its image.
        multi_conv: cut patches by three convolutions; sides of 12 and 16 only.
        dims, num_heads, mlp_ratios: width, heads and widening of the feed-forward layers, one a branch.
        depths: a triple for each multi-scale block: ViT blocks of branch 0 and of branch 1, and rounds of cross
            attention, of which there is one also where it says 0.
        fusion_heads: heads of the cross attention into each branch; None: those of the branch.
        head_dim: width of one head; None: the branch's width divided by its heads.
        qkv_bias: whether the projections to queries, keys and values have biases.
        norm_eps: epsilon of all norms.
        global_pool: what the heads see: "token", or "avg", the mean of the patches.
        img_size: the image size whose grids the position tables have, where input_shape is open.
        drop_rate: dropout before the heads.
        pos_drop_rate, proj_drop_rate, attn_drop_rate: dropout after positions, of projections, of attention.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`; in each multi-scale block both branches end in a `Stage`, of the stride round(patch / scale).
        The heads' own scores are the nodes `head_0` and `head_1`.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_crossvit")
    check.per_stage(patch_size=patch_size)
    check.that(len(patch_size) == 2, "patch_size", patch_size, "two sides, one a branch")
    check.that(not multi_conv or set(patch_size) <= set(_STEMS), "patch_size", patch_size, "12 and 16 with multi_conv")
    fusion_heads = num_heads if fusion_heads is None else fusion_heads
    check.per_stage(patch_size=patch_size, dims=dims, num_heads=num_heads, fusion_heads=fusion_heads)
    check.same_length(patch_size=patch_size, mlp_ratios=mlp_ratios, img_scale=img_scale)
    check.over_zero(mlp_ratios=mlp_ratios, img_scale=img_scale)
    check.that(_are_depths(depths), "depths", depths, "triples of integers, the first two at least 1, the last 0")
    check.that(global_pool in ("token", "avg"), "global_pool", global_pool, "token, avg")
    check.that(pooling in (None, "token", "avg", "max"), "pooling", pooling, "None, token, avg, max")
    if head_dim is None:
        check.heads_divide(dims, num_heads)
        good = all(dim % heads == 0 for dim, heads in zip(dims, fusion_heads, strict=True))
        check.that(good, "fusion_heads", fusion_heads, "divisors of the widths")
    else:
        check.positive(head_dim=head_dim)
    check.sides(img_size=img_size)
    shape, smallest = shape_of(input_shape, input_tensor), max(map(_smallest_image, patch_size, img_scale))
    check.smallest(smallest, input_shape=shape)
    check.smallest(smallest, img_size=pair(img_size))

    size = shape[:2] if is_static(*shape[:2]) else pair(img_size)
    branches = []
    for i, dim in enumerate(dims):
        t = _Transformer(
            dim, num_heads[i], mlp_ratios[i], qkv_bias, head_dim=head_dim, norm_eps=norm_eps,
            attn_drop=attn_drop_rate, proj_drop=proj_drop_rate,
        )  # fmt: skip
        into = dataclasses.replace(t, num_heads=fusion_heads[i])
        branches.append(_Branch(i, img_scale[i], crop_scale, patch_size[i], multi_conv, t, into))

    inputs = begin(input_shape, input_tensor)
    patches = [branch.patches(inputs) for branch in branches]
    xs = [b.embed(x, size, pos_drop_rate) for b, x in zip(branches, patches, strict=True)]
    rates = iter(drop_path_rates(drop_path_rate, sum(map(_length, depths))))
    for k, (*encoders, rounds) in enumerate(depths):
        drop_paths = list(itertools.islice(rates, _length(depths[k])))
        xs = [b.encode(x, drop_paths[: encoders[b.i]], f"block_{k}") for b, x in zip(branches, xs, strict=True)]
        xs = _exchange(xs, branches, rounds, drop_paths[-1], f"block_{k}")
        xs = [b.stage(x, f"block_{k}") for b, x in zip(branches, xs, strict=True)]
    xs = [b.t.norm(x, f"norm_{b.i}") for b, x in zip(branches, xs, strict=True)]

    if include_top:
        x = _heads(_pool(xs, global_pool), num_classes, classifier_activation, drop_rate)
    elif pooling == "token":
        x = layers.Concatenate(name="pool")(_pool(xs, "token"))
    else:
        x = map_pool(_joint_map(xs, patches), pooling)
    return finish(inputs, x, name)


class _Transformer(Transformer):
    """Its dropout is a node at any rate: the order of weights follows from the lengths of the two branches."""

    def activate(self, x, name):
        return layers.Dropout(self.proj_drop, name=f"{name}_drop")(activation(x, self.act, f"{name}_act"))


@dataclasses.dataclass(frozen=True)
class _Branch:
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
        for n, (kernel, step, padding) in enumerate(_STEMS[self.patch]):
            x = layers.ReLU(name=f"patch_embed_{self.i}_act{2 * n - 1}")(x) if n else x
            x = conv(x, 2**n * self.t.dim // 4, kernel, step, f"patch_embed_{self.i}_conv{2 * n}", padding)
        return x

    @property
    def _patches(self):
        """The name of the layer that gives them."""
        return f"patch_embed_{self.i}" + ("_conv4" if self.multi_conv else "")

    def embed(self, patches, size, drop):
        """Map -> class token and patches, with positions: (B, 1 + N, dim)."""
        planned = [math.floor(self.scale * n) // self.patch for n in size]
        grid = patches.shape[1:3] if is_static(*patches.shape[1:3]) else planned
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


def _exchange(xs, branches, rounds, drop_path, name):
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


def _pool(xs, kind):
    """Class tokens, or means of patches: two (B, 1 + N, C) -> two (B, C)."""
    if kind == "token":
        return [TakeToken(name=f"pool_{i}")(x) for i, x in enumerate(xs)]
    patches = [DropPrefix(1, name=f"patches_{i}")(x) for i, x in enumerate(xs)]
    return [layers.GlobalAveragePooling1D(name=f"pool_{i}")(x) for i, x in enumerate(patches)]


def _heads(xs, num_classes, classifier_activation, drop_rate):
    """The mean of both heads' logits, and the activation in float32 under any dtype policy."""
    xs = [dropout(x, drop_rate, f"head_{i}_drop") for i, x in enumerate(xs)]
    x = layers.Average(name="head")([dense(x, num_classes, f"head_{i}") for i, x in enumerate(xs)])
    return layers.Activation(classifier_activation or "linear", dtype="float32", name="predictions")(x)


def _joint_map(xs, patches):
    """Both branches' patches on the grid of branch 0: (B, H, W, dims[0] + dims[1])."""
    first, second = (ToMap(1, name=f"map_{i}")(x, patches[i]) for i, x in enumerate(xs))
    second = ResizeLike(name="map_1_resized")(second, first)
    return layers.Concatenate(name="map")([first, second])


def _length(depths):
    """Steps of a multi-scale block, as far as stochastic depth counts them."""
    return max(depths[:2]) + depths[2]


def _are_depths(depths):
    return isinstance(depths, (tuple, list)) and all(
        isinstance(triple, (tuple, list))
        and len(triple) == 3
        and all(isinstance(n, int) for n in triple)
        and min(triple[:2]) >= 1
        and triple[2] >= 0
        for triple in depths
    )


def _smallest_image(patch, scale):
    """The least side of which a branch sees one patch."""
    size = math.ceil(patch / scale)
    return size if math.floor(size * scale) >= patch else size + 1


__all__ = ["SOURCES", "VARIANTS", "build_crossvit"]
