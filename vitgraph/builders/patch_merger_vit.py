"""PatchMerger: a ViT that goes on, from its middle, with a handful of tokens that it makes of all patches.

Paper: Renggli et al., "Learning to Merge Tokens in Vision Transformers", arXiv:2202.12015.
There is no official code; the nets and their checkpoints' names are those of vit-pytorch (github.com/lucidrains).

    image (H, W, 3)
      patches: norm, p x p linear layer, norm                     (H/p, W/p, dim)
      tokens, positions                                           (B, N, dim)
      blocks 0 ... patch_merge_layer - 1                          (B, N, dim)
      merger: norm; softmax(queries x') x, with M learned queries (B, M, dim)
      blocks patch_merge_layer ... depth - 1                      (B, M, dim)
      norm
      mean                                                        (B, dim)
      head

    block: ViT's.

The merger is attention with one head whose keys and values are the normed tokens, and is found by `attention` under
its name: where each of the M tokens comes from. The queries are multiplied as they are, as in the paper; vit-pytorch
divides by the root of the width what it starts that much larger. Of its position table the last row is never used, and
is left out here.
"""

from typing import Annotated, Literal

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import VIT_PYTORCH
from vitgraph.wiring.transformer import Transformer, patch_embed, patch_grid, pre_norm_block, transformer_blocks

VARIANTS = {  # the sizes of ViT, with the paper's 8 tokens from the middle on
    "patch_merger_vit_base_patch16_224": {},
    "patch_merger_vit_large_patch16_224": {"dim": 1024, "depth": 24, "num_heads": 16},
}


@c.builder(initial=VIT_PYTORCH)
def build_patch_merger_vit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: Literal["avg", "max", "avgmax", "map"] | None = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Size = 16,
    dim: c.Width = 768,
    depth: c.Depth = 12,
    num_heads: c.Count = 12,
    mlp_ratio: c.Ratio = 4.0,
    patch_merge_layer: c.Depth | None = None,
    num_merged_tokens: c.Width = 8,
    dual_patch_norm: bool = True,
    head_dim: c.Width | None = None,
    qkv_bias: bool = False,
    attn_proj: bool = True,
    act: c.Act = "gelu",
    norm_eps: c.Epsilon = 1e-5,
    fc_norm: bool = False,
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "patch_merger_vit",
) -> keras.Model:
    """Builds a ViT with a patch merger (arXiv:2202.12015): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, how the merged tokens are pooled to (B, dim), "avg" being what the head would
            see, and "map" attention pooling; None leaves them a map of one row.
        patch_merge_layer: number of blocks before the merger; None: half of them.
        num_merged_tokens: M, the number of tokens after the merger.
        dual_patch_norm: norms before and after a linear patch embedding; without them it is a plain convolution.
        fc_norm: whether the final norm comes after pooling.

    Returns:
        A `keras.Model`; each block before the merger ends in a `Stage` of the patch's stride ("P4" for 16). The merged
        tokens are the node `patch_merger`. Without a top it ends in a row of the last tokens (B, 1, M, dim); `pyramid`
        gives the last map whose positions are those of patches.

    Example:
        >>> vit = vitgraph.build_patch_merger_vit((64, 64, 3), dim=32, depth=2, num_heads=2, num_merged_tokens=3)
        >>> vit.get_layer("patch_merger").output.shape
        (None, 3, 32)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    t = Transformer(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, attn_proj=attn_proj, head_dim=head_dim,
        act=act, norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
    )  # fmt: skip
    merge = patch_merge_layer or max(depth // 2, 1)
    c.require(merge <= depth, "patch_merge_layer", f"at most the number of blocks, here {depth}")
    patch, grid = patch_grid(border, patch_size, img_size)

    patches = patch_embed(border.image, patch, dim, norm_eps=norm_eps if dual_patch_norm else None)
    x = blocks.PositionTable(grid, name="pos_embed")(blocks.ToTokens(name="tokens")(patches), patches)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    rates = w.drop_path_rates(drop_path_rate, depth)
    x = transformer_blocks(x, t, pre_norm_block, rates[:merge], patch)
    x = patch_merger(x, num_merged_tokens, norm_eps)
    for i in range(merge, depth):
        x = pre_norm_block(x, t, rates[i], f"block_{i}")
    if border.ends_in_map:
        x = x if fc_norm else t.norm(x, "norm")
        return border.model(layers.Reshape((1, num_merged_tokens, dim), name="map")(x))
    norm = "after" if fc_norm else "before"
    return border.end_plain(x, patches, t, "avg", prefix=0, norm=norm, drop_rate=drop_rate)


def _tokens(value):
    if not keras.backend.is_keras_tensor(value):
        raise TypeError
    if len(value.shape) != 3 or value.shape[2] is None or "float" not in value.dtype:
        raise ValueError
    return value


@c.public
def patch_merger(
    x: Annotated[keras.KerasTensor, c.Conversion("a floating KerasTensor (batch, tokens, channels)", _tokens)],
    num_tokens: c.Width = 8,
    norm_eps: c.Epsilon = 1e-5,
    name: c.Name = "patch_merger",
) -> keras.KerasTensor:
    """Tokens that are mixtures of the given ones, by learned queries: (B, N, C) -> (B, num_tokens, C).

    Args:
        x: tokens (B, N, C), of any graph.
        num_tokens: number of tokens that go on.
        norm_eps: epsilon of the norm.
        name: name of the node that gives the tokens; the other nodes' names begin with it.

    Returns:
        A `keras.KerasTensor` (B, num_tokens, C).

    Example:
        >>> from vitgraph.builders.patch_merger_vit import patch_merger
        >>> patch_merger(keras.Input((196, 64)), num_tokens=8).shape
        (None, 8, 64)
    """
    x = w.layer_norm(x, norm_eps, f"{name}_norm")
    queries = blocks.Latent(num_tokens, name=f"{name}_queries")(x)
    return blocks.QKVAttention(1, scale=1.0, name=name)(queries, x, x)


__all__ = ["VARIANTS", "build_patch_merger_vit", "patch_merger"]
