"""DeepViT: re-attention keeps the attention maps of deep blocks from becoming alike.

Paper: Zhou et al., "DeepViT: Towards Deeper Vision Transformer", arXiv:2103.11886.
Official code: github.com/zhoudaquan/dvit_repo, models/deep_vision_transformer.py and layers.py.

    image (H, W, 3)
      stem, where there is one: 7 x 7 / 2 and 3 x 3 convolutions    (H/2, W/2, stem_dim)
      patches: p x p / p convolution of the image, or p/2 of it     (H/p, W/p, dim)
      class token, patches, positions                               (B, 1 + N, dim)
      blocks 0 ... depth - 1                                        (B, 1 + N, dim)
      norm
      class token                                                   (B, dim)
      head

    block: x + attention(norm(a x)) / a; x + mlp(norm(a x)) / a, with a number a.
    re-attention: (scale norm(mixture(softmax(q k' / sqrt(d))))) v, the mixture being one of heads, the norm a batch
        norm of each head's map.

norm(a x) is written as norm(x) with an epsilon of 1 / a^2 times as much, which is the same. vit-pytorch mixes heads
without a bias and norms over the heads of each pair of tokens.
"""

import dataclasses

from keras import layers

from vitgraph.blocks import (
    AttentionMap,
    HeadMixture,
    MapAttention,
    MixHeads,
    PositionTable,
    PrependTokens,
    SelfAttention,
    ToMap,
    ToTokens,
)
from vitgraph.blocks.base import is_static
from vitgraph.contract import POOLS, Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import activation, batch_norm, conv, conv_norm, drop_path_rates, dropout, head, pad_to_patch
from vitgraph.wiring.transformer import Transformer, blocks, patch_embed, patch_grid, pool, pre_norm_block

_STEM = {"stem_dim": 64, "scale_adjustment": 0.5}
_L = {**_STEM, "dim": 420, "depth": 32, "apply_transform": (False,) * 20 + (True,) * 12}

VARIANTS = {  # the official code's; S and L re-attend in their last blocks only, behind a stem
    "deepvit_patch16_224_re_attn_16b": {},
    "deepvit_patch16_224_re_attn_24b": {"depth": 24},
    "deepvit_patch16_224_re_attn_32b": {"depth": 32},
    "deepvit_S": {**_STEM, "dim": 396, "apply_transform": (False,) * 11 + (True,) * 5, "transform_scale": True},
    "deepvit_L": {**_L},
    "deepvit_L_384": {**_L, "input_shape": (384, 384, 3), "img_size": (384, 384)},
}


@builder(pools=POOLS, per_stage=("apply_transform",))
def build_deepvit(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    stem_dim=None,
    patch_size=16,
    dim=384,
    depth=16,
    num_heads=12,
    mlp_ratio=3.0,
    apply_transform=True,
    transform_scale=False,
    scale_adjustment=1.0,
    head_dim=None,
    qk_scale=None,
    qkv_bias=True,
    act="gelu",
    norm_eps=1e-6,
    global_pool="token",
    img_size=(224, 224),
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="deepvit",
):
    """Builds a DeepViT (arXiv:2103.11886): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels; what patches leave over at the bottom and the right is
            dropped. Or (None, None, channels): then the image is padded to whole patches and the position table
            resampled at run time.
        include_top: False ends the graph at the map of the last patch tokens (B, H / p, W / p, dim).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, one of `global_pool`'s kinds: (B, dim), what the head would see.
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        stem_dim: channels of the two convolutions before the patches; None: there are none.
        patch_size: side of a patch, or (height, width), in pixels; even where there is a stem.
        dim, depth, num_heads, mlp_ratio: width, blocks, heads, widening of the feed-forward layers.
        apply_transform: whether a block re-attends: one value for all, or one a block.
        transform_scale: multiply the maps of re-attention with `qk_scale` once more.
        scale_adjustment: what the input of each branch is multiplied with, and its output divided by.
        head_dim: width of one head; None: dim / num_heads.
        qk_scale: factor of the products of queries and keys; None: head_dim ** -0.5.
        qkv_bias: whether the projections to queries, keys and values have biases.
        act: "gelu" (exact), "gelu_tanh", "quick_gelu", "relu", "silu", ...
        norm_eps: epsilon of all layer norms.
        global_pool: what the head sees: "token", or "avg", "max", "avgmax" or "map" (attention pooling) of the patches.
        img_size: the image size whose grid the position table has, where input_shape is open.
        pos_drop_rate, proj_drop_rate, attn_drop_rate: dropout after positions, of projections, of attention (before
            heads are mixed).
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16). `vitgraph.attention` gives
        the maps after the mixture and the norm.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_deepvit")
    t = Transformer(
        dim, num_heads, mlp_ratio, qkv_bias, head_dim=head_dim, act=act, norm_eps=norm_eps, attn_drop=attn_drop_rate,
        proj_drop=proj_drop_rate, qk_scale=qk_scale,
    )  # fmt: skip
    t.check(check)
    check.positive(depth=depth)
    transforms = check.spread(depth, apply_transform=apply_transform)["apply_transform"]
    check.over_zero(scale_adjustment=scale_adjustment)
    check.that(global_pool in POOLS, "global_pool", global_pool, ", ".join(POOLS))
    patch, grid = patch_grid(check, shape_of(input_shape, input_tensor), patch_size, img_size)
    if stem_dim is not None:
        check.positive(stem_dim=stem_dim)
        check.that(all(n % 2 == 0 for n in patch), "patch_size", patch_size, "even numbers where there is a stem")

    inputs = begin(input_shape, input_tensor)
    patches = patch_embed(inputs, patch, dim) if stem_dim is None else _stem_embed(inputs, patch, stem_dim, dim)
    grid = patches.shape[1:3] if is_static(*patches.shape[1:3]) else grid
    x = PrependTokens(name="cls_token")(ToTokens(name="tokens")(patches))
    x = PositionTable(grid, 1, name="pos_embed")(x, patches)
    x = dropout(x, pos_drop_rate, "pos_drop")
    kinds = _kinds_of_block(t, scale_adjustment, transform_scale)
    parts = [kinds[transform] for transform in transforms]
    x = blocks(x, parts, pre_norm_block, drop_path_rates(drop_path_rate, depth), patch, 1)
    x = t.norm(x, "norm")
    if not include_top and pooling is None:
        return finish(inputs, ToMap(1, name="map")(x, patches), name)
    x = pool(x, pooling or global_pool, 1, t)
    if include_top:
        x = head(x, num_classes, classifier_activation)
    return finish(inputs, x, name)


def _stem_embed(x, patch, stem_dim, dim):
    """Image -> map of patches (B, H / p, W / q, dim), through convolutions that halve it first."""
    if not is_static(*x.shape[1:3]):
        x = pad_to_patch(x, patch)
    x = activation(conv_norm(x, stem_dim, 7, 2, "patch_embed_conv1", padding=3), "relu", "patch_embed_act1")
    x = activation(conv_norm(x, stem_dim, 3, 1, "patch_embed_conv2", padding=1), "relu", "patch_embed_act2")
    half = tuple(n // 2 for n in patch)
    return conv(x, dim, half, half, "patch_embed")


def _kinds_of_block(t, scale_adjustment, transform_scale):
    """{False: the parts of a block with plain attention, True: with re-attention}."""
    numbers = {**vars(t), "norm_eps": t.norm_eps / scale_adjustment**2, "scale_adjustment": scale_adjustment}
    return {False: Adjusted(**numbers), True: ReAttention(**numbers, transform_scale=transform_scale)}


@dataclasses.dataclass(frozen=True)
class Adjusted(Transformer):
    """The parts of a transformer block whose branches' outputs are divided by a number."""

    scale_adjustment: float = 1.0

    def residual(self, x, branch, drop_path, name):
        if self.scale_adjustment != 1:
            branch = layers.Rescaling(1 / self.scale_adjustment, name=f"{name}_scale")(branch)
        return super().residual(x, branch, drop_path, name)


@dataclasses.dataclass(frozen=True)
class ReAttention(Adjusted):
    """The parts of such a block, with maps of attention that are mixed and normed before they meet the values."""

    transform_scale: bool = False

    def attend(self, qkv, name):
        softmax = SelfAttention(self.num_heads, self.qk_scale, name=f"{name}_core")
        maps = AttentionMap(softmax, name=f"{name}_softmax")([qkv])
        maps = dropout(maps, self.attn_drop, f"{name}_drop")
        mixture = HeadMixture(self.num_heads, name=f"{name}_reatten_matrix")(qkv)
        maps = MixHeads(name=f"{name}_mixed")(maps, mixture)
        maps = batch_norm(maps, f"{name}_var_norm", axis=1)
        scale = self.qk_scale or (self.attn_dim // self.num_heads) ** -0.5
        return MapAttention(self.num_heads, scale if self.transform_scale else None, name=name)(qkv, maps)
