"""What CCT, CVT and ViT-Lite share: all that follows the tokenizer, and the names of it in checkpoints.

Paper: Hassani et al., "Escaping the Big Data Paradigm with Compact Transformers", arXiv:2104.05704.
Official code: github.com/SHI-Labs/Compact-Transformers, src/utils/transformers.py.
"""

from vitgraph.blocks import (
    PositionTable,
    PrependTokens,
    SequencePooling,
    SinePosition,
    Stage,
    TakeToken,
    ToMap,
    ToTokens,
)
from vitgraph.wiring.layers import dense, drop_path_rates, dropout, head, map_pool

SIZES = {  # of the paper; 8 and 16 are vit-pytorch's
    2: {"dim": 128, "depth": 2, "num_heads": 2, "mlp_ratio": 1},
    4: {"dim": 128, "depth": 4, "num_heads": 2, "mlp_ratio": 1},
    6: {"dim": 256, "depth": 6, "num_heads": 4, "mlp_ratio": 2},
    7: {"dim": 256, "depth": 7, "num_heads": 4, "mlp_ratio": 2},
    8: {"dim": 256, "depth": 8, "num_heads": 4, "mlp_ratio": 2},
    14: {"dim": 384, "depth": 14, "num_heads": 6, "mlp_ratio": 3},
    16: {"dim": 384, "depth": 16, "num_heads": 6, "mlp_ratio": 3},
}


def check_transformer(check, dim, depth, num_heads, mlp_ratio, pos_embed, img_size):
    """The checks of what follows the tokenizer."""
    check.positive(dim=dim, depth=depth, num_heads=num_heads)
    check.over_zero(mlp_ratio=mlp_ratio)
    check.heads_divide(dim, num_heads)
    check.that(pos_embed in ("learn", "sine", "none"), "pos_embed", pos_embed, "'learn', 'sine', 'none'")
    check.sides(img_size=img_size)


def encode(patches, tokenizer, grid, stride, class_token, pos_embed, depth, t, drop_path_rate):
    """Tokens, positions, blocks, norm: a map (B, H, W, C) -> (B, N, C).

    Args:
        patches, tokenizer: the map, and the name of the layer that gives it.
        grid: (rows, columns) of the position table.
        stride: pixels of the image per position.
        class_token: whether a class token is prepended.
        pos_embed, depth, drop_path_rate: as the builders' own.
        t: the `Transformer` of the blocks.
    """
    prefix = int(class_token)
    x = ToTokens(name="tokens")(patches)
    if class_token:
        x = PrependTokens(name="cls_token")(x)
    if pos_embed == "learn":
        x = PositionTable(grid, prefix, kernel="bilinear", antialias=False, name="pos_embed")(x, patches)
    elif pos_embed == "sine":
        x = SinePosition(name="pos_embed")(x)
    x = dropout(x, t.proj_drop, "pos_drop")
    for i, drop_path in enumerate(drop_path_rates(drop_path_rate, depth)):
        x = _block(x, t, drop_path, f"block_{i}")
        x = Stage(stride, prefix, tokenizer, name=f"block_{i}")(x)
    return t.norm(x, "norm")


def _block(x, t, drop_path, name):
    """The second norm stands in the stream, so that what the feed-forward layer is added to is normed too."""
    y = t.attention(t.norm(x, f"{name}_pre_norm"), f"{name}_attn")
    x = t.residual(x, y, drop_path, f"{name}_res1")
    x = t.norm(x, f"{name}_norm1")
    return t.residual(x, t.mlp(x, f"{name}_mlp"), drop_path, f"{name}_res2")


def top(x, patches, class_token, *, include_top, num_classes, classifier_activation, pooling):
    """The end: tokens (B, N, C) -> scores (B, classes), or the patches as a map (B, H, W, C), or that pooled (B, C)."""
    if include_top or pooling == "token":
        x = TakeToken(name="pool")(x) if class_token else _sequence_pool(x)
        return head(x, num_classes, classifier_activation) if include_top else x
    return map_pool(ToMap(int(class_token), name="map")(x, patches), pooling)


def _sequence_pool(x):
    return SequencePooling(name="pool")(x, dense(x, 1, "attn_pool"))
