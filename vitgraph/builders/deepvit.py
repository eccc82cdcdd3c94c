"""DeepViT: re-attention keeps the attention maps of deep blocks from becoming alike.

Paper: Zhou et al., "DeepViT: Towards Deeper Vision Transformer", arXiv:2103.11886.
Official code: github.com/zhoudaquan/dvit_repo, models/deep_vision_transformer.py and layers.py.

    image (H, W, 3)
      stem, if any: 7 x 7 / 2 and 3 x 3 convolutions                (H/2, W/2, stem_dim)
      patches: p x p / p convolution of the image, or p/2 of it     (H/p, W/p, dim)
      class token, patches, positions                               (B, 1 + N, dim)
      blocks 0 ... depth - 1                                        (B, 1 + N, dim)
      norm
      class token                                                   (B, dim)
      head

    block: x + attention(norm(a x)) / a; x + mlp(norm(a x)) / a, with a number a.
    re-attention: (scale norm(mixture(softmax(q k' / sqrt(d))))) v, where the mixture is one of heads, and the norm a
        batch norm of each head's map.

vit-pytorch's DeepViT mixes heads without a bias and norms over the heads of each pair of tokens.
"""

import dataclasses
from typing import Annotated

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.base import is_static
from vitgraph.blocks.initializers import InitialWeights, pytorch_uniform
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.transformer import Transformer, patch_embed, patch_grid, pre_norm_block, transformer_blocks

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

_INITIAL = InitialWeights(special={r".*_reatten_matrix/.*": pytorch_uniform})


@c.builder(initial=_INITIAL)
def build_deepvit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pool | None = None,
    input_tensor: c.ImageTensor | None = None,
    stem_dim: c.Width | None = None,
    patch_size: c.Size = 16,
    dim: c.Width = 384,
    depth: c.Depth = 16,
    num_heads: c.Count = 12,
    mlp_ratio: c.Ratio = 3.0,
    apply_transform: c.OneOrPerBlock[bool] = True,
    transform_scale: bool = False,
    scale_adjustment: Annotated[float, c.Rule("a number from 0.01 to 100", lambda v: 0.01 <= v <= 100)] = 1.0,
    head_dim: c.Width | None = None,
    qk_scale: c.Scale | None = None,
    qkv_bias: bool = True,
    act: c.Act = "gelu",
    norm_eps: c.Epsilon = 1e-6,
    global_pool: c.Pool = "token",
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    pos_drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "deepvit",
) -> keras.Model:
    """Builds a DeepViT (arXiv:2103.11886): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        pooling: with include_top=False, one of `global_pool`'s kinds: (B, dim); None leaves the map of the patches.
        stem_dim: width of the two convolutions before the patches; None: there are none.
        patch_size: side of a patch, or (height, width), in pixels of the image, also with a stem. What patches leave
            over at the bottom and the right is dropped; an image of open size is padded to whole patches.
        apply_transform: whether a block re-attends: one value for all blocks, or one per block.
        transform_scale: whether the maps of re-attention are multiplied by `qk_scale` once more.
        scale_adjustment: factor of each branch's input; its output is divided by it.
        norm_eps: epsilon of the layer norms.
        global_pool: what the head sees: the class token, or a pooling of the patches; "map" is attention pooling.
        attn_drop_rate: dropout of attention probabilities, before heads are mixed.

    Returns:
        A `keras.Model`; each block ends in a `Stage` of the patch's stride ("P4" for 16). Without a top and pooling it
        ends in the map of the normed patches (B, H / p, W / p, dim). `vitgraph.attention` gives the maps after mixture
        and norm.

    Example:
        >>> deepvit = vitgraph.build_deepvit((64, 64, 3), dim=24, depth=2, apply_transform=(False, True))
        >>> vitgraph.attention(deepvit).output["block_1_attn"].shape
        (None, 12, 17, 17)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    t = DeepTransformer(
        dim=dim, num_heads=num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, head_dim=head_dim, act=act,
        norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate, qk_scale=qk_scale,
        transform_scale=transform_scale,
    )  # fmt: skip
    transforms = (apply_transform,) * depth if isinstance(apply_transform, bool) else apply_transform
    c.require(len(transforms) == depth, "apply_transform", f"one value, or {depth}, one per block")
    patch, grid = patch_grid(border, patch_size, img_size)
    even = stem_dim is None or all(n % 2 == 0 for n in patch)
    c.require(even, "patch_size", "even numbers with a stem")

    image = border.image
    patches = _stem_embed(image, patch, stem_dim, dim) if stem_dim else patch_embed(image, patch, dim)
    grid = patches.shape[1:3] if is_static(*patches.shape[1:3]) else grid
    x = blocks.PrependTokens(name="cls_token")(blocks.ToTokens(name="tokens")(patches))
    x = blocks.PositionTable(grid, 1, name="pos_embed")(x, patches)
    x = w.dropout(x, pos_drop_rate, "pos_drop")
    parts = [dataclasses.replace(t, transform=on, scale_adjustment=scale_adjustment) for on in transforms]
    x = transformer_blocks(x, parts, pre_norm_block, w.drop_path_rates(drop_path_rate, depth), patch, 1)
    return border.end_plain(x, patches, t, global_pool, drop_rate=drop_rate)


def _stem_embed(x, patch, stem_dim, dim):
    """Image -> map of patches (B, H / p, W / q, dim), through convolutions that halve it first."""
    if not is_static(*x.shape[1:3]):
        x = w.pad_to_patch(x, patch)
    x = w.activation(w.conv_norm(x, stem_dim, 7, 2, "patch_embed_conv1", padding=3), "relu", "patch_embed_act1")
    x = w.activation(w.conv_norm(x, stem_dim, 3, 1, "patch_embed_conv2", padding=1), "relu", "patch_embed_act2")
    half = tuple(n // 2 for n in patch)
    return w.conv(x, dim, half, half, "patch_embed")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeepTransformer(Transformer):
    """The parts of a block whose branches see a multiple of x, and whose attention may be re-attention."""

    transform: bool = False
    transform_scale: bool = False
    scale_adjustment: float = 1.0

    def norm(self, x, name):
        """norm(a x), which is norm(x) with an epsilon 1 / a^2 times as large."""
        return w.layer_norm(x, self.norm_eps / self.scale_adjustment**2, name)

    def residual(self, x, branch, drop_path, name):
        if self.scale_adjustment != 1:
            branch = layers.Rescaling(1 / self.scale_adjustment, name=f"{name}_scale")(branch)
        return super().residual(x, branch, drop_path, name)

    def attend(self, qkv, name):
        """Plain attention, or maps that are mixed and normed before they meet the values."""
        if not self.transform:
            return super().attend(qkv, name)
        softmax = blocks.SelfAttention(self.num_heads, self.qk_scale, name=f"{name}_core")
        maps = blocks.AttentionMap(softmax, name=f"{name}_softmax")([qkv])
        maps = w.dropout(maps, self.attn_drop_rate, f"{name}_drop")
        mixture = blocks.HeadMixture(self.num_heads, name=f"{name}_reatten_matrix")(qkv)
        maps = blocks.MixHeads(name=f"{name}_mixed")(maps, mixture)
        maps = w.batch_norm(maps, f"{name}_var_norm", axis=1)
        scale = self.qk_scale or (self.attn_dim // self.num_heads) ** -0.5
        return blocks.MapAttention(self.num_heads, scale if self.transform_scale else None, name=name)(qkv, maps)
