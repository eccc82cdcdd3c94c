"""What CCT, CVT and ViT-Lite share: all that comes after the tokenizer.

Paper: Hassani et al., "Escaping the Big Data Paradigm with Compact Transformers", arXiv:2104.05704.
Official code: github.com/SHI-Labs/Compact-Transformers, src/utils/transformers.py.
"""

from typing import Literal

from vitgraph.blocks import PositionTable, PrependTokens, SequencePooling, SinePosition, TakeToken, ToMap, ToTokens
from vitgraph.wiring import layers as w

Positions = Literal["learn", "sine", "none"]

SIZES = {  # of the paper; 8 and 16 are vit-pytorch's
    2: {"dim": 128, "depth": 2, "num_heads": 2, "mlp_ratio": 1},
    4: {"dim": 128, "depth": 4, "num_heads": 2, "mlp_ratio": 1},
    6: {"dim": 256, "depth": 6, "num_heads": 4, "mlp_ratio": 2},
    7: {"dim": 256, "depth": 7, "num_heads": 4, "mlp_ratio": 2},
    8: {"dim": 256, "depth": 8, "num_heads": 4, "mlp_ratio": 2},
    14: {"dim": 384, "depth": 14, "num_heads": 6, "mlp_ratio": 3},
    16: {"dim": 384, "depth": 16, "num_heads": 6, "mlp_ratio": 3},
}


def embed(patches, grid, pos_embed, class_token=False):
    """Map (B, H, W, C) -> class token, if any, and patches, with positions: (B, prefix + H W, C).

    Args:
        grid: (rows, columns) of a learned position table.
        pos_embed: one of `Positions`.
    """
    x = ToTokens(name="tokens")(patches)
    if class_token:
        x = PrependTokens(name="cls_token")(x)
    if pos_embed == "learn":
        prefix = int(class_token)
        return PositionTable(grid, prefix, kernel="bilinear", antialias=False, name="pos_embed")(x, patches)
    return SinePosition(name="pos_embed")(x) if pos_embed == "sine" else x


def norm_between_block(x, t, drop_path, name):
    """x = norm1(x + attention(pre_norm(x))); x + mlp(x): (B, N, C) -> (B, N, C)."""
    y = t.attention(t.norm(x, f"{name}_pre_norm"), f"{name}_attn")
    x = t.residual(x, y, drop_path, f"{name}_res1")
    x = t.norm(x, f"{name}_norm1")
    return t.residual(x, t.mlp(x, f"{name}_mlp"), drop_path, f"{name}_res2")


def end(border, x, patches, class_token=False, drop_rate=0.0):
    """The model that ends in the tokens x (B, prefix + N, C).

    The head sees the class token, or where there is none all tokens, weighed by scores of their own.
    """
    if border.include_top or border.pooling == "token":
        x = TakeToken(name="pool")(x) if class_token else SequencePooling(name="pool")(x, w.dense(x, 1, "attn_pool"))
        return border.end_pooled(x, drop_rate)
    return border.end(ToMap(int(class_token), name="map")(x, patches))
