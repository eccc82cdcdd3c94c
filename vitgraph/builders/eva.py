"""EVA, EVA-02, DINOv3 and their relatives: ViTs whose attention turns queries and keys by their positions.

Papers: Fang et al., "EVA-02: A Visual Representation for Neon Genesis", arXiv:2303.11331; EVA, arXiv:2211.07636;
Simeoni et al., "DINOv3", arXiv:2508.10104; Heo et al., "Rotary Position Embedding for Vision Transformer",
arXiv:2403.13298; Bolya et al., "Perception Encoder", arXiv:2504.13181; LingBot-Vision, arXiv:2607.05247; Sapiens2,
arXiv:2604.21681.
Official code: github.com/baaivision/EVA, github.com/facebookresearch/dinov3; checkpoints there and in timm.

    image (H, W, 3)
      patches: p x p / p convolution                    (H/p, W/p, dim)
      class token, registers, patches[, learned table]  (B, N, dim)
      blocks 0 ... depth - 1                            (B, N, dim)
      norm, class token | mean, norm | attention pooling  (B, dim)
      head

    block:     x + scale * attention(norm(x)); x + scale * mlp(norm(x)).
    attention: softmax(rotate(q) rotate(k)') v, [norm], linear; keys have a bias only in some nets.
    mlp:       linear, GELU, linear | silu(linear) * linear, [norm], linear.

Any input size, also an open one: rotary positions are computed for it, a learned table is resampled. The official
DINOv3 keeps its rotary periods in bfloat16; here, as in timm, they are exact. Some of the official trainings move and
scale the coordinates at random; here they stay where they are.
"""

import dataclasses
from typing import Annotated, Any, Literal

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring import transformer
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import BEIT
from vitgraph.wiring.transformer import pre_norm_block, res_post_norm_block

# fmt: off
_SIZES = {  # dim, depth, num_heads
    "tiny": (192, 12, 3), "small": (384, 12, 6), "medium": (512, 12, 8), "mediumd": (512, 20, 8),
    "betwixt": (640, 12, 10), "base": (768, 12, 12), "large": (1024, 24, 16), "huge": (1280, 32, 16),
    "giant": (1408, 40, 16), "enormous": (1792, 64, 16), "huge_plus": (1280, 32, 20), "giant_24": (1536, 40, 24),
    "5b": (2432, 56, 32), "7b": (4096, 40, 32), "gigantic": (1536, 50, 16), "lang_large": (1024, 23, 16),
    "lang_gigantic": (1536, 47, 16),
}

_TOKEN: dict[str, Any] = {"global_pool": "token"}
_GATED: dict[str, Any] = {"gated_mlp": True}
_EVA: dict[str, Any] = {"rope": None}
_EVA2_TINY = {**_GATED, "mlp_ratio": 16 / 3, "rope_reference": (16, 16)}
_EVA2 = {**_EVA2_TINY, "mlp_ratio": 5.33203125, "mlp_norm": True}  # 2730 hidden channels of 1024, gated
_EVA2_CLIP = {**_EVA2, **_TOKEN, "attn_norm": True}
_DINOV3: dict[str, Any] = {
    "pos_embed": "none", "rope": "centred", "rope_temperature": 100.0, "rope_halves": True, "num_reg_tokens": 4,
    "init_values": 1e-5, "fc_norm": False, "norm_eps": 1e-5, "qkv_bias": False,
}
_QKVB = {**_DINOV3, "qkv_bias": True}
_ROPE: dict[str, Any] = {
    **_TOKEN, "pos_embed": "none", "rope_temperature": 100.0, "rope_x_first": True, "k_bias": True, "init_values": 1e-5,
}
_APE = {"pos_embed": "learn", "no_embed_class": True}
_MIXED = {"rope": "mixed", "rope_temperature": 10.0}
_SBB: dict[str, Any] = {
    "pos_embed": "none", "rope_reference": (16, 16), "class_token": False, "num_reg_tokens": 1, "init_values": 1e-5,
}
_PE: dict[str, Any] = {"pre_norm": True, "rope_x_first": True, "k_bias": True, "norm_eps": 1e-5, "rope_offset": 1.0}
_CORE = {**_PE, "global_pool": "map", "pool_heads": 8}
_NO_NORM: dict[str, Any] = {**_PE, "final_norm": False, "fc_norm": False}
_GIGANTIC: dict[str, Any] = {"mlp_ratio": 35 / 6, "class_token": False, "rope_offset": 0.0, "rope_reference": (32, 32)}
_PE_SCALED = {"init_values": 0.1, "rope_reference": (32, 32)}
_SAPIENS2: dict[str, Any] = {
    **_DINOV3, **_TOKEN, **_GATED, "mlp_ratio": 8.0, "qkv_bias": True, "k_bias": True, "qk_norm": True,
    "rms_norm": True, "norm_eps": 1e-6, "init_values": 1.0, "mlp_scale": False, "num_reg_tokens": 8,
}


def _grouped(outer, inner, heads):
    """The heads of keys and values: as many as of queries in the first and last 8 blocks, half as many in between."""
    return {"num_kv_heads": (heads,) * outer + (heads // 2,) * inner + (heads,) * outer}


_NETS: tuple = (  # name, size, patch, side, arguments besides these
    ("eva_giant_patch14_224", "giant", 14, 224, {**_EVA, "mlp_ratio": 48 / 11}),
    ("eva_giant_patch14_336", "giant", 14, 336, {**_EVA, "mlp_ratio": 48 / 11}),
    ("eva_giant_patch14_560", "giant", 14, 560, {**_EVA, "mlp_ratio": 48 / 11}),
    ("eva_giant_patch14_clip_224", "giant", 14, 224, {**_EVA, **_TOKEN, "mlp_ratio": 48 / 11}),
    ("eva02_tiny_patch14_224", "tiny", 14, 224, _EVA2_TINY),
    ("eva02_tiny_patch14_336", "tiny", 14, 336, _EVA2_TINY),
    ("eva02_small_patch14_224", "small", 14, 224, _EVA2_TINY),
    ("eva02_small_patch14_336", "small", 14, 336, _EVA2_TINY),
    ("eva02_base_patch14_224", "base", 14, 224, {**_EVA2, "mlp_ratio": 16 / 3}),
    ("eva02_base_patch14_448", "base", 14, 448, {**_EVA2, "mlp_ratio": 16 / 3}),
    ("eva02_base_patch16_clip_224", "base", 16, 224, {**_EVA2_CLIP, "mlp_ratio": 16 / 3}),
    ("eva02_large_patch14_224", "large", 14, 224, _EVA2),
    ("eva02_large_patch14_448", "large", 14, 448, _EVA2),
    ("eva02_large_patch14_clip_224", "large", 14, 224, _EVA2_CLIP),
    ("eva02_large_patch14_clip_336", "large", 14, 336, _EVA2_CLIP),
    ("eva02_enormous_patch14_clip_224", "enormous", 14, 224,
     {**_EVA, **_TOKEN, "mlp_ratio": 60 / 7, "post_norm": True}),
    ("vit_small_patch16_dinov3", "small", 16, 256, _DINOV3),
    ("vit_small_plus_patch16_dinov3", "small", 16, 256, {**_DINOV3, **_GATED, "mlp_ratio": 8.0}),
    ("vit_base_patch16_dinov3", "base", 16, 256, _DINOV3),
    ("vit_large_patch16_dinov3", "large", 16, 256, _DINOV3),
    ("vit_huge_plus_patch16_dinov3", "huge_plus", 16, 256, {**_DINOV3, **_GATED, "mlp_ratio": 8.0}),
    ("vit_7b_patch16_dinov3", "7b", 16, 256, {**_DINOV3, **_GATED}),
    ("vit_tiny_patch16_dinov3_qkvb", "tiny", 16, 256, _QKVB),
    ("vit_small_patch16_dinov3_qkvb", "small", 16, 256, _QKVB),
    ("vit_small_plus_patch16_dinov3_qkvb", "small", 16, 256, {**_QKVB, **_GATED, "mlp_ratio": 8.0}),
    ("vit_base_patch16_dinov3_qkvb", "base", 16, 256, _QKVB),
    ("vit_large_patch16_dinov3_qkvb", "large", 16, 256, _QKVB),
    ("vit_huge_plus_patch16_dinov3_qkvb", "huge_plus", 16, 256, {**_QKVB, **_GATED, "mlp_ratio": 8.0}),
    ("vit_small_patch16_lingbot", "small", 16, 512, {**_QKVB, **_TOKEN}),
    ("vit_base_patch16_lingbot", "base", 16, 512, {**_QKVB, **_TOKEN}),
    ("vit_large_patch16_lingbot", "large", 16, 512, {**_QKVB, **_TOKEN}),
    ("vit_giant_patch16_lingbot", "giant_24", 16, 512, {**_DINOV3, **_TOKEN, **_GATED, "mlp_ratio": 16 / 3}),
    *((f"vit_{size}_patch16_rope_{kind}224", size, 16, 224, {**_ROPE, **kinds})
      for size in ("small", "base", "large")
      for kind, kinds in (("", {}), ("ape_", _APE), ("mixed_", _MIXED), ("mixed_ape_", {**_MIXED, **_APE}))),
    ("vit_medium_patch16_rope_reg1_gap_256", "medium", 16, 256, _SBB),
    ("vit_mediumd_patch16_rope_reg1_gap_256", "mediumd", 16, 256, {**_SBB, "qkv_bias": False}),
    ("vit_betwixt_patch16_rope_reg4_gap_256", "betwixt", 16, 256, {**_SBB, "num_reg_tokens": 4}),
    ("vit_base_patch16_rope_reg1_gap_256", "base", 16, 256, _SBB),
    ("vit_pe_core_tiny_patch16_384", "tiny", 16, 384, {**_CORE, "rope_reference": (24, 24)}),
    ("vit_pe_core_small_patch16_384", "small", 16, 384, {**_CORE, "rope_reference": (24, 24)}),
    ("vit_pe_core_base_patch16_224", "base", 16, 224, {**_CORE, "rope_reference": (14, 14)}),
    ("vit_pe_core_large_patch14_336", "large", 14, 336, {**_CORE, "rope_reference": (24, 24)}),
    ("vit_pe_core_gigantic_patch14_448", "gigantic", 14, 448, {**_CORE, **_GIGANTIC, "pool_mlp_ratio": 4.0}),
    ("vit_pe_lang_large_patch14_448", "lang_large", 14, 448, {**_NO_NORM, **_PE_SCALED}),
    ("vit_pe_lang_gigantic_patch14_448", "lang_gigantic", 14, 448, {**_NO_NORM, **_PE_SCALED, **_GIGANTIC}),
    ("vit_pe_spatial_tiny_patch16_512", "tiny", 16, 512, {**_NO_NORM, "rope_reference": (32, 32)}),
    ("vit_pe_spatial_small_patch16_512", "small", 16, 512, {**_NO_NORM, "rope_reference": (32, 32)}),
    ("vit_pe_spatial_base_patch16_512", "base", 16, 512, {**_NO_NORM, "rope_reference": (32, 32)}),
    ("vit_pe_spatial_large_patch14_448", "large", 14, 448, {**_NO_NORM, "rope_reference": (32, 32)}),
    ("vit_pe_spatial_gigantic_patch14_448", "gigantic", 14, 448, {**_NO_NORM, **_PE_SCALED, **_GIGANTIC}),
    ("vit_base_patch16_sapiens2", "base", 16, (1024, 768), _SAPIENS2),
    ("vit_large_patch16_sapiens2", "large", 16, (1024, 768), {**_SAPIENS2, **_grouped(8, 8, 16)}),
    ("vit_huge_patch16_sapiens2", "huge", 16, (1024, 768), {**_SAPIENS2, **_grouped(8, 16, 16)}),
    ("vit_giant_patch16_sapiens2", "giant_24", 16, (1024, 768), {**_SAPIENS2, **_grouped(8, 24, 24)}),
    ("vit_5b_patch16_sapiens2", "5b", 16, (1024, 768), {**_SAPIENS2, **_grouped(8, 40, 32)}),
)
# fmt: on


def _row(size, patch, side, arguments):
    """The arguments of `build_eva` of one net."""
    row = {**dict(zip(("dim", "depth", "num_heads"), _SIZES[size], strict=True)), **arguments}
    sides = (side, side) if isinstance(side, int) else side
    image = {} if sides == (224, 224) else {"input_shape": (*sides, 3), "img_size": sides}
    return {"patch_size": patch, **row, **image}


VARIANTS = {name: _row(*numbers) for name, *numbers in _NETS}  # timm's


@c.builder(initial=BEIT)
def build_eva(
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
    num_kv_heads: c.OneOrPerBlock[c.Count] | None = None,
    mlp_ratio: c.Ratio = 4.0,
    class_token: bool = True,
    num_reg_tokens: Annotated[int, c.between(0, 1024)] = 0,
    pos_embed: Literal["learn", "none"] = "learn",
    no_embed_class: bool = False,
    rope: Literal["axial", "centred", "mixed"] | None = "axial",
    rope_temperature: c.Positive = 10000.0,
    rope_reference: c.Size | None = None,
    rope_offset: c.Number = 0.0,
    rope_x_first: bool = False,
    rope_halves: bool = False,
    pre_norm: bool = False,
    post_norm: bool = False,
    qkv_bias: bool = True,
    k_bias: bool = False,
    qk_norm: bool = False,
    attn_norm: bool = False,
    mlp_norm: bool = False,
    gated_mlp: bool = False,
    act: c.Act | None = None,
    init_values: c.Scale | None = None,
    mlp_scale: bool = True,
    rms_norm: bool = False,
    norm_eps: c.Epsilon = 1e-6,
    final_norm: bool | None = None,
    global_pool: c.Pool = "avg",
    fc_norm: bool | None = None,
    pool_heads: c.Count | None = None,
    pool_mlp_ratio: c.Ratio | None = None,
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "eva",
) -> keras.Model:
    """Builds an EVA-02 (arXiv:2303.11331) or a relative such as DINOv3: image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, one of `global_pool`'s kinds: (B, dim); None leaves the map of the patches.
        num_kv_heads: heads of keys and values, for all blocks or per block, where queries have more
            (arXiv:2305.13245); None: as many as of queries.
        num_reg_tokens: number of register tokens (arXiv:2309.16588), after the class token.
        pos_embed: "learn" adds a learned table to the embedded patches, beside the rotary positions.
        no_embed_class: whether the position table has no rows for class token and registers.
        rope: kind of rotary positions: "axial", positions of rows and columns turn a half of each head each;
            "centred", likewise, by coordinates from -1 to 1 (DINOv3); "mixed", each head learns directions; or None.
        rope_temperature: base of the frequencies.
        rope_reference: side or (rows, columns) of the grid of patches to which "axial" positions are scaled; None:
            they aren't.
        rope_offset: added to each rotary position.
        rope_x_first: whether columns come before rows in the rotated channels.
        rope_halves: whether a channel of a head's first half is turned with one of its second; otherwise neighbours.
        post_norm: whether norms are at the ends of the branches, not at their beginnings; without layer scale.
        qkv_bias: whether the projections to queries and values have biases.
        k_bias: whether, with `qkv_bias`, those to keys have them too.
        act: None: "silu" with `gated_mlp`, else "gelu".
        mlp_scale: whether `init_values` also scales the branches of feed-forward layers.
        final_norm: whether there is a norm after the last block; None: unless there is one after pooling.
        global_pool: what the head sees: the class token, or a pooling of the patches; "map" is attention pooling of
            all tokens.
        fc_norm: whether there is a norm after pooling; None: with means and maxima.
        pool_heads: attention heads of attention pooling; None: `num_heads`.
        pool_mlp_ratio: hidden width of its feed-forward layer, relative to `dim`; None: `mlp_ratio`.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16). Without a top it ends in the
        map of the last patch tokens (B, H / p, W / p, dim), normed unless the norm comes after pooling.

    Example:
        >>> dinov3 = vitgraph.create("vit_small_patch16_dinov3", input_shape=(64, 96, 3), depth=2, include_top=False)
        >>> dinov3.output_shape
        (None, 4, 6, 384)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    patch, grid = transformer.patch_grid(border, patch_size, img_size)
    prefix = class_token + num_reg_tokens
    kv_heads: Any = num_kv_heads if isinstance(num_kv_heads, (list, tuple)) else (num_kv_heads or num_heads,) * depth
    c.require(len(kv_heads) == depth, "num_kv_heads", f"one number or one per block, here {depth}")
    c.require(all(num_heads % n == 0 for n in kv_heads), "num_kv_heads", f"divisors of num_heads, here {num_heads}")
    same = k_bias or not qkv_bias or set(kv_heads) == {num_heads}
    c.require(same, "k_bias", "True where keys have fewer heads than queries")
    t = _Transformer(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, k_bias=k_bias, qk_norm=qk_norm,
        attn_norm=attn_norm, mlp_norm=mlp_norm, gated_mlp=gated_mlp, act=act or ("silu" if gated_mlp else "gelu"),
        init_values=init_values, norm_eps=norm_eps, rms_norm=rms_norm, proj_drop_rate=proj_drop_rate,
        attn_drop_rate=attn_drop_rate, halves=rope_halves,
    )  # fmt: skip
    width = dim // num_heads
    c.require(rope is None or width % 4 == 0, "num_heads", f"heads whose width 4 divides, with rope, here {width}")
    c.require(rope == "axial" or rope_reference is None, "rope_reference", f"None with rope={rope!r}")
    c.require(rope != "mixed" or not rope_halves, "rope_halves", "False with rope='mixed'")
    equal = rope != "mixed" or set(kv_heads) == {num_heads}
    c.require(equal, "num_kv_heads", "None with rope='mixed': heads have frequencies of their own")

    patches = transformer.patch_embed(border.image, patch, dim, not pre_norm)
    x = blocks.ToTokens(name="tokens")(patches)
    if pos_embed == "learn" and no_embed_class:
        x = blocks.PositionTable(grid, name="pos_embed")(x, patches)
    if num_reg_tokens:
        x = blocks.PrependTokens(num_reg_tokens, name="reg_token")(x)
    if class_token:
        x = blocks.PrependTokens(name="cls_token")(x)
    if pos_embed == "learn" and not no_embed_class:
        x = blocks.PositionTable(grid, prefix, name="pos_embed")(x, patches)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    x = t.norm(x, "norm_pre") if pre_norm else x

    options: dict[str, Any] = {"temperature": rope_temperature, "offset": rope_offset, "x_first": rope_x_first}
    table = None
    if rope == "mixed":
        table = blocks.MixedRotaryTable(width, depth, num_heads, prefix, **options, name="rope")(patches)
    elif rope is not None:
        options |= {"centred": rope == "centred", "reference": rope_reference, "halves": rope_halves}
        table = blocks.RotaryTable(width, prefix, **options, name="rope")(patches)
    ts = [
        dataclasses.replace(t, table=table, index=i if rope == "mixed" else 0, num_kv_heads=n)
        for i, n in enumerate(kv_heads)
    ]
    block = res_post_norm_block if post_norm else pre_norm_block if mlp_scale else _block_with_one_scale
    x = transformer.transformer_blocks(x, ts, block, w.drop_path_rates(drop_path_rate, depth), patch, prefix)

    after = global_pool in ("avg", "max", "avgmax") if fc_norm is None else fc_norm
    if not after if final_norm is None else final_norm:
        x = t.norm(x, "norm")
    pool_ratio = pool_mlp_ratio or mlp_ratio / (2 if gated_mlp else 1)
    pool = transformer.Transformer(
        dim=dim, num_heads=pool_heads or num_heads, mlp_ratio=pool_ratio, norm_eps=norm_eps, rms_norm=rms_norm
    )
    is_map = (pooling or global_pool) == "map"
    norm = "after" if after else None
    return border.end_plain(x, patches, pool, global_pool, prefix, norm=norm, pool_prefix=is_map, drop_rate=drop_rate)


def _block_with_one_scale(x, t, drop_path, name):
    """ViT's block, in which the branch of the feed-forward layer isn't scaled: (B, N, C) -> (B, N, C)."""
    y = t.attention(t.norm(x, f"{name}_norm1"), f"{name}_attn")
    x = t.residual(x, y, drop_path, f"{name}_res1")
    y = t.mlp(t.norm(x, f"{name}_norm2"), f"{name}_mlp")
    return dataclasses.replace(t, init_values=None).residual(x, y, drop_path, f"{name}_res2")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Transformer(transformer.Transformer):
    """A transformer block whose queries and keys are turned by their positions.

    `table` is the output of a `RotaryTable`, of which a block takes number `index`; None: nothing is turned.
    """

    k_bias: bool = False
    num_kv_heads: int | None = None
    table: Any = None
    index: int = 0
    halves: bool = False

    def attention(self, x, name):
        """qkv, biases, attention among turned tokens, norm, proj."""
        kv_heads, head_dim = self.num_kv_heads or self.num_heads, self.dim // self.num_heads
        all_biased = self.qkv_bias and self.k_bias
        qkv = w.dense(x, (self.num_heads + 2 * kv_heads) * head_dim, f"{name}_qkv", all_biased)
        if self.qkv_bias and not self.k_bias:
            qkv = blocks.QVBias(name=f"{name}_qv_bias")(qkv)
        x = self.attend(qkv, name)
        x = self.norm(x, f"{name}_norm") if self.attn_norm else x
        return w.dense(x, self.dim, f"{name}_proj")

    def attend(self, qkv, name):
        if self.table is None and self.num_kv_heads in (None, self.num_heads):
            return super().attend(qkv, name)
        q, k, v = blocks.SplitHeads(self.num_heads, self.num_kv_heads, name=f"{name}_heads")(qkv)
        if self.qk_norm:
            q, k = self.norm(q, f"{name}_q_norm"), self.norm(k, f"{name}_k_norm")
        if self.table is not None:
            q = blocks.Rotate(self.index, self.halves, name=f"{name}_q_turned")(q, self.table)
            k = blocks.Rotate(self.index, self.halves, name=f"{name}_k_turned")(k, self.table)
        return blocks.HeadsAttention(self.num_heads, drop=self.attn_drop_rate, name=name)(q, k, v)
