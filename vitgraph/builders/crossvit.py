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

from keras import layers

from vitgraph.blocks import DropPrefix, ResizeLike, TakeToken, ToMap
from vitgraph.blocks.base import pair
from vitgraph.contract import Check, begin, builder, finish, shape_of
from vitgraph.wiring.branches import STEMS, Branch, BranchTransformer, exchange, smallest_image
from vitgraph.wiring.layers import dense, drop_path_rates, dropout, map_pool

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


@builder(pools=("token", "avg", "max"), uneven=True)
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
    check.that(not multi_conv or set(patch_size) <= set(STEMS), "patch_size", patch_size, "12 and 16 with multi_conv")
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
    shape, smallest = shape_of(input_shape, input_tensor), max(map(smallest_image, patch_size, img_scale))
    check.smallest(smallest, input_shape=shape)
    check.smallest(smallest, img_size=pair(img_size))

    branches = []
    for i, dim in enumerate(dims):
        t = BranchTransformer(
            dim, num_heads[i], mlp_ratios[i], qkv_bias, head_dim=head_dim, norm_eps=norm_eps,
            attn_drop=attn_drop_rate, proj_drop=proj_drop_rate,
        )  # fmt: skip
        into = dataclasses.replace(t, num_heads=fusion_heads[i])
        branches.append(Branch(i, img_scale[i], crop_scale, patch_size[i], multi_conv, t, into))

    inputs = begin(input_shape, input_tensor)
    patches = [b.patches(inputs) for b in branches]
    xs = [b.embed(x, pair(img_size), pos_drop_rate) for b, x in zip(branches, patches, strict=True)]
    lengths = [max(encoders) + rounds for *encoders, rounds in depths]
    rates = iter(drop_path_rates(drop_path_rate, sum(lengths)))
    for k, (*encoders, rounds) in enumerate(depths):
        drop_paths = list(itertools.islice(rates, lengths[k]))
        xs = [b.encode(x, drop_paths[: encoders[b.i]], f"block_{k}") for b, x in zip(branches, xs, strict=True)]
        xs = exchange(xs, branches, rounds, drop_paths[-1], f"block_{k}")
        xs = [b.stage(x, f"block_{k}") for b, x in zip(branches, xs, strict=True)]
    xs = [b.t.norm(x, f"norm_{b.i}") for b, x in zip(branches, xs, strict=True)]

    if include_top:
        x = _heads(_pool(xs, global_pool), num_classes, classifier_activation, drop_rate)
    elif pooling == "token":
        x = layers.Concatenate(name="pool")(_pool(xs, "token"))
    else:
        x = map_pool(_joint_map(xs, patches), pooling)
    return finish(inputs, x, name)


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


def _are_depths(depths):
    """Whether it is a sequence of triples, at least one."""

    def is_triple(value):
        good = isinstance(value, (tuple, list)) and len(value) == 3 and all(isinstance(n, int) for n in value)
        return good and min(value[:2]) >= 1 and value[2] >= 0

    return isinstance(depths, (tuple, list)) and len(depths) > 0 and all(map(is_triple, depths))


__all__ = ["VARIANTS", "build_crossvit"]
