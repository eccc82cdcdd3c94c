"""BEiT: a ViT whose attention knows relative positions; the net that SimMIM trains.

Paper: Bao et al., "BEiT: BERT Pre-Training of Image Transformers", arXiv:2106.08254.
Official code: github.com/microsoft/unilm (beit); the form here is github.com/microsoft/SimMIM's.

    image (H, W, 3)
      patches: p x p / p convolution                     (H/p, W/p, dim)
      class token; positions only with `pos_embed`       (B, 1 + N, dim)
      blocks 0 ... depth - 1                             (B, 1 + N, dim)
      mean of the patches, norm | norm, class token      (B, dim)
      head

    block: x + scale * attention(norm(x), bias); x + scale * mlp(norm(x)).

Queries and values have biases, keys have none. One table of biases serves all blocks (`rel_pos_bias="shared"`, in
pre-training) or each block has its own ("block", in fine-tuning), which begins as the shared one.
"""

from vitgraph.blocks import GridBias, PositionTable, PrependTokens, QVBias, SelfAttention, ToMap, ToTokens
from vitgraph.blocks.base import is_static
from vitgraph.builders.contract import Check, begin, builder, finish, shape_of
from vitgraph.builders.sources import Source
from vitgraph.builders.vit import blocks, patch_embed, patch_grid, pool
from vitgraph.builders.wiring import Transformer, dense, drop_path_rates, head

VARIANTS: dict = {  # SimMIM's ViT-B, as it is fine-tuned (arXiv:2111.09886, appendix A)
    "simmim_vit_base_patch16_224": {},
}

_TABLE = "relative_position_bias_table"
SOURCES = {
    "simmim": Source(
        renames=(
            (r"cls_token/token", "cls_token"),
            (r"pos_embed/table", "pos_embed"),
            (r"rel_pos_bias/table", f"rel_pos_bias.{_TABLE}"),
            (r"block_(\d+)_attn_bias/table", f"blocks.{{0}}.attn.{_TABLE}"),
            (r"block_(\d+)_attn_qv/(\w+)", "blocks.{0}.attn.{1}"),
            (r"block_(\d+)_res(\d)/gamma", "blocks.{0}.gamma_{1}"),
            (r"block_(\d+)_(attn|mlp)_(\w+)", "blocks.{0}.{1}.{2}"),
            (r"block_(\d+)_(norm\d)", "blocks.{0}.{1}"),
            (r"patch_embed", "patch_embed.proj"),
            (r"(norm|fc_norm|head)", "{0}"),
        ),
        ignored=r".*relative_position_index",
        head=r"(head|fc_norm)\..*",
    ),
}


@builder(pools=("token", "avg", "max"))
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
    init_values=0.1,
    pos_embed=False,
    rel_pos_bias="block",
    global_pool="avg",
    norm_eps=1e-6,
    drop_rate=0.0,
    proj_drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.0,
    dtype=None,
    name="beit",
):
    """Builds a BEiT (arXiv:2106.08254): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        input_shape: (height, width, channels), in pixels; what patches leave over at the bottom and the right is
            dropped.
        include_top: False ends the graph at the map of the last patch tokens (B, H / p, W / p, dim).
        num_classes: number of class scores.
        classifier_activation: name of a Keras activation, computed in float32; None: logits.
        pooling: with include_top=False, (B, dim): "token", or "avg", "max" over the patches.
        input_tensor: a KerasTensor (B, H, W, C) to wire onto, instead of a new input.
        patch_size: side of a patch, or (height, width), in pixels.
        dim, depth, num_heads, mlp_ratio: width, blocks, heads, widening of the feed-forward layers.
        qkv_bias: whether queries and values have biases.
        init_values: initial layer scale; None: none.
        pos_embed: whether there is a table of absolute positions, too.
        rel_pos_bias: "block", a table of relative positions for each block; "shared", one for all; None.
        global_pool: what the head sees: "avg", of the patches, with the final norm after it, or "token".
        norm_eps: epsilon of all norms.
        drop_rate: dropout before the head.
        proj_drop_rate, attn_drop_rate: dropout of projections, of attention.
        drop_path_rate: stochastic depth of the last block; earlier ones have less.
        dtype: dtype policy of every layer, such as "mixed_bfloat16"; None: Keras' global one.
        name: the model's name.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16).

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """
    check = Check("build_beit")
    t = Transformer(
        dim, num_heads, mlp_ratio, qkv_bias, init_values=init_values, norm_eps=norm_eps, attn_drop=attn_drop_rate,
        proj_drop=proj_drop_rate,
    )  # fmt: skip
    t.check(check)
    check.positive(depth=depth)
    check.that(rel_pos_bias in ("block", "shared", None), "rel_pos_bias", rel_pos_bias, "'block', 'shared', None")
    check.that(global_pool in ("avg", "token"), "global_pool", global_pool, "'avg', 'token'")
    shape = shape_of(input_shape, input_tensor)
    check.that(is_static(*shape[:2]), "input_shape", shape, "a known size: the tables are made for one grid")
    patch, grid = patch_grid(check, shape, patch_size, shape[:2])

    inputs = begin(input_shape, input_tensor)
    patches = patch_embed(inputs, patch, dim)
    x = ToTokens(name="tokens")(patches)
    x = PrependTokens(name="cls_token")(x)
    if pos_embed:
        x = PositionTable(grid, 1, name="pos_embed")(x, patches)
    shared = GridBias(grid, num_heads, name="rel_pos_bias")(patches) if rel_pos_bias == "shared" else None

    def block(x, t, drop_path, name):
        bias = shared
        if rel_pos_bias == "block":
            bias = GridBias(grid, num_heads, name=f"{name}_attn_bias")(patches)
        y = attention(t.norm(x, f"{name}_norm1"), bias, t, f"{name}_attn")
        x = t.residual(x, y, drop_path, f"{name}_res1")
        y = t.mlp(t.norm(x, f"{name}_norm2"), f"{name}_mlp")
        return t.residual(x, y, drop_path, f"{name}_res2")

    x = blocks(x, t, block, drop_path_rates(drop_path_rate, depth), patch, 1)
    pooling = global_pool if include_top else pooling
    if pooling in (None, "token"):
        x = t.norm(x, "norm")
    if pooling is None:
        return finish(inputs, ToMap(1, name="map")(x, patches), name)
    x = pool(x, pooling, 1, t)
    if pooling != "token":
        x = t.norm(x, "fc_norm")
    if include_top:
        x = head(x, num_classes, classifier_activation, drop_rate)
    return finish(inputs, x, name)


def attention(x, bias, t, name):
    """qkv, softmax attention with a bias (1, heads, N, N) or None, proj: (B, N, dim) -> (B, N, dim)."""
    x = dense(x, 3 * t.dim, f"{name}_qkv", use_bias=False)
    x = QVBias(name=f"{name}_qv")(x) if t.qkv_bias else x
    core = SelfAttention(t.num_heads, drop=t.attn_drop, name=name)
    return dense(core(x) if bias is None else core(x, bias), t.dim, f"{name}_proj")


__all__ = ["SOURCES", "VARIANTS", "build_beit"]
