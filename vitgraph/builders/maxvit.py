"""MaxViT, CoAtNet and timm's forms of both: convolutions, and attention in windows, over grids or over whole maps.

Papers: Tu et al., "MaxViT: Multi-Axis Vision Transformer", arXiv:2204.01697; Dai et al., "CoAtNet: Marrying Convolution
and Attention for All Data Sizes", arXiv:2106.04803.
Official code: github.com/google-research/maxvit; checkpoints there and in timm, whose `maxxvit.py` has all the forms.

    image (H, W, 3)
      3x3/2 convolution, norm, 3x3 convolution      (H/2,  W/2,  stem_dims[1])
      stage 1   blocks, the first with step 2       (H/4,  W/4,  dims[0])
      stage 2   likewise                            (H/8,  W/8,  dims[1])
      stage 3   likewise                            (H/16, W/16, dims[2])
      stage 4   likewise                            (H/32, W/32, dims[3])
      norm, mean, head | mean, norm, linear layer, tanh, head

    block C: x + 1x1, depthwise 3x3, squeeze-excitation, 1x1 convolutions of norm(x); or ConvNeXt's block.
    block T: x + attention(norm(x)), among all positions; x + mlp(norm(x)).
    block M: C; x + attention(norm(x)) in windows, x + mlp(norm(x)); both again, over grids.
    block P: C twice; x + attentions in windows and over grids, side by side; x + mlp(norm(x)).

Any input size, also an open one: windows and grids are filled up with zeros, tables of biases for a whole map are
resampled, and what halves a map rounds up, where timm refuses sizes that don't fit. Windows are those of `window_size`
whatever the image; a variant's are 1/32 of the image that it was trained with.
"""

from typing import Annotated, Any, Literal

import keras

from vitgraph import blocks
from vitgraph import contract as c
from vitgraph.blocks.base import pair
from vitgraph.wiring import layers as w
from vitgraph.wiring.border import Border
from vitgraph.wiring.initial_weights import MAXVIT
from vitgraph.wiring.maxvit import AttentionBlock, ConvBlock

_Kinds = Annotated[
    str,
    c.Rule("letters of C, T, M and P, the last for all further blocks", lambda v: bool(v) and set(v) <= set("CTMP")),
]
_Pool = Literal["avg2", "max2", "max"]

# fmt: off
_TIMM: dict[str, Any] = {
    "stem_bias": False, "same_padding": False, "conv_norm_eps": 1e-5, "norm_eps": 1e-6, "act": "gelu",
    "heads_first": True,
}
_COAT: dict[str, Any] = {"block_types": ("C", "C", "T", "T")}
_CO = {**_TIMM, **_COAT, "conv_act": "gelu"}
_RW = {**_TIMM, "conv_act": "silu", "expand_output": False, "expand_first": False, "representation_size": None}
_CO_NANO = {**_RW, **_COAT}
_CO_RW = {**_CO_NANO, "output_bias": False, "pre_norm_act": True}
_EARLY = {**_CO_RW, "se_early": True, "se_act": "relu", "shortcut_bias": False}
_MLP = {"rel_pos": "mlp"}
_SCALE = {"init_values": 1e-6}
_MAX_RW = {**_RW, "output_bias": False, "se_ratio": 1 / 16}
_NEXT: dict[str, Any] = {
    **_TIMM, "conv": "convnext", "conv_act": "gelu", "conv_norm": "layer", "conv_norm_eps": 1e-6,
    "conv_init_values": 1e-6, "init_values": 1e-6, "expand_first": False, "representation_size": None,
}
_MAXX = {**_NEXT, **_MLP}
_MAXX2 = {**_NEXT, "window_attn": False}

_NETS: tuple = (  # names without the side, sides, stem, first width, depths, arguments besides these
    ("coatnet_0", "224", (64, 64), 96, (2, 3, 5, 2), {**_CO, "representation_size": 768}),
    ("coatnet_1", "224", (64, 64), 96, (2, 6, 14, 2), {**_CO, "representation_size": 768}),
    ("coatnet_2", "224", (128, 128), 128, (2, 6, 14, 2), {**_CO, "representation_size": 1024}),
    ("coatnet_3", "224", (192, 192), 192, (2, 6, 14, 2), {**_CO, "representation_size": 1536}),
    ("coatnet_4", "224", (192, 192), 192, (2, 12, 28, 2), {**_CO, "representation_size": 1536}),
    ("coatnet_5", "224", (192, 192), 256, (2, 12, 28, 2),
     {**_CO, "dims": (256, 512, 1280, 2048), "representation_size": 2048}),
    ("coatnet_pico_rw", "224", (32, 64), 64, (2, 3, 5, 2), _CO_NANO),
    ("coatnet_nano_rw", "224", (32, 64), 64, (3, 4, 6, 3), {**_CO_NANO, "stride_mode": "pool"}),
    ("coatnet_nano_cc", "224", (32, 64), 64, (3, 4, 6, 3),
     {**_CO_RW, "block_types": ("C", "C", "CT", "CT"), "stride_mode": "pool", "se_act": "relu"}),
    ("coatnet_0_rw", "224", (32, 64), 96, (2, 3, 7, 2), {**_EARLY, "stride_mode": "pool"}),
    ("coatnet_bn_0_rw", "224", (32, 64), 96, (2, 3, 7, 2), {**_EARLY, "attn_norm": "batch"}),
    ("coatnet_1_rw", "224", (32, 64), 96, (2, 6, 14, 2), _EARLY),
    ("coatnet_2_rw", "224", (64, 128), 128, (2, 6, 14, 2), _CO_RW),
    ("coatnet_3_rw", "224", (96, 192), 192, (2, 6, 14, 2), {**_CO_RW, **_SCALE}),
    ("coatnet_rmlp_nano_rw", "224", (32, 64), 64, (3, 4, 6, 3), {**_CO_NANO, **_MLP, "rel_pos_dim": 384}),
    ("coatnet_rmlp_0_rw", "224", (32, 64), 96, (2, 3, 7, 2), {**_CO_RW, **_MLP, "se_act": "relu"}),
    ("coatnet_rmlp_1_rw", "224", (32, 64), 96, (2, 6, 14, 2),
     {**_EARLY, **_MLP, "rel_pos_dim": 384, "pool_type": "max", "attn_pool_type": "max", "stride_mode": "pool"}),
    ("coatnet_rmlp_1_rw2", "224", (32, 64), 96, (2, 6, 14, 2), {**_CO_RW, **_MLP, "se_act": "relu"}),
    ("coatnet_rmlp_2_rw", "224 384", (64, 128), 128, (2, 6, 14, 2), {**_CO_RW, **_MLP, **_SCALE}),
    ("coatnet_rmlp_3_rw", "224", (96, 192), 192, (2, 6, 14, 2), {**_CO_RW, **_MLP, **_SCALE}),
    ("coatnext_nano_rw", "224", (32, 64), 64, (3, 4, 6, 3),
     {**_NEXT, **_COAT, "conv_init_values": 1e-5, "init_values": None}),
    ("maxvit_tiny_tf", "224 384 512", (64, 64), 64, (2, 2, 5, 2), {}),
    ("maxvit_small_tf", "224 384 512", (64, 64), 96, (2, 2, 5, 2), {"representation_size": 768}),
    ("maxvit_base_tf", "224 384 512", (64, 64), 96, (2, 6, 14, 2), {"representation_size": 768}),
    ("maxvit_large_tf", "224 384 512", (128, 128), 128, (2, 6, 14, 2), {"representation_size": 1024}),
    ("maxvit_xlarge_tf", "224 384 512", (192, 192), 192, (2, 6, 14, 2), {"representation_size": 1536}),
    ("maxvit_pico_rw", "256", (24, 32), 32, (2, 2, 5, 2), _MAX_RW),
    ("maxvit_nano_rw", "256", (32, 64), 64, (1, 2, 3, 1), _MAX_RW),
    ("maxvit_tiny_rw", "224 256", (32, 64), 64, (2, 2, 5, 2), _MAX_RW),
    ("maxvit_tiny_pm", "256", (32, 64), 64, (2, 2, 5, 2), {**_MAX_RW, "block_types": ("P", "P", "P", "P")}),
    ("maxvit_rmlp_pico_rw", "256", (24, 32), 32, (2, 2, 5, 2), {**_MAX_RW, **_MLP}),
    ("maxvit_rmlp_nano_rw", "256", (32, 64), 64, (1, 2, 3, 1), {**_MAX_RW, **_MLP}),
    ("maxvit_rmlp_tiny_rw", "256", (32, 64), 64, (2, 2, 5, 2), {**_MAX_RW, **_MLP}),
    ("maxvit_rmlp_small_rw", "224 256", (32, 64), 96, (2, 2, 5, 2), {**_MAX_RW, **_MLP, **_SCALE}),
    ("maxvit_rmlp_base_rw", "224 384", (32, 64), 96, (2, 6, 14, 2),
     {**_MAX_RW, **_MLP, "representation_size": 768}),
    ("maxxvit_rmlp_nano_rw", "256", (32, 64), 64, (1, 2, 3, 1), _MAXX),
    ("maxxvit_rmlp_tiny_rw", "256", (32, 64), 64, (2, 2, 5, 2), _MAXX),
    ("maxxvit_rmlp_small_rw", "256", (48, 96), 96, (2, 2, 5, 2), _MAXX),
    ("maxxvitv2_nano_rw", "256", (48, 96), 96, (1, 2, 3, 1), _MAXX2),
    ("maxxvitv2_rmlp_base_rw", "224 384", (64, 128), 128, (2, 6, 12, 2), {**_MAXX2, **_MLP}),
    ("maxxvitv2_rmlp_large_rw", "224", (80, 160), 160, (2, 6, 16, 2),
     {**_MAXX2, **_MLP, "representation_size": 1280}),
)
# fmt: on


def _row(side, stem, width, depths, arguments):
    """The arguments of `build_maxvit` of one net."""
    row = {"stem_dims": stem, "dims": tuple(width * 2**i for i in range(4)), "depths": depths, **arguments}
    return row if side == 224 else {"input_shape": (side, side, 3), "img_size": (side, side), **row}


VARIANTS = {  # timm's
    f"{name}_{side}": _row(int(side), *numbers) for name, sides, *numbers in _NETS for side in sides.split()
}


@c.builder(initial=MAXVIT)
def build_maxvit(
    input_shape: c.Image = (224, 224, 3),
    *,
    include_top: bool = True,
    num_classes: c.Count = 1000,
    classifier_activation: c.Activation | None = "softmax",
    pooling: c.Pooling = None,
    input_tensor: c.ImageTensor | None = None,
    stem_dims: tuple[c.Width, c.Width] = (64, 64),
    stem_bias: bool = True,
    dims: c.PerStage[c.Width] = (64, 128, 256, 512),
    depths: c.PerStage[c.Depth] = (2, 2, 5, 2),
    block_types: c.PerStage[_Kinds] = ("M", "M", "M", "M"),
    conv: Literal["mbconv", "convnext"] = "mbconv",
    expand_ratio: c.Ratio = 4.0,
    expand_output: bool = True,
    kernel_size: c.OddKernel = 3,
    pre_norm_act: bool = False,
    output_bias: bool = True,
    stride_mode: Literal["dw", "pool", "1x1"] = "dw",
    pool_type: _Pool = "avg2",
    down_pool_type: _Pool = "avg2",
    same_padding: bool = True,
    se_early: bool = False,
    se_act: c.Act = "silu",
    se_ratio: c.Ratio = 0.25,
    conv_act: c.Act = "gelu_tanh",
    conv_norm: Literal["batch", "layer"] = "batch",
    conv_norm_eps: c.Epsilon = 1e-3,
    conv_init_values: c.Scale | None = None,
    head_dim: c.Width = 32,
    heads_first: bool = False,
    expand_first: bool = True,
    shortcut_bias: bool = True,
    qkv_bias: bool = True,
    attn_pool_type: _Pool = "avg2",
    rel_pos: Literal["bias", "mlp"] | None = "bias",
    rel_pos_dim: c.Width = 512,
    window_size: c.Window | tuple[c.Window, c.Window] | None = None,
    grid_size: c.Window | tuple[c.Window, c.Window] | None = None,
    window_attn: bool = True,
    mlp_ratio: c.Ratio = 4.0,
    act: c.Act = "gelu_tanh",
    attn_norm: Literal["layer", "batch"] = "layer",
    norm_eps: c.Epsilon = 1e-5,
    init_values: c.Scale | None = None,
    representation_size: c.Width | None = 512,
    img_size: c.ImageSize = (224, 224),
    drop_rate: c.Rate = 0.0,
    proj_drop_rate: c.Rate = 0.0,
    attn_drop_rate: c.Rate = 0.0,
    drop_path_rate: c.Rate = 0.0,
    dtype: c.DType | None = None,
    name: c.Name = "maxvit",
) -> keras.Model:
    """Builds a MaxViT (arXiv:2204.01697) or a CoAtNet (arXiv:2106.04803): image (B, H, W, C) -> (B, num_classes).

    Args:
        stem_dims: widths of the two convolutions of the stem.
        stem_bias: whether they have biases.
        block_types: kinds of each stage's blocks, by the letters of this file's docstring: "CT" is a C, then T only.
        conv: kind of the convolution blocks.
        expand_ratio: widening inside of them.
        expand_output: whether it counts from the width of the block's output, else from its input's.
        kernel_size: side of the depthwise kernels of "mbconv"; those of "convnext" have 7.
        pre_norm_act: whether the norm at the beginning of "mbconv" is followed by an activation.
        output_bias: whether a convolution block's last layer, and its shortcut, have biases.
        stride_mode: what halves a map in "mbconv": the depthwise convolution, pooling before the first, or the first.
        pool_type: pooling of shortcuts: means or maxima of 2 x 2 positions, or maxima of 3 x 3.
        down_pool_type: pooling with stride_mode="pool".
        same_padding: whether convolutions are padded as by TensorFlow, else on all sides alike.
        se_early: whether squeeze-excitation comes before the norm after the depthwise convolution.
        se_act: its activation.
        se_ratio: its width, relative to the width that `expand_output` says, widened if that is the input's.
        conv_act: activation of stem and convolution blocks.
        conv_norm: their norms.
        conv_norm_eps: epsilon of these.
        conv_init_values: initial layer scale of "convnext"; None: no layer scale.
        head_dim: width of one attention head.
        heads_first: whether queries, keys and values of M and P come head by head; those of T always do.
        expand_first: whether the first T of a stage widens in the projection to queries, keys and values, else after.
        shortcut_bias: whether its shortcut has a bias.
        attn_pool_type: pooling of the first T of a stage.
        rel_pos: biases by relative position: "bias", from a table; "mlp", from a small network; None: there are none.
        rel_pos_dim: hidden width of that network.
        window_size: side of the windows, or (rows, columns); None: 1/32 of the image, or of `img_size`.
        grid_size: side of the grids, or (rows, columns); None: that of the windows.
        window_attn: False: M has attention over grids only.
        attn_norm: norms of T, and the last norm; those of M and P are layer norms.
        norm_eps: epsilon of the norms of attention blocks, and of the last norm.
        init_values: initial layer scale of attention blocks; None: no layer scale.
        representation_size: width of a hidden layer before the head, after the last norm; None: the norm is before
            pooling, and there is no hidden layer.

    Returns:
        A `keras.Model` with pyramid levels "P2" to "P5"; the last map is (B, ceil(H / 32), ceil(W / 32), dims[-1]).

    Example:
        >>> coatnet = vitgraph.create("coatnet_0_rw_224", depths=(1, 1, 1, 1), include_top=False)
        >>> coatnet.output_shape
        (None, 7, 7, 768)
    """
    border = Border(input_shape, include_top, num_classes, classifier_activation, pooling, input_tensor, name)
    planned = border.planned(img_size)
    window: Any = pair(window_size) if window_size else tuple(max(n // 32, 1) for n in planned)
    grids: Any = pair(grid_size) if grid_size else window
    convolution = ConvBlock(
        kind=conv, expand_ratio=expand_ratio, expand_output=expand_output, kernel_size=kernel_size,
        pre_norm_act=pre_norm_act, output_bias=output_bias, stride_mode=stride_mode, pool_type=pool_type,
        down_pool_type=down_pool_type, same_padding=same_padding, se_early=se_early, se_act=se_act, se_ratio=se_ratio,
        init_values=conv_init_values, act=conv_act, norm=conv_norm, norm_eps=conv_norm_eps,
    )  # fmt: skip
    attention = AttentionBlock(
        head_dim=head_dim, heads_first=heads_first, expand_first=expand_first, shortcut_bias=shortcut_bias,
        qkv_bias=qkv_bias, pool_type=attn_pool_type, rel_pos=rel_pos, rel_pos_dim=rel_pos_dim, window_size=window,
        grid_size=grids, mlp_ratio=mlp_ratio, act=act, init_values=init_values,
        norm=attn_norm, norm_eps=norm_eps, proj_drop_rate=proj_drop_rate, attn_drop_rate=attn_drop_rate,
    )  # fmt: skip
    convolution.check([stem_dims[1], *dims], block_types)
    attention.check([stem_dims[1], *dims], block_types)
    c.at_least(2 ** (len(dims) + 1), border.shape)
    c.at_least(2 ** (len(dims) + 1), planned, "img_size")

    x = convolution.padded_conv(border.image, stem_dims[0], 3, 2, "stem_conv1", stem_bias)
    x = convolution.padded_conv(convolution.normed(x, "stem_norm1"), stem_dims[1], 3, 1, "stem_conv2", stem_bias)
    rates = iter(w.drop_path_rates(drop_path_rate, sum(depths)))
    for i, depth in enumerate(depths):
        grid = [-(-n // 2 ** (i + 2)) for n in planned]
        for j in range(depth):
            block, stride, drop_path = f"stage_{i + 1}_block_{j}", 2 if j == 0 else 1, next(rates)
            kind = block_types[i][min(j, len(block_types[i]) - 1)]
            if kind == "T":
                x = attention.of_map(x, dims[i], stride, grid, drop_path, block)
            elif kind == "C":
                x = convolution(x, dims[i], stride, drop_path, block)
            elif kind == "M":
                x = convolution(x, dims[i], stride, drop_path, f"{block}_conv")
                x = attention.of_part(x, "window", drop_path, f"{block}_window") if window_attn else x
                x = attention.of_part(x, "grid", drop_path, f"{block}_grid")
            else:
                x = convolution(x, dims[i], stride, drop_path, f"{block}_conv_0")
                x = convolution(x, dims[i], 1, drop_path, f"{block}_conv_1")
                x = attention.of_both(x, drop_path, f"{block}_both")
        x = blocks.Stage(2 ** (i + 2), name=f"stage_{i + 1}")(x)
    if representation_size is None:
        return border.end(attention.map_norm(x, "norm"), drop_rate)

    def hidden(x):
        x = attention.map_norm(x, "fc_norm")
        return w.activation(w.dense(x, representation_size, "head_rep"), "tanh", "head_rep_act") if include_top else x

    return border.end(x, drop_rate, hidden)
