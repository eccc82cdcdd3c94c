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

from keras import layers

from vitgraph.blocks import Latent, PositionTable, QKVAttention, ToTokens
from vitgraph.contract import POOLS, Check, begin, builder, finish, shape_of
from vitgraph.wiring.layers import drop_path_rates, dropout, head, layer_norm
from vitgraph.wiring.transformer import Transformer, blocks, patch_embed, patch_grid, pool, pre_norm_block

VARIANTS = {  # the sizes of ViT, with the paper's 8 tokens from the middle on
    "patch_merger_vit_base_patch16_224": {},
    "patch_merger_vit_large_patch16_224": {"dim": 1024, "depth": 24, "num_heads": 16},
}


@builder(pools=POOLS[1:])
def build_patch_merger_vit(
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
    patch_merge_layer=None,
    patch_merge_num_tokens=8,
    dual_patch_norm=True,
    head_dim=None,
    qkv_bias=False,
    attn_proj=True,
    act="gelu",
    norm_eps=1e-5,
    fc_norm=False,
    img_size=(224, 224),
    drop_rate=0.0,
    pos_drop_rate=0.0,
    proj_drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="patch_merger_vit",
):
    """Builds a ViT with a patch merger (arXiv:2202.12015): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels; what patches leave over at the bottom and the right is
            dropped. Or (None, None, channels): then the image is padded to whole patches and the position table
            resampled at run time.
        include_top: False ends the graph at the merged tokens, a row of them: (B, 1, M, dim). `pyramid` gives the last
            map with the places of patches.
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, "avg" (what the head would see), "max", "avgmax" or "map" (attention pooling)
            over the merged tokens: (B, dim).
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, or (height, width), in pixels.
        dim, depth, num_heads, mlp_ratio: width, blocks, heads, widening of the feed-forward layers.
        patch_merge_layer: number of blocks before the merger; None: half of them.
        patch_merge_num_tokens: M, the number of tokens after it.
        dual_patch_norm: norms before and after a linear patch embedding; without them it is a plain convolution.
        head_dim: width of one head; None: dim / num_heads.
        qkv_bias: whether the projections to queries, keys and values have biases.
        attn_proj: False leaves out the projection after attention.
        act: "gelu" (exact), "gelu_tanh", "quick_gelu", "relu", "silu", ...
        norm_eps: epsilon of all norms.
        fc_norm: put the final norm after the mean.
        img_size: the image size whose grid the position table has, where input_shape is open.
        drop_rate: dropout before the head.
        pos_drop_rate, proj_drop_rate, attn_drop_rate: dropout after positions, of projections, of attention.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`; each block before the merger ends in a `Stage` of the patch's stride ("P4" for 16). The merged
        tokens are the node `patch_merger`.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_patch_merger_vit")
    t = Transformer(
        dim, num_heads, mlp_ratio, qkv_bias, attn_proj=attn_proj, head_dim=head_dim, act=act, norm_eps=norm_eps,
        attn_drop=attn_drop_rate, proj_drop=proj_drop_rate,
    )  # fmt: skip
    t.check(check)
    check.positive(depth=depth, patch_merge_num_tokens=patch_merge_num_tokens)
    layer = max(depth // 2, 1) if patch_merge_layer is None else patch_merge_layer
    check.positive(patch_merge_layer=layer)
    check.that(layer <= depth, "patch_merge_layer", patch_merge_layer, f"at most the number of blocks, here {depth}")
    patch, grid = patch_grid(check, shape_of(input_shape, input_tensor), patch_size, img_size)

    inputs = begin(input_shape, input_tensor)
    patches = patch_embed(inputs, patch, dim, norm_eps=norm_eps if dual_patch_norm else None)
    x = ToTokens(name="tokens")(patches)
    x = PositionTable(grid, name="pos_embed")(x, patches)
    x = dropout(x, pos_drop_rate, "pos_drop")
    rates = drop_path_rates(drop_path_rate, depth)
    x = blocks(x, t, pre_norm_block, rates[:layer], patch)
    x = patch_merger(x, patch_merge_num_tokens, norm_eps)
    for i in range(layer, depth):
        x = pre_norm_block(x, t, rates[i], f"block_{i}")

    if not fc_norm:
        x = t.norm(x, "norm")
    if not include_top and pooling is None:
        return finish(inputs, layers.Reshape((1, patch_merge_num_tokens, dim), name="map")(x), name)
    x = pool(x, pooling or "avg", 0, t)
    if fc_norm:
        x = t.norm(x, "fc_norm")
    if include_top:
        x = head(x, num_classes, classifier_activation, drop_rate)
    return finish(inputs, x, name)


def patch_merger(x, num_tokens=8, norm_eps=1e-5, name="patch_merger"):
    """Tokens that are mixtures of the given ones, by learned queries: (B, N, C) -> (B, num_tokens, C).

    Args:
        x: tokens, of any graph.
        num_tokens: how many go on.
        norm_eps: epsilon of the norm.
        name: of the node that gives them; the others' names begin with it.
    """
    x = layer_norm(x, norm_eps, f"{name}_norm")
    queries = Latent(num_tokens, name=f"{name}_queries")(x)
    return QKVAttention(1, scale=1.0, name=name)(queries, x, x)
