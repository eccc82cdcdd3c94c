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
is dropped, and a position table is resampled for another grid than its own as timm's ViT does; the official code has
one size. vit-pytorch's CrossViT, with norms at the end of each block's branches, plain linear projections and the sum
of the heads, is another net.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Annotated, Literal

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.base import is_static
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.transformer import Transformer, pre_norm_block

_15 = {"depths": ((1, 5, 0),) * 3, "mlp_ratios": (3, 3)}
_18 = {"depths": ((1, 6, 0),) * 3, "mlp_ratios": (3, 3), "dims": (224, 448), "num_heads": (7, 7)}
_9 = {"depths": ((1, 3, 0),) * 3, "mlp_ratios": (3, 3), "dims": (128, 256), "num_heads": (4, 4)}
_DAGGER = {"multi_conv": True}
_408 = {"input_shape": (408, 408, 3), "img_scales": (1.0, 384 / 408)}

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

ImageScale = Annotated[float, c.Rule("a number from 0.05 to 4", lambda v: 0.05 <= v <= 4)]
Depths = Annotated[
    tuple[int, int, int],
    c.Rule(
        "(blocks of branch 0, blocks of branch 1, rounds of cross attention): 1 to 64, 1 to 64, 0 to 64",
        lambda v: min(v[:2]) >= 1 and v[2] >= 0 and max(v) <= 64,
    ),
]
STEMS = {  # kernel, stride, padding of the daggers' convolutions, for each size of patches
    12: ((7, 4, 3), (3, 3, 0), (3, 1, 1)),
    16: ((7, 4, 3), (3, 2, 1), (3, 2, 1)),
}


@c.builder(uneven=True)
def build_crossvit(
    input_shape: c.Image = (240, 240, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.TokenPooling = None,
    input_tensor: c.ImageTensor | None = None,
    img_scales: c.PerBranch[ImageScale] = (1.0, 224 / 240),
    crop_scale: bool = False,
    patch_sizes: c.PerBranch[c.Kernel] = (12, 16),
    multi_conv: bool = False,
    dims: c.PerBranch[c.Width] = (192, 384),
    depths: Annotated[Sequence[Depths], c.Per("multi-scale block", 64)] = ((1, 4, 0), (1, 4, 0), (1, 4, 0)),
    num_heads: c.PerBranch[c.Count] = (6, 6),
    fusion_heads: c.PerBranch[c.Count] | None = None,
    head_dim: c.Width | None = None,
    mlp_ratios: c.PerBranch[c.Ratio] = (4, 4),
    qkv_bias: bool = True,
    norm_eps: c.Epsilon = 1e-6,
    global_pool: Literal["token", "avg"] = "token",
    img_size: c.ImageSize = (240, 240),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "crossvit",
) -> keras.Model:
    """Builds a CrossViT (arXiv:2103.14899): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, "token" for both class tokens side by side, "avg" or "max" for the pooled map:
            (B, dims[0] + dims[1]); None leaves it a map.
        img_scales: each branch's image has floor(scale H) x floor(scale W) pixels.
        crop_scale: whether a smaller image is the middle of the image, instead of the whole at another size.
        patch_sizes: side of each branch's patches, in pixels of its image.
        multi_conv: whether patches are cut by three convolutions; for sides of 12 and 16 only.
        dims: width of each branch.
        depths: per multi-scale block, the ViT blocks of branch 0 and of branch 1, and the rounds of cross attention (0
            also means one).
        num_heads: attention heads of each branch.
        fusion_heads: heads of the cross attention to each branch's patches; None: as many as the branch has.
        mlp_ratios: hidden width of each branch's feed-forward layers, relative to the branch's width.
        global_pool: what the heads see: the class tokens, or the means of the patches.
        drop_rate: dropout before the heads.

    Returns:
        A `keras.Model`; in each multi-scale block both branches end in a `Stage` of stride round(patch size / scale).
        The scores of the two heads are the nodes `head_0` and `head_1`. Without a top the net ends in the normed
        patches of both branches side by side, those of branch 1 resized to the grid of branch 0: (B, H / p0, W / p0,
        dims[0] + dims[1]).

    Example:
        >>> crossvit = vitgraph.build_crossvit((96, 96, 3), depths=((1, 2, 0),), img_scales=(1, 1), include_top=False)
        >>> crossvit.output_shape
        (None, 8, 8, 576)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    fusion_heads = fusion_heads or num_heads
    c.heads_divide(dims, num_heads, head_dim=head_dim)
    c.heads_divide(dims, fusion_heads, "fusion_heads", head_dim)
    c.has_hidden(dims, mlp_ratios, "mlp_ratios")
    if multi_conv:
        c.require(set(patch_sizes) <= set(STEMS), "patch_sizes", "12 and 16 with multi_conv=True")
        c.require(min(dims) >= 4, "dims", "at least 4 with multi_conv=True")
    planned = border.planned(img_size)
    _check_sizes(border.shape, planned, img_scales, patch_sizes)

    branches = [
        Branch(
            i=i, img_scale=img_scales[i], crop_scale=crop_scale, patch_size=patch_sizes[i], multi_conv=multi_conv,
            dim=dims[i], num_heads=num_heads[i], fusion_heads=fusion_heads[i], mlp_ratio=mlp_ratios[i],
            head_dim=head_dim, qkv_bias=qkv_bias, norm_eps=norm_eps, proj_drop_rate=proj_drop_rate,
            attn_drop_rate=attn_drop_rate,
        )
        for i in (0, 1)
    ]  # fmt: skip

    patches = [b.patches(border.image) for b in branches]
    xs = [b.embed(patches[b.i], planned, pos_drop_rate) for b in branches]
    lengths = [max(*counts) + rounds for *counts, rounds in depths]
    rates = iter(w.drop_path_rates(drop_path_rate, sum(lengths)))
    for k, (*counts, rounds) in enumerate(depths):
        block, drop_paths = f"block_{k}", list(itertools.islice(rates, lengths[k]))
        for b in branches:
            for n in range(counts[b.i]):
                xs[b.i] = pre_norm_block(xs[b.i], b, drop_paths[n], f"{block}_branch_{b.i}_{n}")
        xs = _exchange(xs, branches, rounds, drop_paths[-1], block)
        xs = [b.stage(xs[b.i], f"{block}_branch_{b.i}") for b in branches]
    xs = [b.norm(xs[b.i], f"norm_{b.i}") for b in branches]

    if include_top:
        return border.end_scores(_heads(_pool(xs, global_pool), num_classes, drop_rate))
    if pooling == "token":
        return border.end_pooled(layers.Concatenate(name="pool")(_pool(xs, "token")))
    return border.end(_joint_map(xs, patches))


def _check_sizes(shape, planned, img_scales, patch_sizes):
    """Each branch's image has at least one patch."""
    for patch_size, img_scale in zip(patch_sizes, img_scales, strict=True):
        c.require(patch_size >= img_scale, "patch_sizes", f"at least the scale, here {img_scale}")
        least = math.ceil(patch_size / img_scale)
        least += math.floor(least * img_scale) < patch_size
        c.at_least(least, shape)
        c.at_least(least, planned, "img_size")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Branch(Transformer):
    """One of the two ViTs: the parts of its blocks, and how it begins."""

    i: int
    img_scale: float
    crop_scale: bool
    patch_size: int
    multi_conv: bool
    fusion_heads: int

    def activate(self, x, name):
        """Always adds the dropout layer: Keras orders weights by depth, which must not depend on rates here."""
        x = w.activation(x, self.act, f"{name}_act")
        return layers.Dropout(self.proj_drop_rate, name=f"{name}_drop")(x)

    def patches(self, image):
        """(B, H, W, C) -> the map of patches (B, s H / p, s W / p, dim)."""
        x = image
        if self.img_scale != 1:
            x = blocks.ScaleImage(self.img_scale, self.crop_scale, name=f"image_{self.i}")(image)
        if not self.multi_conv:
            return w.conv(x, self.dim, self.patch_size, self.patch_size, self._patches)
        for n, (kernel, stride, padding) in enumerate(STEMS[self.patch_size]):
            x = layers.ReLU(name=f"patch_embed_{self.i}_act{2 * n - 1}")(x) if n else x
            x = w.conv(x, 2**n * self.dim // 4, kernel, stride, f"patch_embed_{self.i}_conv{2 * n}", padding)
        return x

    @property
    def _patches(self):
        """The name of the layer that gives them."""
        return f"patch_embed_{self.i}" + ("_conv4" if self.multi_conv else "")

    def embed(self, patches, planned, drop_rate):
        """Map of patches -> class token and patches, with positions: (B, 1 + N, dim)."""
        grid = patches.shape[1:3]
        if not is_static(*grid):
            grid = [math.floor(self.img_scale * n) // self.patch_size for n in planned]
        x = blocks.ToTokens(name=f"tokens_{self.i}")(patches)
        x = blocks.PrependTokens(name=f"cls_token_{self.i}")(x)
        x = blocks.PositionTable(grid, 1, name=f"pos_embed_{self.i}")(x, patches)
        return layers.Dropout(drop_rate, name=f"pos_drop_{self.i}")(x)

    def stage(self, x, name):
        return blocks.Stage(round(self.patch_size / self.img_scale), 1, self._patches, name=name)(x)


def _exchange(xs, branches, rounds, drop_path, name):
    """Each branch's class token visits the other's patches: two (B, 1 + N, dim) -> two such."""
    tokens = [blocks.TakePrefix(name=f"{name}_cls_{b.i}")(xs[b.i]) for b in branches]
    patches = [blocks.DropPrefix(1, name=f"{name}_patches_{b.i}")(xs[b.i]) for b in branches]
    joined = []
    for own, other in (branches, branches[::-1]):
        x = _project(tokens[own.i], other, f"{name}_proj_{own.i}")
        x = _visit(x, patches[other.i], other, rounds, drop_path, f"{name}_fusion_{own.i}")
        x = _project(x, own, f"{name}_revert_proj_{own.i}")
        joined.append(layers.Concatenate(axis=1, name=f"{name}_join_{own.i}")([x, patches[own.i]]))
    return joined


def _project(x, branch, name):
    """Norm, GELU, linear: a class token (B, 1, .) -> (B, 1, dim) of a branch."""
    x = branch.norm(x, f"{name}_norm")
    return w.dense(w.activation(x, "gelu", f"{name}_act"), branch.dim, name)


def _visit(token, patches, branch, rounds, drop_path, name):
    """Cross attention to a branch's patches: (B, 1, dim), (B, N, dim) -> (B, 1, dim).

    From the second round on the token attends to itself alone, as in the official code.
    """
    t = dataclasses.replace(branch, num_heads=branch.fusion_heads)
    x = layers.Concatenate(axis=1, name=f"{name}_join")([token, patches])
    for part in [f"{name}_{n}" for n in range(rounds)] if rounds else [name]:
        x = t.norm(x, f"{part}_norm1")
        q = w.dense(blocks.TakePrefix(name=f"{part}_cls")(x), t.attn_dim, f"{part}_attn_q", t.qkv_bias)
        kv = w.dense(x, 2 * t.attn_dim, f"{part}_attn_kv", t.qkv_bias)
        y = blocks.CrossAttention(t.num_heads, drop=t.attn_drop_rate, name=f"{part}_attn")(q, kv)
        y = w.dense(y, t.dim, f"{part}_attn_proj")
        x = token = t.residual(token, y, drop_path, f"{part}_res")
    return x


def _pool(xs, kind):
    """Class tokens, or means of patches: two (B, 1 + N, C) -> two (B, C)."""
    if kind == "token":
        return [blocks.TakeToken(name=f"pool_{i}")(x) for i, x in enumerate(xs)]
    patches = [blocks.DropPrefix(1, name=f"patches_{i}")(x) for i, x in enumerate(xs)]
    return [layers.GlobalAveragePooling1D(name=f"pool_{i}")(x) for i, x in enumerate(patches)]


def _heads(xs, num_classes, drop_rate):
    """The mean of both heads' logits: two (B, C) -> (B, num_classes)."""
    xs = [w.dropout(x, drop_rate, f"head_{i}_drop") for i, x in enumerate(xs)]
    return layers.Average(name="head")([w.dense(x, num_classes, f"head_{i}") for i, x in enumerate(xs)])


def _joint_map(xs, patches):
    """Both branches' patches on the grid of branch 0: (B, H, W, dims[0] + dims[1])."""
    first, second = (blocks.ToMap(1, name=f"map_{i}")(x, patches[i]) for i, x in enumerate(xs))
    second = blocks.ResizeLike(name="map_1_resized")(second, first)
    return layers.Concatenate(name="map")([first, second])
