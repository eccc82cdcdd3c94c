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
from typing import Any, Literal

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring import transformer
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import BEIT
from vitgraph.wiring.transformer import pre_norm_block

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


@c.builder(initial=BEIT)
def build_beit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pool | None = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Size = 16,
    dim: c.Width = 768,
    depth: c.Depth = 12,
    num_heads: c.Count = 12,
    mlp_ratio: c.Ratio = 4.0,
    qkv_bias: bool = True,
    qk_scale: c.Scale | None = None,
    init_values: c.Scale | None = 0.1,
    pos_embed: Literal["learn", "none"] = "none",
    rel_pos_bias: Literal["block", "shared", "both"] | None = "block",
    norm_eps: c.Epsilon = 1e-6,
    global_pool: c.Pool = "avg",
    fc_norm: bool | None = None,
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "beit",
) -> keras.Model:
    """Builds a BEiT (arXiv:2106.08254): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, one of `global_pool`'s kinds: (B, dim); None leaves the map of the patches.
        qkv_bias: whether the projections to queries and values have biases; those to keys never do.
        pos_embed: kind of embedding of absolute positions.
        rel_pos_bias: "block", a table of biases by relative position for each block; "shared", one table for all of
            them; "both", which are added; or None.
        global_pool: what the head sees: the class token, or a pooling of the patches; "map" is attention pooling.
        pos_drop_rate: dropout of the first tokens and, if there are any, their absolute positions.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16). Without a top it ends in the
        map of the last patch tokens (B, H / p, W / p, dim), normed unless the norm comes after pooling.

    Example:
        >>> beit = vitgraph.build_beit((64, 64, 3), dim=32, depth=2, num_heads=2, rel_pos_bias="shared")
        >>> beit.get_layer("rel_pos_bias").output.shape
        (1, 2, 17, 17)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    patch, grid = transformer.patch_grid(border, patch_size, img_size)
    t = _Transformer(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, init_values=init_values,
        norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate, qk_scale=qk_scale,
        grid=grid if rel_pos_bias in ("block", "both") else None,
    )  # fmt: skip

    patches = transformer.patch_embed(border.image, patch, dim)
    x = blocks.PrependTokens(name="cls_token")(blocks.ToTokens(name="tokens")(patches))
    x = blocks.PositionTable(grid, 1, name="pos_embed")(x, patches) if pos_embed == "learn" else x
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    has_shared = rel_pos_bias in ("shared", "both")
    shared = blocks.GridBias(grid, num_heads, name="rel_pos_bias")(patches) if has_shared else None
    t = dataclasses.replace(t, patches=patches, shared_bias=shared)
    x = transformer.transformer_blocks(x, t, pre_norm_block, w.drop_path_rates(drop_path_rate, depth), patch, 1)
    norm = transformer.norm_place(fc_norm, global_pool)
    return border.end_plain(x, patches, t, global_pool, norm=norm, drop_rate=drop_rate)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Transformer(transformer.Transformer):
    """A transformer block whose attention has a bias by relative position.

    `grid` is that of the block's own table, `shared_bias` comes from one table for all blocks; None: there is none.
    `patches` is the map (B, H, W, .) of the tokens after the first.
    """

    grid: Any = None
    shared_bias: Any = None
    patches: Any = None

    def attention(self, x, name):
        """qkv, biases of queries and values, attention with what is added before the softmax, proj."""
        qkv = w.dense(x, 3 * self.attn_dim, f"{name}_qkv", use_bias=False)
        qkv = blocks.QVBias(name=f"{name}_qv_bias")(qkv) if self.qkv_bias else qkv
        bias = self.shared_bias
        if self.grid:
            bias = blocks.GridBias(self.grid, self.num_heads, name=f"{name}_bias")(self.patches)
        if self.grid and self.shared_bias is not None:
            bias = layers.Add(name=f"{name}_biases")([bias, self.shared_bias])
        x = blocks.SelfAttention(self.num_heads, self.qk_scale, self.attn_drop_rate, name=name)(qkv, bias)
        return w.dense(x, self.dim, f"{name}_proj")
