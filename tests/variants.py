"""Tiny instances of every builder: the rows to which the tests put their questions."""

import functools
import inspect
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

import vitgraph
from vitgraph import registry
from vitgraph.builders import efficient_vit, vit

CLASSES = 5


class Tiny(NamedTuple):
    """A builder and the arguments that make a net of it in which every mechanism runs, in no time."""

    builder: Callable
    arguments: dict
    tied: str = ""
    """Why its weights hold for one image size only; empty: they don't."""
    border: int = 0
    """Pixels of the image that overlapping patches without padding leave over."""
    mixed: str = ""
    """Why what its attention multiplies with the values isn't probabilities; empty: it is."""
    discrete: str = ""
    """Why a rounding may change its answer by more than a rounding; empty: it can't."""
    inert: str = r"(?!)"
    """Pattern of the variables that the scores in training don't depend on; the row says why."""
    rounding: float = 1e-6
    """The most that rounding alone makes of a gradient that is 0; larger only where the row says why."""

    def build(self, input_shape=(64, 64, 3), **overrides):
        """Gives logits unless told otherwise."""
        border = {"num_classes": CLASSES, "classifier_activation": None}
        return self.builder(input_shape, **{**border, **self.arguments, **overrides})

    def build_open(self, **overrides):
        """For images of any size, with tables for the usual one."""
        has_tables = "img_size" in inspect.signature(self.builder).parameters and "window_sizes" not in self.arguments
        planned = {"img_size": (64, 64)} if has_tables else {}
        return self.build((None, None, 3), **planned, **overrides)


def nystrom_then_performer(dim, num_heads, name):
    """Nystroem's attention in the first block, random features in the others."""
    if name.startswith("block_0"):
        return efficient_vit.nystrom_attention(dim, num_heads, name, num_landmarks=4, kernel_size=5)
    return efficient_vit.performer_attention(dim, num_heads, name)


TINY = {
    "vit": Tiny(vitgraph.build_vit, {"patch_size": 16, "dim": 16, "depth": 2, "num_heads": 2}),
    "vit_modern": Tiny(
        vitgraph.build_vit,
        {
            "patch_size": 16, "dim": 16, "depth": 2, "num_heads": 2, "num_reg_tokens": 2, "no_embed_class": True,
            "block": vit.parallel_scaling_block, "qk_norm": True, "rms_norm": True, "act": "silu", "gated_mlp": True,
            "init_values": 0.1, "global_pool": "map",
        },
    ),
    "localvit": Tiny(
        vitgraph.build_localvit,
        {"patch_size": 16, "dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 2, "reduction": 4},
        inert=r"block_1_mlp_.*/(kernel|bias|gamma|beta)",  # the class token passes by the last feed-forward layer
    ),
    "localvit_pvt": Tiny(
        vitgraph.build_localvit_pvt,
        {
            "patch_sizes": (4, 2), "dims": (8, 16), "depths": (1, 2), "num_heads": (1, 2), "mlp_ratios": (2, 2),
            "sr_ratios": (2, 1), "channel_attention": "ecah", "depthwise": "first", "act": "relu6",
            "class_token": False,
        },
    ),
    "pvt": Tiny(
        vitgraph.build_pvt,
        {
            "patch_sizes": (4, 2), "dims": (8, 16), "depths": (1, 2), "num_heads": (1, 2), "mlp_ratios": (2, 2),
            "sr_ratios": (2, 1),
        },
    ),
    "pvt_v2": Tiny(
        vitgraph.build_pvt_v2,
        {
            "dims": (8, 16, 24), "depths": (1, 1, 1), "num_heads": (1, 2, 3), "mlp_ratios": (2, 2, 2),
            "sr_ratios": (4, 2, 1),
        },
    ),
    "pvt_v2_linear": Tiny(
        vitgraph.build_pvt_v2,
        {
            "dims": (8, 16), "depths": (1, 1), "num_heads": (1, 2), "mlp_ratios": (2, 2), "sr_ratios": (2, 1),
            "linear": True,
        },
    ),
    "swin": Tiny(
        vitgraph.build_swin, {"dim": 8, "depths": (2, 2), "num_heads": (2, 4), "window_sizes": 4, "mlp_ratios": (2, 2)}
    ),
    "cvt": Tiny(
        vitgraph.build_cvt,
        {
            "dims": (8, 16), "depths": (1, 2), "num_heads": (1, 2), "mlp_ratios": (2, 2), "class_token": (False, True),
            "qkv_method": ("avg", "dw_bn"), "kernel_sizes": (7, 3), "strides": (4, 2), "paddings": (2, 1),
        },
        # Softmax ignores what is added to all keys alike; of the last queries only the class token's counts, which is
        # not convolved.
        inert=r".*_attn_k/bias|stage_2_block_1_attn_q_conv(/kernel|_norm/gamma|_norm/beta)",
    ),
    "levit": Tiny(
        vitgraph.build_levit,
        {
            "stem_stride": 8, "dims": (8, 12), "depths": (1, 1), "num_heads": (1, 2), "key_dim": 4,
            "attn_ratios": (2, 2), "mlp_ratios": (2, 2), "distilled": True,
        },
        tied="the biases of attention are tables of the offsets on one grid",
        # All that reads the stream is linear and then normed over the batch, which takes away what is added to it all.
        inert=r"(stem_conv3|.*_attn_proj|.*_mlp_fc2)_norm/beta",
    ),
    "crossformer": Tiny(
        vitgraph.build_crossformer,
        {
            "kernel_sizes": ((4, 8), (2, 4)), "strides": (4, 2), "dims": (96, 96), "depths": (2, 1),
            "num_heads": (2, 4), "mlp_ratios": (1, 1), "group_sizes": (3, 4), "intervals": (2, 2), "cooling": True,
        },
        inert=r".*_attn_pos3_fc/bias",
    ),
    "twins_pcpvt": Tiny(
        vitgraph.build_twins_pcpvt,
        {
            "patch_sizes": (4, 2), "dims": (8, 16), "depths": (2, 1), "num_heads": (1, 2), "mlp_ratios": (2, 2),
            "sr_ratios": (2, 1),
        },
    ),
    "twins_svt": Tiny(
        vitgraph.build_twins_svt,
        {
            "patch_sizes": (4, 2), "dims": (8, 16), "depths": (2, 2), "num_heads": (1, 2), "mlp_ratios": (2, 2),
            "window_sizes": (5, 4), "sr_ratios": (2, 1),
        },
    ),
    "scalablevit": Tiny(
        vitgraph.build_scalablevit,
        {
            "dims": (8, 16), "depths": (2, 2), "num_heads": (1, 2), "mlp_ratios": (2, 2), "window_sizes": (4, None),
            "sr_ratios": (2, 1), "c_ratios": (1.25, 1.25), "representation_size": 32,
        },
    ),
    "regionvit": Tiny(
        vitgraph.build_regionvit,
        {
            "dims": (8, 16), "depths": (1, 2), "num_heads": (1, 2), "mlp_ratios": (2, 2), "window_sizes": 3,
            "strides": (1, 2), "peg": True,
        },
        inert="stage_2_block_1_attn_bias/table",
    ),
    "mobilevit": Tiny(
        vitgraph.build_mobilevit,
        {
            "stem_dim": 8, "dims": (8, 16, 16, 16), "depths": (1, 2, 1, 1), "strides": (2, 2, 2, 2),
            "expansions": (2, 2, 2, 2), "attn_dims": (8, 16), "attn_depths": (1, 1), "num_heads": (2, 4),
            "mlp_ratios": (2, 2), "last_dim": 24,
        },
        # What a 1x1 convolution reads is normed over the batch next, which takes away what is added to it all.
        inert=r"(stage_[12]_block_\d_conv3_1x1|.*_layer_\d)_norm/beta",
    ),
    "mobilevit_v2": Tiny(  # to stride 16, where maps of the tests' sizes need no resize that they would keep
        vitgraph.build_mobilevit_v2,
        {
            "stem_dim": 8, "dims": (8, 16, 16), "depths": (1, 2, 1), "strides": (2, 2, 2), "expansions": (2, 2, 2),
            "attn_dims": (8, 16), "attn_depths": (1, 2), "mlp_ratios": (2, 2),
        },
        inert=r"(stage_1_block_0_conv3_1x1|stage_2_block_2_conv_proj|.*_layer_\d)_norm/beta",  # as in MobileViT
    ),
    "nest": Tiny(
        vitgraph.build_nest,
        {"patch_size": 8, "dims": (8, 16), "depths": (1, 2), "num_heads": (2, 4), "mlp_ratios": (2, 2)},
        tied="a table holds the position of every token of every block",
    ),
    "patch_merger_vit": Tiny(
        vitgraph.build_patch_merger_vit,
        {"dim": 16, "depth": 3, "num_heads": 2, "patch_merge_layer": 2, "num_merged_tokens": 3},
    ),
    "pit": Tiny(
        vitgraph.build_pit,
        {
            "patch_size": 16, "stride": 8, "dims": (8, 16, 32), "depths": (1, 1, 2), "num_heads": (1, 2, 4),
            "mlp_ratios": (2, 2, 2), "distilled": True,
        },
        border=8,
    ),
    "swin_v2": Tiny(
        vitgraph.build_swin_v2,
        {
            "dim": 8, "depths": (2, 1), "num_heads": (2, 4), "window_sizes": 4, "mlp_ratios": (2, 2),
            "pretrained_window_sizes": (0, 6),
        },
    ),
    "beit": Tiny(
        vitgraph.build_beit,
        {"dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 2, "pos_embed": "learn", "rel_pos_bias": "both"},
    ),
    "deit": Tiny(vitgraph.build_deit, {"dim": 16, "depth": 2, "num_heads": 2, "distilled": True}),
    "cait": Tiny(
        vitgraph.build_cait,
        {"dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio_token_only": 2, "init_values": 0.1},
        mixed="heads are mixed after the softmax",
        inert=r".*_attn_proj_l/bias",  # it adds the same to all scores of a query, which the softmax ignores
    ),
    "ats_vit": Tiny(
        vitgraph.build_ats_vit,
        {
            "dim": 16, "depth": 4, "num_heads": 2, "ats_blocks": (1, 3), "num_tokens": (12, 8),
            "representation_size": 8,
        },
        discrete="a rounding may change which tokens stay",
    ),
    "cct": Tiny(
        vitgraph.build_cct,
        {"kernel_size": 3, "padding": 1, "stem_dim": 8, "dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 2},
        inert="attn_pool/bias",
    ),
    "vit_lite": Tiny(
        vitgraph.build_vit_lite,
        {"patch_size": 16, "dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 2, "pos_embed": "sine"},
    ),
    "crossvit": Tiny(
        vitgraph.build_crossvit,
        {
            "img_scales": (1.0, 0.75), "patch_sizes": (8, 12), "dims": (8, 16), "depths": ((1, 2, 1),),
            "num_heads": (2, 4), "mlp_ratios": (2, 2),
        },
    ),
    "t2t_vit": Tiny(  # what reaches the first norm by the class token alone is too little to change a scale of 1
        vitgraph.build_t2t_vit,
        {
            "tokens_type": "transformer", "token_dim": 8, "dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 2,
            "global_pool": "avg",
        },
        inert="pos_embed/table",  # it is never trained
    ),
    "t2t_vit_performer": Tiny(
        vitgraph.build_t2t_vit,
        {"token_dim": 8, "dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 2, "global_pool": "avg"},
        inert="pos_embed/table|.*_attn/vectors",  # nor are these
    ),
    "deepvit": Tiny(
        vitgraph.build_deepvit,
        {
            "stem_dim": 8, "dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 2, "apply_transform": (False, True),
            "transform_scale": True, "scale_adjustment": 0.5,
        },
        mixed="heads are mixed and normed after the softmax",
        inert=r".*_attn_reatten_matrix/bias",  # the norm takes away what is added to a whole map
        rounding=1e-3,  # a map's numbers differ by about 0.01, and the norm divides their gradients by that
    ),
    "parallel_vit": Tiny(vitgraph.build_parallel_vit, {"dim": 16, "depth": 2, "num_heads": 2}),
    "simple_vit": Tiny(vitgraph.build_simple_vit, {"dim": 16, "depth": 2, "num_heads": 2, "representation_size": 12}),
    "small_data_vit": Tiny(vitgraph.build_small_data_vit, {"patch_size": 16, "dim": 16, "depth": 2, "num_heads": 2}),
    "small_data_pit": Tiny(
        vitgraph.build_small_data_pit,
        {"patch_size": 8, "dims": (8, 16), "depths": (1, 2), "num_heads": (1, 2), "mlp_ratios": (2, 2)},
    ),
    "efficient_vit": Tiny(
        vitgraph.build_efficient_vit,
        {
            "patch_size": 16, "dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 2, "dual_patch_norm": True,
            "attention": nystrom_then_performer,
        },
        mixed="a pseudo-inverse stands between two softmaxes",
        inert=".*_attn/vectors",  # they are never trained
    ),
    "efficient_vit_residual": Tiny(
        vitgraph.build_efficient_vit,
        {
            "patch_size": 16, "dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 4, "gated_mlp": True,
            "attention": efficient_vit.residual_attention, "class_token": False, "global_pool": "avg",
        },
    ),
    "eva": Tiny(
        vitgraph.build_eva,
        {
            "dim": 16, "depth": 2, "num_heads": 2, "gated_mlp": True, "mlp_norm": True, "attn_norm": True,
            "num_reg_tokens": 1, "rope_reference": (3, 3), "init_values": 0.1, "k_bias": True, "num_kv_heads": (2, 1),
        },
    ),
    "eva_mixed": Tiny(
        vitgraph.build_eva,
        {
            "dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 2, "pos_embed": "none", "rope": "mixed",
            "qk_norm": True, "global_pool": "token",
        },
    ),
    "hiera": Tiny(
        vitgraph.build_hiera,
        {
            "dims": (8, 16, 32), "depths": (1, 1, 2), "num_heads": (1, 2, 4), "mlp_ratio": 2, "q_pool": 2,
            "mask_unit_size": 4, "mask_unit_attn": (True, False, False), "expansion": "pool", "pos_embed": "abswin",
            "pos_grid": 6, "init_values": 0.1,
        },
    ),
    "hiera_linear": Tiny(
        vitgraph.build_hiera,
        {
            "dims": (8, 16), "depths": (2, 1), "num_heads": (1, 2), "mlp_ratio": 2, "q_pool": 1, "mask_unit_size": 2,
            "mask_unit_attn": (True, False),
        },
    ),
    "mit": Tiny(
        vitgraph.build_mit,
        {
            "dims": (8, 16), "depths": (1, 1), "num_heads": (1, 2), "mlp_ratios": (2, 2), "sr_ratios": (2, 1),
            "kernel_sizes": (7, 3), "strides": (4, 2),
        },
    ),
    "maxvit": Tiny(
        vitgraph.build_maxvit,
        {
            "stem_dims": (8, 8), "dims": (8, 16), "depths": (1, 1), "block_types": ("M", "M"), "head_dim": 4,
            "mlp_ratio": 2, "window_size": 4, "grid_size": 2, "representation_size": 12,
        },
        # The next batch norm takes away what is added to a whole map.
        inert="stem_conv1/bias|.*_pre_norm/beta",
    ),
    "maxvit_mlp": Tiny(
        vitgraph.build_maxvit,
        {
            "stem_dims": (4, 8), "stem_bias": False, "dims": (8, 16), "depths": (1, 1), "block_types": ("C", "P"),
            "conv": "convnext", "conv_norm": "layer", "conv_init_values": 0.1, "init_values": 0.1, "head_dim": 4,
            "heads_first": True, "rel_pos": "mlp", "rel_pos_dim": 6, "window_size": 2, "same_padding": False,
            "representation_size": None,
        },
        inert=".*_pos_fc2/bias",  # it adds the same to all scores, which the softmax ignores
    ),
    "coatnet": Tiny(
        vitgraph.build_maxvit,
        {
            "stem_dims": (4, 8), "dims": (8, 16), "depths": (1, 2), "block_types": ("C", "T"), "head_dim": 4,
            "mlp_ratio": 2, "stride_mode": "pool", "pool_type": "max", "attn_pool_type": "max2", "se_early": True,
            "pre_norm_act": True, "representation_size": None,
        },
        inert="stem_conv1/bias",
    ),
    "fastvit": Tiny(
        vitgraph.build_fastvit,
        {
            "dims": (4, 8, 8), "depths": (1, 1, 1), "token_mixers": ("repmixer", "repmixer", "attention"),
            "mlp_ratios": (2, 2, 2), "downsamples": (False, True, True), "embed_se": (False, True, False),
            "embed_act": True, "pos_kernel_sizes": (None, None, 3), "head_dim": 4, "init_values": 0.1,
        },
    ),
    "tiny_vit": Tiny(
        vitgraph.build_tiny_vit,
        {
            "dims": (4, 8, 12), "depths": (1, 1, 1), "num_heads": (1, 2, 3), "window_sizes": (3, 3, 4),
            "expand_ratio": 2, "mlp_ratio": 2,
        },
        inert="stage_2_block_0_mlp_fc2/bias",  # the next batch norm takes away what is added to a whole map
    ),
    "efficientvit": Tiny(
        vitgraph.build_efficientvit,
        {
            "stem_dim": 4, "dims": (8, 8, 12), "depths": (1, 1, 1), "block_types": ("fused", "mbconv", "mbconv"),
            "attention": (False, False, True), "fewer_norms": (False, True, True), "embed_ratios": (2, 1, 2),
            "expansions": (2, 2, 2), "head_dim": 4, "head_widths": (16, 12),
        },
        mixed="the epsilon of a sum of products keeps a share",
        inert="stage_3_block_1_local_point_conv_norm/beta",  # as above
    ),
    "efficientvit_msra": Tiny(
        vitgraph.build_efficientvit_msra,
        {
            "dims": (8, 12), "depths": (1, 1), "num_heads": (2, 3), "key_dims": (4, 2), "window_sizes": (3, 2),
            "kernel_sizes": (5, 3, 3), "downsamples": (False, True),
        },
        inert="(stage_2_down_0|stage_2_block_0_1)_(dw|pw2)_norm/beta",  # as above
    ),
    "mvit_v2": Tiny(
        vitgraph.build_mvit_v2,
        {
            "dims": (8, 16), "depths": (1, 2), "num_heads": (1, 2), "mlp_ratio": 2, "q_strides": (1, 2),
            "kv_strides": (2, 1),
        },
        inert=r".*_attn_k_norm/beta",  # it adds the same to all scores of a query, which the softmax ignores
    ),
    "mvit_v2_cls": Tiny(
        vitgraph.build_mvit_v2,
        {
            "dims": (8, 16), "depths": (1, 1), "num_heads": (1, 2), "mlp_ratio": 2, "q_strides": (1, 2),
            "kv_strides": (4, 2), "expand_attn": False, "pos_embed": True, "class_token": True,
        },
        # Of the last queries only the class token's counts, which isn't convolved and has no position.
        inert=r".*_attn_k_norm/beta|stage_2_block_0_attn_(q_pool/kernel|(rows|columns)/table)",
    ),
    "tnt": Tiny(
        vitgraph.build_tnt,
        {"dim": 16, "inner_dim": 4, "depth": 2, "num_heads": 2, "num_inner_heads": 2, "mlp_ratio": 2},
    ),
    "tnt_legacy": Tiny(
        vitgraph.build_tnt,
        {
            "dim": 16, "inner_dim": 4, "depth": 2, "num_heads": 2, "num_inner_heads": 2, "mlp_ratio": 2,
            "qkv_bias": True, "legacy": True,
        },
    ),
    "convit": Tiny(
        vitgraph.build_convit,
        {"dim": 15, "depth": 2, "local_depth": 1, "num_heads": 5, "mlp_ratio": 2},
        inert=".*_attn_pos/bias",  # it adds the same to all scores of a query, which the softmax ignores
    ),
    "visformer": Tiny(
        vitgraph.build_visformer,
        {
            "stem_dim": 4, "patch_sizes": (4, 2), "dims": (8, 16), "depths": (1, 1), "num_heads": (2, 2),
            "head_ratios": (0.5, 1), "mlp_ratio": 2, "attn": (True, True), "spatial_conv": (True, False), "groups": 2,
        },
        # Whatever reads the stream norms it over the batch first, which takes away what is added to a whole map.
        inert=r"stage_\d_embed(/bias|_norm/beta)",
    ),
    "xcit": Tiny(
        vitgraph.build_xcit,
        {"dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 2, "init_values": 0.5, "tokens_norm": True},
    ),
}  # fmt: skip

OPEN = [name for name, tiny in TINY.items() if not tiny.tied]
"""Those that take images of any size."""

SMOOTH = [name for name, tiny in TINY.items() if not tiny.discrete]
"""Those whose answers in lower precision are near those in float32."""

EVERY_LAYER = [
    "ats_vit", "cait", "cct", "coatnet", "convit", "crossformer", "crossvit", "cvt", "deepvit", "efficient_vit",
    "efficient_vit_residual", "efficientvit", "efficientvit_msra", "eva", "eva_mixed", "fastvit", "levit", "localvit",
    "localvit_pvt", "maxvit_mlp", "mobilevit", "mobilevit_v2", "mvit_v2_cls", "nest", "pvt_v2_linear", "regionvit",
    "simple_vit", "small_data_vit", "swin", "swin_v2", "t2t_vit", "tnt_legacy", "visformer", "vit_lite", "vit_modern",
    "xcit",
]  # fmt: skip
"""Those that have every kind of layer between them: for questions that take long, and that each layer answers alone."""

ONE_EACH = list({tiny.builder: name for name, tiny in reversed(TINY.items())}.values())
"""One of each builder: for questions to the builder itself."""

ENDS = [
    "cait", "crossvit", "cvt", "deit", "efficientvit", "levit", "maxvit", "mobilevit", "nest", "pit", "pvt_v2", "swin",
    "t2t_vit", "tnt", "vit", "vit_modern",
]  # fmt: skip
"""One for each way in which graphs begin and end, which is the same code for all: an image, one head or two."""

BUILDERS = registry.BUILDERS


@functools.cache
def shared(name):
    """The tiny net, which tests may only read."""
    return with_random_weights(TINY[name].build(name=name))


@functools.cache
def shared_open(name):
    """The same for images of any size, which tests may only read."""
    return take_weights(TINY[name].build_open(), name)


def with_random_weights(model, seed=0):
    """Scales around 1 and all else around 0, none at it: ones and zeros hide what a weight does."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        centre = 1.0 if variable.name in ("gamma", "scale", "moving_variance") else 0.0
        variable.assign(centre + 0.2 * random.standard_normal(variable.shape))
    return model


def set_onednn(name):
    """Turns it off on PyTorch for FastViT, on for all others: that of 2.13 writes beyond its memory in training it."""
    if keras.backend.backend() == "torch":
        import torch

        torch.backends.mkldnn.enabled = not name.startswith("fastvit")


def images(batch=2, height=64, width=None, channels=3):
    shape = (batch, height, width or height, channels)
    return np.random.default_rng(1).standard_normal(shape).astype("float32")


def value(tensor):
    return keras.ops.convert_to_numpy(tensor)


def assert_close(actual, expected):
    """The same float32 numbers of order 1, with a few hundred roundings of 1e-7 between the two."""
    np.testing.assert_allclose(value(actual), value(expected), rtol=1e-5, atol=1e-5)


def assert_same(actual, expected):
    np.testing.assert_array_equal(value(actual), value(expected))


def take_weights(model, name):
    """The shared net's weights; tables are resampled where `model` is of another size, a top it lacks is left out."""
    vitgraph.load_weights(model, {v.path: value(v) for v in shared(name).weights}, source="vitgraph")
    return model
