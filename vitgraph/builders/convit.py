"""ConViT: attention that begins as a convolution and may give that up.

Paper: d'Ascoli et al., "ConViT: Improving Vision Transformers with Soft Convolutional Inductive Biases",
arXiv:2103.10697.
Official code: github.com/facebookresearch/convit, convit.py; checkpoints there and in timm.

    image (H, W, 3)
      patches: p x p / p convolution                          (H/p, W/p, dim)
      tokens, positions                                       (B, N, dim)
      blocks 0 ... local_depth - 1: gated attention           (B, N, dim)
      class token, patches                                    (B, 1 + N, dim)
      blocks local_depth ... depth - 1: plain attention       (B, 1 + N, dim)
      norm
      class token                                             (B, dim)
      head

    block: x + attention(norm(x)); x + mlp(norm(x)).
    gated: (1 - g) softmax(q k') v + g softmax(positions) v, with a learned g per head; the positions' scores are a
           linear layer of rows, columns and squared distance between query and key.

The official code divides the sum of both softmaxes by its sum over keys, which is 1. It takes one size of square
images; here any from a patch up, also an open one: offsets are computed, the table of positions is resampled.
"""

import dataclasses

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.initializers import InitialWeights
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.transformer import Transformer, patch_embed, patch_grid, pre_norm_block

VARIANTS = {  # table 1 of the paper
    "convit_tiny": {},
    "convit_small": {"dim": 432, "num_heads": 9},
    "convit_base": {"dim": 768, "num_heads": 16},
}


def _identity(fan_in, fan_out):
    return keras.initializers.Identity()


_INITIAL = InitialWeights(special={r"block_\d+_attn_v/kernel": _identity})


@c.builder(initial=_INITIAL)
def build_convit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pool | None = None,
    input_tensor: c.ImageTensor | None = None,
    patch_size: c.Size = 16,
    dim: c.Width = 192,
    depth: c.Depth = 12,
    local_depth: c.Whole = 10,
    num_heads: c.Count = 4,
    mlp_ratio: c.Ratio = 4.0,
    qkv_bias: bool = False,
    pos_embed: bool = True,
    locality_strength: c.Scale = 1.0,
    norm_eps: c.Epsilon = 1e-6,
    global_pool: c.Pool = "token",
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "convit",
) -> keras.Model:
    """Builds a ConViT (arXiv:2103.10697): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, one of `global_pool`'s kinds: (B, dim); None leaves the map of the patches.
        local_depth: number of blocks, the first ones, whose attention is gated; fewer than `depth`.
        pos_embed: whether learned positions are added to the patches.
        locality_strength: factor of the positions' initial scores: the larger, the closer to a convolution.
        global_pool: what the head sees: the class token, or a pooling of the patches; "map" is attention pooling.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16). Without a top and pooling it
        ends in the map of the normed patches (B, H / p, W / p, dim).

    Example:
        >>> backbone = vitgraph.build_convit((64, 96, 3), include_top=False, dim=32, depth=3, local_depth=2)
        >>> backbone.output_shape
        (None, 4, 6, 32)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    t = Transformer(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, norm_eps=norm_eps,
        proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
    )  # fmt: skip
    c.require(local_depth < depth, "local_depth", f"fewer than all {depth} blocks: the class token joins after them")
    patch, grid = patch_grid(border, patch_size, img_size)

    patches = patch_embed(border.image, patch, dim)
    x = blocks.ToTokens(name="tokens")(patches)
    x = blocks.PositionTable(grid, name="pos_embed")(x, patches) if pos_embed else x
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    gated = _Gated(**vars(t), patches=patches, strength=locality_strength)
    for i, drop_path in enumerate(w.drop_path_rates(drop_path_rate, depth)):
        if i == local_depth:
            x = blocks.PrependTokens(name="cls_token")(x)
        x = pre_norm_block(x, gated if i < local_depth else t, drop_path, f"block_{i}")
        x = blocks.Stage(patch, int(i >= local_depth), "patch_embed", name=f"block_{i}")(x)
    return border.end_plain(x, patches, t, global_pool, drop_rate=drop_rate)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Gated(Transformer):
    """The parts of a block whose attention is gated; `patches` is the map whose positions the tokens have."""

    patches: keras.KerasTensor
    strength: float

    def attention(self, x, name):
        qk = w.dense(x, 2 * self.dim, f"{name}_qk", self.qkv_bias)
        v = w.dense(x, self.dim, f"{name}_v", self.qkv_bias)
        positions = blocks.GridAttention(self.num_heads, self.strength, name=f"{name}_pos")(self.patches)
        x = blocks.GatedPositionalAttention(self.num_heads, drop=self.attn_drop_rate, name=name)(qk, v, *positions)
        return w.dense(x, self.dim, f"{name}_proj")
