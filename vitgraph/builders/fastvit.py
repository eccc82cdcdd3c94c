"""FastViT: branches that become one convolution each once they are trained, and attention on the smallest map.

Paper: Vasu et al., "FastViT: A Fast Hybrid Vision Transformer using Structural Reparameterization", arXiv:2303.14189.
MobileCLIP's image towers (MCi: arXiv:2311.17049, arXiv:2508.20691) are FastViTs too.
Official code: github.com/apple/ml-fastvit, models/fastvit.py; checkpoints there and in timm.

    image (H, W, 3)
      stem      3x3/2, depthwise 3x3/2, 1x1 branches             (H/4,  W/4,  dims[0])
      stage 1   blocks                                           (H/4,  W/4,  dims[0])
      stage 2   depthwise 7x7/2 and 3x3/2, 1x1 branches, blocks  (H/8,  W/8,  dims[1])
      stage 3   likewise                                         (H/16, W/16, dims[2])
      stage 4   likewise, with position encoding                 (H/32, W/32, dims[3])
      depthwise 3x3 branches, squeeze-excitation                 (H/32, W/32, 2 dims[3])
      mean, head

    branches: the sum of a convolution, one of single positions, and the map itself, each with a batch norm.
    block:    x + gamma (branches(x) - norm(x)), or x + attention(norm(x));
              x + mlp(x), with a depthwise 7x7 convolution and a batch norm before its linear layers.
    position encoding: x + depthwise 7x7 convolution of x.

`vitgraph.reparameterize` makes one convolution of each sum, of the mixing of positions and of the position encoding.
Any input size, also an open one.
"""

from typing import Literal

import keras
from keras import layers

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.initializers import InitialWeights, normal
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.branches import branches, depthwise_norm, large_kernel, mixer
from vitgraph.wiring.mobile_stages import multiple_of_8

_T = {"mlp_ratios": (3, 3, 3, 3)}
_SA = {
    "token_mixers": ("repmixer", "repmixer", "repmixer", "attention"),
    "pos_kernel_sizes": (None, None, None, 7),
}
_MCI = {**_T, **_SA, "embed_se": (False, False, True, True), "embed_act": True}
_FIVE = {
    "mlp_ratios": (4, 4, 4, 4, 4),
    "token_mixers": ("repmixer", "repmixer", "repmixer", "attention", "attention"),
    "pos_kernel_sizes": (None, None, None, 7, 7),
    "embed_se": (False,) * 5,
    "embed_act": True,
    "downsamples": (False, True, True, True, True),
    "stem_scale": False,
    "attn_norm": "layer",
}
VARIANTS: dict = {  # table 2 of FastViT's paper, table 8 of MobileCLIP's; the last two are MobileCLIP2's
    "fastvit_t8": {"dims": (48, 96, 192, 384), "depths": (2, 2, 4, 2), **_T},
    "fastvit_t12": {**_T},
    "fastvit_s12": {},
    "fastvit_sa12": {**_SA},
    "fastvit_sa24": {"depths": (4, 4, 12, 4), **_SA},
    "fastvit_sa36": {"depths": (6, 6, 18, 6), **_SA},
    "fastvit_ma36": {"dims": (76, 152, 304, 608), "depths": (6, 6, 18, 6), **_SA},
    "fastvit_mci0": {"depths": (2, 6, 10, 2), **_MCI},
    "fastvit_mci1": {"depths": (4, 12, 20, 4), **_MCI},
    "fastvit_mci2": {"dims": (80, 160, 320, 640), "depths": (4, 12, 24, 4), **_MCI},
    "fastvit_mci3": {"dims": (96, 192, 384, 768, 1536), "depths": (2, 12, 24, 4, 2), **_FIVE},
    "fastvit_mci4": {"dims": (128, 256, 512, 1024, 2048), "depths": (2, 12, 24, 4, 4), **_FIVE},
}


_INITIAL = InitialWeights(special={r".*_mlp_conv/kernel": normal(0.02)})


@c.builder(initial=_INITIAL)
def build_fastvit(
    input_shape: c.Image = (256, 256, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    dims: c.PerStage[c.Width] = (64, 128, 256, 512),
    depths: c.PerStage[c.Depth] = (2, 2, 6, 2),
    token_mixers: c.PerStage[Literal["repmixer", "attention"]] = ("repmixer", "repmixer", "repmixer", "repmixer"),
    mlp_ratios: c.PerStage[c.Ratio] = (4, 4, 4, 4),
    downsamples: c.PerStage[bool] = (False, True, True, True),
    embed_kernel_size: c.OddKernel = 7,
    embed_se: c.PerStage[bool] = (False, False, False, False),
    embed_act: bool = False,
    pos_kernel_sizes: c.PerStage[c.OddKernel | None] = (None, None, None, None),
    stem_scale: bool = True,
    mixer_kernel_size: c.OddKernel = 3,
    last_ratio: c.Ratio = 2.0,
    head_dim: c.Width = 32,
    qkv_bias: bool = False,
    act: c.Act = "gelu",
    attn_norm: Literal["batch", "layer"] = "batch",
    norm_eps: c.Epsilon = 1e-5,
    init_values: c.Scale | None = 1e-5,
    drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "fastvit",
) -> keras.Model:
    """Builds a FastViT (arXiv:2303.14189): image (B, H, W, C) -> scores (B, num_classes).

    Args:
        token_mixers: what mixes positions in the blocks of each stage: branches of convolutions, or attention.
        downsamples: whether each stage begins with an embedding, which halves the map; one that changes the width does.
        embed_kernel_size: side of the larger kernels of embeddings, at least 3.
        embed_se: whether each stage's embedding has squeeze-excitation.
        embed_act: whether embeddings have an activation before their 1x1 convolution too.
        pos_kernel_sizes: side of the kernel of each stage's position encoding; None: it has none.
        stem_scale: whether the stem has the branches of single positions.
        mixer_kernel_size: side of the kernels that mix positions in place of attention.
        last_ratio: widening by the last convolution, an integer multiple.
        act: activation of stem, embeddings, feed-forward layers and of the last convolution.
        attn_norm: norm before attention.
        norm_eps: epsilon of the norm before attention; other batch norms have 1e-5.
        proj_drop_rate: dropout within and after feed-forward layers.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5", each stage's map before the last convolution; the last map is
        (B, ceil(H / 32), ceil(W / 32), last_ratio dims[-1]).

    Example:
        >>> backbone = vitgraph.create("fastvit_t8", input_shape=(64, 96, 3), include_top=False)
        >>> backbone.output_shape
        (None, 2, 3, 768)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    before = [dims[0], *dims[:-1]]
    embeds = [flag or a != b for flag, a, b in zip(downsamples, before, dims, strict=True)]
    whole = all(b % a == 0 for embed, a, b in zip(embeds, before, dims, strict=True) if embed)
    c.require(whole, "dims", "widths that are multiples of the one before")
    last_dim = int(dims[-1] * last_ratio)
    c.require(last_dim and last_dim % dims[-1] == 0, "last_ratio", "a whole number of times the width")
    c.require(embed_kernel_size >= 3, "embed_kernel_size", "at least 3")
    attended = [dim for dim, kind in zip(dims, token_mixers, strict=True) if kind == "attention"]
    good = all(dim % head_dim == 0 for dim in attended)
    c.require(good, "head_dim", f"a divisor of the widths with attention, here {attended}")
    c.has_hidden(dims, mlp_ratios, "mlp_ratios")
    c.at_least(4 * 2 ** sum(embeds), border.shape)

    def norm(x, name):
        return w.batch_norm(x, name, norm_eps) if attn_norm == "batch" else w.layer_norm(x, norm_eps, name)

    x = w.activation(branches(border.image, dims[0], 3, 2, "stem_0", scale=stem_scale), act, "stem_0_act")
    x = w.activation(branches(x, dims[0], 3, 2, "stem_1", depthwise=True, scale=stem_scale), act, "stem_1_act")
    x = w.activation(branches(x, dims[0], 1, 1, "stem_2"), act, "stem_2_act")
    rates = iter(w.drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        stage = f"stage_{i + 1}"
        if embeds[i]:
            x = _embedding(x, dims[i], embed_kernel_size, embed_se[i], embed_act, act, f"{stage}_embed")
        if (kernel_size := pos_kernel_sizes[i]) is not None:
            y = blocks.DepthwiseConv2D(kernel_size, name=f"{stage}_pos_conv")(x)
            x = layers.Add(name=f"{stage}_pos")([x, y])
        for j in range(depth):
            block, drop_path = f"{stage}_block_{j}", next(rates)
            if token_mixers[i] == "attention":
                y = norm(x, f"{block}_norm1")
                y = w.dense(y, 3 * dims[i], f"{block}_attn_qkv", qkv_bias)
                y = blocks.SelfAttention(dims[i] // head_dim, name=f"{block}_attn")(y)
                y = w.dense(y, dims[i], f"{block}_attn_proj")
                x = blocks.Residual(init_values, drop_path, name=f"{block}_res1")(x, y)
            else:
                x = mixer(x, mixer_kernel_size, init_values, f"{block}_mixer")
            last = f"{block}_res2" if token_mixers[i] == "attention" else f"{block}_res"
            y = depthwise_norm(x, 7, 1, f"{block}_mlp_conv")
            y = w.mlp(y, int(dims[i] * mlp_ratios[i]), act, f"{block}_mlp", proj_drop_rate)
            x = blocks.Residual(init_values, drop_path, proj_drop_rate, name=last)(x, y)
        x = blocks.Stage(4 * 2 ** sum(embeds[: i + 1]), name=stage)(x)
    x = branches(x, last_dim, 3, 1, "last", depthwise=True)
    x = w.squeeze_excitation(x, max(int(x.shape[-1] / 16 + 0.5), 1), "last_se")
    return border.end(w.activation(x, act, "last_act"), drop_rate)


def _embedding(x, dim, kernel_size, se, first_act, act, name):
    """(B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), dim)."""
    x = large_kernel(x, dim, kernel_size, 2, f"{name}_0")
    if se:
        x = w.squeeze_excitation(x, multiple_of_8(dim / 4, least=0.0), f"{name}_se")
    if first_act:
        x = w.activation(x, act, f"{name}_0_act")
    return w.activation(branches(x, dim, 1, 1, f"{name}_1"), act, f"{name}_1_act")
