"""BEiT: a ViT that knows relative positions, made for pre-training on masked images.

Paper: Bao et al., "BEiT: BERT Pre-Training of Image Transformers", arXiv:2106.08254.
Official code: github.com/microsoft/unilm, beit/modeling_finetune.py; checkpoints there and in timm. SimMIM's ViT
(arXiv:2111.09886; github.com/microsoft/SimMIM, models/vision_transformer.py) is the same net.

    image (H, W, 3)
      patches: p x p / p convolution                  (H/p, W/p, dim)
      class token, patches                            (B, 1 + N, dim)
      blocks 0 ... depth - 1                          (B, 1 + N, dim)
      mean of the patches, norm | norm, class token   (B, dim)
      head

    block:     x + scale * attention(norm(x)); x + scale * mlp(norm(x)).
    attention: softmax(q k' + bias) v, where keys have no bias of their own, and the softmax one by relative position:
               from a table a block, as in fine-tuning, or from one for all of them, as in pre-training.

Any input size: the tables of relative positions are resampled, as timm does it, also at run time. Weights start as in
ViT; the official code makes the last projections of block i smaller by sqrt(2 i).
"""

import dataclasses
from typing import Any

from keras import layers

from vitgraph.blocks import GridBias, PositionTable, PrependTokens, QVBias, SelfAttention, ToMap, ToTokens
from vitgraph.contract import POOLS, Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import dense, drop_path_rates, dropout, head
from vitgraph.wiring.transformer import Transformer, blocks, patch_embed, patch_grid, pool, pre_norm_block

_LARGE = {"dim": 1024, "depth": 24, "num_heads": 16, "init_values": 1e-5}

VARIANTS = {  # section 3 of the paper; v2: Peng et al., arXiv:2208.06366, the same nets trained in another way
    "beit_base_patch16_224": {},
    "beit_base_patch16_384": {"input_shape": (384, 384, 3), "img_size": (384, 384)},
    "beit_large_patch16_224": {**_LARGE},
    "beit_large_patch16_384": {**_LARGE, "input_shape": (384, 384, 3), "img_size": (384, 384)},
    "beit_large_patch16_512": {**_LARGE, "input_shape": (512, 512, 3), "img_size": (512, 512)},
    "beitv2_base_patch16_224": {"init_values": 1e-5},
    "beitv2_large_patch16_224": {**_LARGE},
    "simmim_vit_base_patch16_224": {},  # SimMIM's fine-tuned ViT-B (arXiv:2111.09886, appendix A)
}


@builder(pools=POOLS)
def build_beit(
    input_shape=(224, 224, 3),
    *,
    include_top=True,
    num_classes=1000,
    classifier_activation="softmax",
    pooling=None,
    input_tensor=None,
    patch_size=16,
    dim=768,
    depth=12,
    num_heads=12,
    mlp_ratio=4.0,
    qkv_bias=True,
    qk_scale=None,
    init_values=0.1,
    pos_embed=False,
    rel_pos_bias="block",
    norm_eps=1e-6,
    global_pool="avg",
    fc_norm=None,
    img_size=(224, 224),
    drop_rate=0.0,
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="beit",
):
    """Builds a BEiT (arXiv:2106.08254): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels; what patches leave over at the bottom and the right is
            dropped. Or (None, None, channels): then the image is padded to whole patches and the tables of positions
            are resampled at run time.
        include_top: False ends the graph at the map of the last patch tokens (B, H / p, W / p, dim).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, one of `global_pool`'s kinds: (B, dim), what the head would see.
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, or (height, width), in pixels.
        dim, depth, num_heads, mlp_ratio: width, blocks, heads, widening of the feed-forward layers.
        qkv_bias: whether queries and values have biases; keys never do.
        qk_scale: factor of the products of queries and keys; None: head_dim ** -0.5.
        init_values: initial layer scale; None: none.
        pos_embed: whether there is a table of absolute positions, too.
        rel_pos_bias: "block", a table of biases by relative position for each block; "shared", one for all; "both",
            which are added; None.
        norm_eps: epsilon of all norms.
        global_pool: what the head sees: "avg", "token", "max", "avgmax", or "map" (attention pooling).
        fc_norm: put the final norm after pooling; None: for "avg", "max" and "avgmax".
        img_size: the image size whose grid the tables have, where input_shape is open.
        drop_rate: dropout before the head.
        pos_drop_rate, proj_drop_rate, attn_drop_rate: dropout after positions, of projections, of attention.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16).

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_beit")
    shape = shape_of(input_shape, input_tensor)
    patch, grid = patch_grid(check, shape, patch_size, img_size)
    t = _Transformer(
        dim, num_heads, mlp_ratio, qkv_bias, init_values=init_values, norm_eps=norm_eps, attn_drop=attn_drop_rate,
        proj_drop=proj_drop_rate, qk_scale=qk_scale, grid=grid if rel_pos_bias in ("block", "both") else None,
    )  # fmt: skip
    t.check(check)
    check.positive(depth=depth)
    kinds = ("block", "shared", "both", None)
    check.that(rel_pos_bias in kinds, "rel_pos_bias", rel_pos_bias, ", ".join(map(repr, kinds)))
    check.that(global_pool in POOLS, "global_pool", global_pool, ", ".join(POOLS))

    inputs = begin(input_shape, input_tensor)
    patches = patch_embed(inputs, patch, dim)
    x = PrependTokens(name="cls_token")(ToTokens(name="tokens")(patches))
    if pos_embed:
        x = PositionTable(grid, 1, name="pos_embed")(x, patches)
    x = dropout(x, pos_drop_rate, "pos_drop")
    has_shared = rel_pos_bias in ("shared", "both")
    shared = GridBias(grid, num_heads, name="rel_pos_bias")(patches) if has_shared else None
    t = dataclasses.replace(t, patches=patches, shared_bias=shared)
    x = blocks(x, t, pre_norm_block, drop_path_rates(drop_path_rate, depth), patch, 1)

    norm_after_pool = global_pool in ("avg", "max", "avgmax") if fc_norm is None else fc_norm
    if not norm_after_pool:
        x = t.norm(x, "norm")
    if not include_top and pooling is None:
        return finish(inputs, ToMap(1, name="map")(x, patches), name)
    x = pool(x, pooling or global_pool, 1, t)
    if norm_after_pool:
        x = t.norm(x, "fc_norm")
    if include_top:
        x = head(x, num_classes, classifier_activation, drop_rate)
    return finish(inputs, x, name)


@dataclasses.dataclass(frozen=True)
class _Transformer(Transformer):
    """A transformer block whose attention has a bias by relative position.

    `grid` is that of the table of its own, `shared_bias` comes from one for all blocks; None: there is none. `patches`
    is the map (B, H, W, .) of the tokens after the first.
    """

    grid: Any = None
    shared_bias: Any = None
    patches: Any = None

    def attention(self, x, name):
        """qkv, biases of queries and values, attention with what is added to the softmax, proj."""
        qkv = dense(x, 3 * self.attn_dim, f"{name}_qkv", use_bias=False)
        if self.qkv_bias:
            qkv = QVBias(name=f"{name}_qv_bias")(qkv)
        bias = self.shared_bias
        if self.grid:
            bias = GridBias(self.grid, self.num_heads, name=f"{name}_bias")(self.patches)
        if self.grid and self.shared_bias is not None:
            bias = layers.Add(name=f"{name}_biases")([bias, self.shared_bias])
        x = SelfAttention(self.num_heads, self.qk_scale, self.attn_drop, name=name)(qkv, bias)
        return dense(x, self.dim, f"{name}_proj")
