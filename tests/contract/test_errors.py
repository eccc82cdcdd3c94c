"""Does a wrong argument get an error that says who was called, what was given and what is allowed?"""

import inspect
import pickle

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import vitgraph
from tests.variants import BUILDERS, TINY, images, shared, value
from vitgraph.builders import (
    build_ats_vit,
    build_beit,
    build_cait,
    build_cct,
    build_crossformer,
    build_crossvit,
    build_cvt,
    build_deepvit,
    build_deit,
    build_efficient_vit,
    build_levit,
    build_localvit,
    build_localvit_pvt,
    build_mobilevit,
    build_mobilevit_v2,
    build_nest,
    build_parallel_vit,
    build_patch_merger_vit,
    build_pit,
    build_pvt,
    build_pvt_v2,
    build_regionvit,
    build_scalablevit,
    build_simple_vit,
    build_small_data_pit,
    build_small_data_vit,
    build_swin,
    build_swin_v2,
    build_t2t_vit,
    build_twins_pcpvt,
    build_twins_svt,
    build_vit,
    build_vit_lite,
)

HEADLESS = {"include_top": False}
FOREIGN = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)], name="foreign")

BORDER = [  # argument, value, error, what is allowed[, further arguments]: put to every builder that has the argument
    ("input_shape", 224, ValueError, "(height, width, channels)"),
    ("input_shape", (224, 224), ValueError, "(height, width, channels)"),
    ("input_shape", (1, 224, 224, 3), ValueError, "(height, width, channels)"),
    ("input_shape", (224, 224, 0), ValueError, "at least 1 channel"),
    ("input_shape", (224, 224, None), ValueError, "at least 1 channel"),
    ("input_shape", (0, 224, 3), ValueError, "positive integers or None"),
    ("input_shape", (224, -224, 3), ValueError, "positive integers or None"),
    ("input_shape", (224.0, 224, 3), ValueError, "positive integers or None"),
    ("input_shape", (None, 224, 3), ValueError, "both known or both None"),
    ("input_shape", (3, 224, 3), ValueError, "height and width of at least"),
    ("include_top", "no", TypeError, "True or False"),
    ("num_classes", 0, ValueError, "an integer of at least 1"),
    ("num_classes", -5, ValueError, "an integer of at least 1"),
    ("num_classes", "5", TypeError, "an integer of at least 1"),
    ("num_classes", 5.0, TypeError, "an integer of at least 1"),
    ("num_classes", True, TypeError, "an integer of at least 1"),
    ("num_classes", (5, 5), TypeError, "an integer of at least 1"),
    ("classifier_activation", "sofmax", ValueError, "None or the name of a Keras activation"),
    ("classifier_activation", 7, ValueError, "None or the name of a Keras activation"),
    ("pooling", "mean", ValueError, "None, ", HEADLESS),
    ("pooling", 3, ValueError, "None, ", HEADLESS),
    ("pooling", "avg", ValueError, "None with include_top=True"),
    ("input_tensor", "image", TypeError, "a KerasTensor"),
    ("drop_rate", -0.1, ValueError, "0 <= rate < 1"),
    ("drop_rate", 1, ValueError, "0 <= rate < 1"),
    ("drop_path_rate", 1.5, ValueError, "0 <= rate < 1"),
    ("drop_path_rate", float("nan"), ValueError, "0 <= rate < 1"),
    ("attn_drop_rate", "0.1", TypeError, "a number"),
    ("attn_drop_rate", None, TypeError, "a number"),
    ("drop_rate", True, TypeError, "a number"),
    ("dtype", "float17", ValueError, "None, or a Keras dtype policy"),
    ("dtype", 16, ValueError, "None, or a Keras dtype policy"),
    ("name", "a/b", ValueError, "a name without a slash"),
    ("name", "", ValueError, "a name without a slash"),
    ("name", 3, ValueError, "a name without a slash"),
    ("norm_eps", -1e-6, ValueError, "numbers over 0"),
    ("norm_eps", "1e-6", TypeError, "numbers over 0"),
    ("num_heads", 0, (TypeError, ValueError), ""),
    ("num_heads", "4", TypeError, ""),
    ("qkv_bias", "yes", TypeError, "True or False"),
]


def _no_layer(dim, num_heads, name):
    """An attention that is none."""


def _narrow_layer(dim, num_heads, name):
    """One that forgets the width."""
    return keras.layers.Dense(7, name=name)


OWN = [  # builder, argument, value, error, what is allowed[, further arguments]
    (build_vit, "num_heads", 5, ValueError, "divisors of the width, here 5 of 768"),
    (build_vit, "dim", 0, ValueError, "an integer of at least 1"),
    (build_vit, "dim", (64, 64), TypeError, "an integer of at least 1"),
    (build_vit, "dim", 18, ValueError, "a multiple of 4 with pos_embed", {"num_heads": 2, "pos_embed": "sincos"}),
    (build_vit, "depth", -1, ValueError, "an integer of at least 1"),
    (build_vit, "depth", 2.5, TypeError, "an integer of at least 1"),
    (build_vit, "depth", (2, 2), TypeError, "an integer of at least 1"),
    (build_vit, "patch_size", 0, ValueError, "a positive integer, or two"),
    (build_vit, "patch_size", "16", ValueError, "a positive integer, or two"),
    (build_vit, "patch_size", (16, 16, 16), ValueError, "a positive integer, or two"),
    (build_vit, "mlp_ratio", -4, ValueError, "numbers over 0"),
    (build_vit, "mlp_ratio", "4", TypeError, "numbers over 0"),
    (build_vit, "head_dim", 0, ValueError, "an integer of at least 1"),
    (build_vit, "img_size", (224, 224, 3), ValueError, "a positive integer, or two"),
    (build_vit, "img_size", (8, 8), ValueError, "height and width of at least 16", {"input_shape": (None, None, 3)}),
    (build_vit, "pos_embed", "sin", ValueError, "'learn', 'sincos', 'none'"),
    (build_vit, "global_pool", "cls", ValueError, "token, avg, max, avgmax, map"),
    (build_vit, "global_pool", "token", ValueError, "'token' only with class_token=True", {"class_token": False}),
    (
        build_vit, "pooling", "token", ValueError, "not the class token: there is none",
        {"class_token": False, "global_pool": "avg", **HEADLESS},
    ),
    (build_vit, "act", "gelo", ValueError, "gelu, gelu_tanh, quick_gelu"),
    (build_vit, "block", "pre_norm_block", TypeError, "a function"),
    (build_vit, "reg_tokens", -1, ValueError, "0 or more"),
    (build_vit, "reg_tokens", "4", ValueError, "0 or more"),
    (build_vit, "init_values", "1e-5", TypeError, "numbers over 0"),
    (build_vit, "class_token", "no", TypeError, "True or False"),
    (build_vit, "pos_drop_rate", 2, ValueError, "0 <= rate < 1"),
    (build_localvit, "num_heads", 5, ValueError, "divisors of the width, here 5 of 192"),
    (build_localvit, "dim", 0, ValueError, "an integer of at least 1"),
    (build_localvit, "depth", 2.5, TypeError, "an integer of at least 1"),
    (build_localvit, "patch_size", (16, 16, 16), ValueError, "a positive integer, or two"),
    (build_localvit, "mlp_ratio", 0, ValueError, "numbers over 0"),
    (build_localvit, "act", "hs", ValueError, "gelu, gelu_tanh, quick_gelu"),
    (build_localvit, "channel_attention", "hs+se", ValueError, "None, 'se', 'eca', 'ecah'"),
    (build_localvit, "reduction", 0, ValueError, "an integer of at least 1"),
    (build_localvit, "reduction", 800, ValueError, "at most the widened channels, here 768"),
    (build_localvit, "depthwise", True, ValueError, "'middle', 'first', 'none'"),
    (build_localvit, "qk_scale", "0.1", TypeError, "numbers over 0"),
    (build_localvit, "img_size", (8, 16), ValueError, "height and width of at least 16"),
    (build_localvit_pvt, "channel_attention", "cbam", ValueError, "None, 'se', 'eca', 'ecah'"),
    (build_localvit_pvt, "reduction", 513, ValueError, "at most the widened channels, here 512"),
    (build_localvit_pvt, "sr_ratios", (8, 4, 2, 2), ValueError, "1 in the last stage with class_token=True"),
    (build_pvt, "dims", 64, TypeError, "a sequence, one entry a stage"),
    (build_pvt, "depths", (2, 2, 2), ValueError, "4 entries, as many as dims"),
    (build_pvt, "num_heads", (1, 2, 5, 7), ValueError, "divisors of the width, here 7 of 512"),
    (build_pvt, "patch_sizes", (4, 2, 2), ValueError, "4 entries, as many as dims"),
    (build_pvt, "patch_sizes", (4, 2, 2, 0), ValueError, "a positive integer or (rows, columns), one a stage"),
    (build_pvt, "patch_sizes", 4, TypeError, "a sequence, one entry a stage"),
    (build_pvt, "mlp_ratios", (8, 8, 4, -4), ValueError, "numbers over 0"),
    (build_pvt, "sr_ratios", (8, 4, 2, 2), ValueError, "1 in the last stage with class_token=True"),
    (build_pvt, "sr_ratios", (8, 4, 2, 0), ValueError, "integers of at least 1"),
    (build_pvt, "qk_scale", 0, ValueError, "numbers over 0"),
    (build_pvt, "img_size", "224", ValueError, "a positive integer, or two"),
    (build_pvt, "img_size", (224, 16), ValueError, "height and width of at least 32"),
    (build_pvt, "class_token", 1, TypeError, "True or False"),
    (build_pvt, "proj_drop_rate", 1, ValueError, "0 <= rate < 1"),
    (build_pvt, "pooling", "map", ValueError, "None, token, avg, max", HEADLESS),
    (
        build_pvt, "pooling", "token", ValueError, "not the class token: there is none",
        {"class_token": False, **HEADLESS},
    ),
    (build_pvt_v2, "dims", 32, TypeError, "a sequence, one entry a stage"),
    (build_pvt_v2, "pool_size", 0, ValueError, "an integer of at least 1"),
    (build_pvt_v2, "dims", (), ValueError, "integers of at least 1"),
    (build_pvt_v2, "depths", (2, 2, 2), ValueError, "4 entries, as many as dims"),
    (build_pvt_v2, "depths", (2, 2, 2, 0), ValueError, "integers of at least 1"),
    (build_pvt_v2, "num_heads", (1, 2, 5, 7), ValueError, "divisors of the width, here 7 of 256"),
    (build_pvt_v2, "mlp_ratios", (8, 8, 4), ValueError, "4 entries, as many as dims"),
    (build_pvt_v2, "mlp_ratios", (8, 8, 4, -4), ValueError, "numbers over 0"),
    (build_pvt_v2, "mlp_ratios", (8, 8, 4, "4"), TypeError, "numbers over 0"),
    (build_pvt_v2, "sr_ratios", (8, 4, 2, 0), ValueError, "integers of at least 1"),
    (build_pvt_v2, "input_shape", (32, 32, 3), ValueError, "of at least 64", {"sr_ratios": (16, 4, 2, 1)}),
    (build_swin, "depths", 2, TypeError, "a sequence, one entry a stage"),
    (build_swin, "num_heads", (3, 6, 12), ValueError, "4 entries, as many as depths"),
    (build_swin, "num_heads", (3, 6, 12, 25), ValueError, "divisors of the width, here 25 of 768"),
    (build_swin, "window_size", 0, ValueError, "a positive integer, (rows, columns), or 4 of these"),
    (build_swin, "window_size", "7", ValueError, "a positive integer, (rows, columns), or 4 of these"),
    (build_swin, "window_size", 7.0, ValueError, "a positive integer, (rows, columns), or 4 of these"),
    (build_swin, "window_size", (7, 7, 7), ValueError, "a positive integer, (rows, columns), or 4 of these"),
    (build_swin, "window_size", (7, 7, 7, (7, 7, 7)), ValueError, "a positive integer, (rows, columns), or 4 of these"),
    (build_swin, "patch_size", (4, 4), TypeError, "an integer of at least 1"),
    (build_swin, "mlp_ratio", 0, ValueError, "numbers over 0"),
    (build_swin, "img_size", "224", ValueError, "a positive integer, or two"),
    (build_swin, "head_dim", -8, ValueError, "an integer of at least 1"),
    (build_cvt, "dims", 64, TypeError, "a sequence, one entry a stage"),
    (build_cvt, "depths", (1, 2), ValueError, "3 entries, as many as dims"),
    (build_cvt, "num_heads", (1, 3, 7), ValueError, "divisors of the width, here 7 of 384"),
    (build_cvt, "mlp_ratios", (4, 4, 0), ValueError, "numbers over 0"),
    (build_cvt, "patch_sizes", (7, 3), ValueError, "3 entries, as many as dims"),
    (build_cvt, "patch_strides", (4, 2, 0), ValueError, "integers of at least 1"),
    (build_cvt, "patch_paddings", (2, 1), ValueError, "3 entries, as many as dims"),
    (build_cvt, "patch_paddings", (2, 1, -1), ValueError, "integers of at least 0"),
    (build_cvt, "patch_paddings", (1, 1, 1), ValueError, "here 2 to 3: a position for every 4 pixels"),
    (build_cvt, "patch_paddings", (2, 1, 2), ValueError, "here 1 to 1: a position for every 2 pixels"),
    (build_cvt, "class_token", (False, True), ValueError, "one value, or 3, one a stage"),
    (build_cvt, "class_token", (False, False, 1), TypeError, "True or False"),
    (build_cvt, "qkv_bias", (True, True, "no"), TypeError, "True or False"),
    (build_cvt, "qkv_method", "conv", ValueError, "dw_bn, avg, linear"),
    (build_cvt, "qkv_method", ("avg", "avg"), ValueError, "one value, or 3, one a stage"),
    (build_cvt, "kernel_qkv", "3", TypeError, "integers of at least 1"),
    (build_cvt, "stride_kv", 0, ValueError, "integers of at least 1"),
    (build_cvt, "padding_kv", (1, 1, -1), ValueError, "integers of at least 0"),
    (build_cvt, "padding_kv", 2, ValueError, "at most half the kernel, here of 3", {"qkv_method": "avg"}),
    (build_cvt, "stride_q", (1, 1, 2), ValueError, "1: every position needs a query"),
    (build_cvt, "padding_q", 0, ValueError, "half of the odd kernel, here of 3"),
    (build_cvt, "act", "gelo", ValueError, "gelu, gelu_tanh, quick_gelu"),
    (build_cvt, "init", "normal", ValueError, "trunc_norm, xavier"),
    (build_cvt, "drop_rate", (0.1, 0.1), ValueError, "one value, or 3, one a stage"),
    (build_cvt, "drop_path_rate", (0.0, 0.0, 1.0), ValueError, "0 <= rate < 1"),
    (build_cvt, "input_shape", (64, 64, 3), ValueError, "of at least 80", {"kernel_qkv": 7, "padding_q": 3}),
    (build_cvt, "pooling", "token", ValueError, "not the class token", {"class_token": False, **HEADLESS}),
    (build_levit, "input_shape", (None, None, 3), ValueError, "tables of the offsets on the grid of one image size"),
    (build_levit, "dims", 256, TypeError, "a sequence, one entry a stage"),
    (build_levit, "dims", (12, 24, 48), ValueError, "a first width that 8 divides", {"key_dim": 4}),
    (build_levit, "depths", (4, 4), ValueError, "3 entries, as many as dims"),
    (build_levit, "num_heads", (4, 6, 0), ValueError, "integers of at least 1"),
    (build_levit, "attn_ratios", 2, TypeError, "a sequence, one entry a stage"),
    (build_levit, "mlp_ratios", (2, 2, 0), ValueError, "numbers over 0"),
    (build_levit, "patch_size", 12, ValueError, "a power of two, at least 2"),
    (build_levit, "patch_size", 1, ValueError, "a power of two, at least 2"),
    (build_levit, "key_dim", 300, ValueError, "at most the least width, here 256"),
    (build_levit, "act", "gelo", ValueError, "gelu, gelu_tanh, quick_gelu"),
    (build_levit, "attn_act", "gelo", ValueError, "None, gelu, gelu_tanh, quick_gelu"),
    (build_levit, "distilled", 2, TypeError, "True or False"),
    (build_levit, "pooling", "token", ValueError, "None, avg, max", HEADLESS),
    (build_crossformer, "dims", (8, 192, 384, 768), ValueError, "widths of at least 16", {"num_heads": (2, 6, 12, 24)}),
    (build_crossformer, "kernel_sizes", ((4, 8), (2,), (2,)), ValueError, "4 entries, as many as dims"),
    (build_crossformer, "kernel_sizes", ((4, 7), (2,), (2,), (2,)), ValueError, "its stride (here 4) and numbers"),
    (build_crossformer, "kernel_sizes", ((4, 8), 2, 2, 2), ValueError, "sequences, one a stage, of its stride"),
    (build_crossformer, "group_sizes", (7, 7, 7, 0), ValueError, "a positive integer a stage, or"),
    (build_crossformer, "group_sizes", (7, 7, (7, 7), 7), ValueError, "a sequence, one a block"),
    (build_crossformer, "group_sizes", 7, TypeError, "a sequence, one entry a stage"),
    (build_crossformer, "intervals", (8, 4, 2, 0), ValueError, "integers of at least 1"),
    (build_crossformer, "intervals", (8, 4), ValueError, "4 entries, as many as dims"),
    (build_crossformer, "qk_scale", 0, ValueError, "numbers over 0"),
    (build_crossformer, "input_shape", (None, None, 3), ValueError, "a known height and width", {"pos_embed": True}),
    (build_twins_pcpvt, "patch_sizes", (4, 2, 2), ValueError, "4 entries, as many as dims"),
    (build_twins_pcpvt, "mlp_ratios", (8, 8, 4, 0), ValueError, "numbers over 0"),
    (build_twins_pcpvt, "num_heads", (1, 2, 5, 7), ValueError, "divisors of the width, here 7 of 512"),
    (build_twins_pcpvt, "peg_kernel_size", 4, ValueError, "an odd number"),
    (build_twins_pcpvt, "peg_kernel_size", (3, 3), TypeError, "an integer of at least 1"),
    (build_twins_pcpvt, "input_shape", (32, 32, 3), ValueError, "of at least 64", {"sr_ratios": (8, 8, 2, 1)}),
    (build_twins_svt, "window_sizes", 7, TypeError, "a sequence, one entry a stage"),
    (build_twins_svt, "window_sizes", (7, 7, 7, 0), ValueError, "integers of at least 1"),
    (build_twins_svt, "depths", (2, 2, 10), ValueError, "4 entries, as many as dims"),
    (build_regionvit, "dims", (64, 128, 200, 512), ValueError, "multiples, each of the one", {"num_heads": (2,) * 4}),
    (build_regionvit, "dims", (64, 128, 256, 512), ValueError, "and the first of 48", {"embed_dim": 48}),
    (build_regionvit, "embed_dim", 0, ValueError, "an integer of at least 1"),
    (build_regionvit, "num_heads", (2, 4, 8, 17), ValueError, "divisors of the width, here 17 of 512"),
    (build_regionvit, "downsampling", (1, 2, 2), ValueError, "4 entries, as many as dims"),
    (build_regionvit, "downsampling", (1, 2, 2, 4), ValueError, "1 or 2 for every stage"),
    (build_regionvit, "patch_conv_type", "2conv", ValueError, "3conv, 1conv, linear"),
    (build_regionvit, "patch_size", 8, ValueError, "4 with '3conv'"),
    (build_regionvit, "window_size", (7, 7, 7, 5), ValueError, "one a stage, none smaller than the first"),
    (build_regionvit, "window_size", (7, 7, 7), ValueError, "a positive integer, or 4 of them"),
    (build_regionvit, "window_size", "7", ValueError, "a positive integer, or 4 of them"),
    (build_regionvit, "mlp_ratio", -1, ValueError, "numbers over 0"),
    (build_regionvit, "mlp_ratio", (4, 4), ValueError, "4 entries, as many as dims"),
    (build_regionvit, "qk_scale", 0, ValueError, "numbers over 0"),
    (build_regionvit, "peg", 1, TypeError, "True or False"),
    (build_scalablevit, "dims", 64, TypeError, "a sequence, one entry a stage"),
    (build_scalablevit, "c_ratios", (1.25, 1.25, 1), ValueError, "4 entries, as many as dims"),
    (build_scalablevit, "c_ratios", (1.25, 1.25, 1.25, 0), ValueError, "numbers over 0"),
    (build_scalablevit, "c_ratios", (1.27, 1.25, 1.25, 1), ValueError, "a multiple of the heads, here 81 for 2 heads"),
    (build_scalablevit, "c_ratios", (0.01, 1, 1, 1), ValueError, "a multiple of the heads, here 0 for 2 heads"),
    (build_scalablevit, "num_heads", (2, 4, 8, 17), ValueError, "divisors of the width, here 17 of 512"),
    (build_scalablevit, "window_size", (7, 7, 7), ValueError, "a positive integer, None, or 4 of these"),
    (build_scalablevit, "window_size", (7, 7, 7, 0), ValueError, "a positive integer, None, or 4 of these"),
    (build_scalablevit, "window_size", "7", ValueError, "a positive integer, None, or 4 of these"),
    (build_scalablevit, "patch_size", 2, ValueError, "4 or more"),
    (build_scalablevit, "head_hidden", 0, ValueError, "an integer of at least 1"),
    (build_scalablevit, "input_shape", (32, 32, 3), ValueError, "of at least 64", {"sr_ratios": (16, 4, 2, 1)}),
    (build_mobilevit, "num_heads", (4, 5, 4), ValueError, "divisors of the width, here 5 of 192"),
    (build_mobilevit, "num_heads", (4, 4), ValueError, "3 entries, as many as attn_dims"),
    (build_mobilevit, "last_dim", 0, ValueError, "an integer of at least 1"),
    (build_mobilevit, "fusion", None, TypeError, "True or False"),
    (build_mobilevit_v2, "stem_dim", (16,), TypeError, "an integer of at least 1"),
    (build_mobilevit_v2, "dims", 64, TypeError, "a sequence, one entry a stage"),
    (build_mobilevit_v2, "depths", (1, 1), ValueError, "5 entries, as many as dims"),
    (build_mobilevit_v2, "strides", (1, 2, 2, 2, 0), ValueError, "integers of at least 1"),
    (build_mobilevit_v2, "expansions", (2, 2, 2, 2), ValueError, "5 entries, as many as dims"),
    (build_mobilevit_v2, "expansions", (2, 2, 2, 2, 0), ValueError, "numbers over 0"),
    (build_mobilevit_v2, "attn_dims", (8,) * 6, ValueError, "at most 5 entries", {"attn_depths": (1,) * 6}),
    (build_mobilevit_v2, "attn_depths", (2, 4), ValueError, "3 entries, as many as attn_dims"),
    (build_mobilevit_v2, "mlp_ratios", (2, 2), ValueError, "3 entries, as many as attn_dims"),
    (build_mobilevit_v2, "patch_size", (2, 2, 2), ValueError, "a positive integer, or two"),
    (build_mobilevit_v2, "kernel_size", 2, ValueError, "an odd number"),
    (build_mobilevit_v2, "act", "swish", ValueError, "gelu, gelu_tanh, quick_gelu"),
    (build_mobilevit_v2, "input_shape", (32, 32, 3), ValueError, "of at least 64", {"strides": (2, 2, 2, 2, 2)}),
    (build_nest, "input_shape", (None, None, 3), ValueError, "a known size: the position tables hold for one grid"),
    (build_nest, "input_shape", (224, 216, 3), ValueError, "multiples of 16, for 4 x 4 blocks"),
    (build_nest, "dims", 96, TypeError, "a sequence, one entry a stage"),
    (build_nest, "depths", (2, 2), ValueError, "3 entries, as many as dims"),
    (build_nest, "num_heads", (3, 6, 13), ValueError, "divisors of the width, here 13 of 384"),
    (build_nest, "patch_size", (4, 4), TypeError, "an integer of at least 1"),
    (build_nest, "mlp_ratio", 0, ValueError, "numbers over 0"),
    (build_nest, "act", "gelo", ValueError, "gelu, gelu_tanh, quick_gelu"),
    (build_nest, "same_padding", "same", TypeError, "True or False"),
    (build_patch_merger_vit, "patch_merge_layer", 0, ValueError, "an integer of at least 1"),
    (build_patch_merger_vit, "patch_merge_layer", 13, ValueError, "at most the number of blocks, here 12"),
    (build_patch_merger_vit, "patch_merge_num_tokens", 0, ValueError, "an integer of at least 1"),
    (build_patch_merger_vit, "depth", 2.5, TypeError, "an integer of at least 1"),
    (build_patch_merger_vit, "head_dim", 0, ValueError, "an integer of at least 1"),
    (build_patch_merger_vit, "img_size", "224", ValueError, "a positive integer, or two"),
    (build_patch_merger_vit, "pooling", "token", ValueError, "None, avg, max, avgmax, map", HEADLESS),
    (build_pit, "dims", (144, 288, 432), ValueError, "multiples of the one before"),
    (build_pit, "depths", (2, 6), ValueError, "3 entries, as many as dims"),
    (build_pit, "num_heads", (3, 6, 11), ValueError, "divisors of the width, here 11 of 576"),
    (build_pit, "mlp_ratios", (4, 4), ValueError, "3 entries, as many as dims"),
    (build_pit, "patch_size", (16, 16), TypeError, "an integer of at least 1"),
    (build_pit, "stride", 0, ValueError, "an integer of at least 1"),
    (build_pit, "head_dim", 0, ValueError, "an integer of at least 1"),
    (build_pit, "img_size", (8, 8), ValueError, "height and width of at least 16"),
    (build_pit, "distilled", "yes", TypeError, "True or False"),
    (build_pit, "pooling", "map", ValueError, "None, token, avg, max", HEADLESS),
    (build_swin_v2, "num_heads", (3, 6, 12, 25), ValueError, "divisors of the width, here 25 of 768"),
    (build_swin_v2, "window_size", (7, 7, 7), ValueError, "a positive integer, (rows, columns), or 4 of these"),
    (build_swin_v2, "pretrained_window_sizes", 12, TypeError, "a sequence, one entry a stage"),
    (build_swin_v2, "pretrained_window_sizes", (12, 12, 12), ValueError, "4 entries, as many as depths"),
    (build_swin_v2, "pretrained_window_sizes", (12, 12, 12, -6), ValueError, "0, a positive integer or (rows, "),
    (build_swin_v2, "mlp_ratio", 0, ValueError, "numbers over 0"),
    (build_swin_v2, "act", "gelo", ValueError, "gelu, gelu_tanh, quick_gelu"),
    (build_swin_v2, "img_size", "256", ValueError, "a positive integer, or two"),
    (build_deit, "distilled", 1, TypeError, "True or False"),
    (build_deit, "depth", 0, ValueError, "an integer of at least 1"),
    (build_deit, "patch_size", 0, ValueError, "a positive integer, or two"),
    (build_deit, "img_size", (8, 8), ValueError, "height and width of at least 16", {"input_shape": (None, None, 3)}),
    (build_deit, "qk_scale", 0, ValueError, "numbers over 0"),
    (build_deit, "block", None, TypeError, "a function"),
    (build_deit, "act", "gelo", ValueError, "gelu, gelu_tanh, quick_gelu"),
    (build_ats_vit, "ats_blocks", (), ValueError, "different indices of blocks, here 0 to 11"),
    (build_ats_vit, "ats_blocks", 3, ValueError, "different indices of blocks, here 0 to 11"),
    (build_ats_vit, "ats_blocks", (3, 3), ValueError, "different indices of blocks, here 0 to 11"),
    (build_ats_vit, "ats_blocks", (11, 12), ValueError, "different indices of blocks, here 0 to 11"),
    (build_ats_vit, "num_tokens", 2, ValueError, "integers of at least 3"),
    (build_ats_vit, "num_tokens", 0.5, TypeError, "integers of at least 3"),
    (build_ats_vit, "num_tokens", (128, 64), ValueError, "one value, or 9, one a stage"),
    (build_ats_vit, "drop_tokens", 1, TypeError, "True or False"),
    (build_ats_vit, "representation_size", 0, ValueError, "an integer of at least 1"),
    (build_ats_vit, "head_dim", 0, ValueError, "an integer of at least 1"),
    (build_ats_vit, "img_size", "224", ValueError, "a positive integer, or two"),
    (build_beit, "rel_pos_bias", True, ValueError, "'block', 'shared', 'both', None"),
    (build_beit, "global_pool", "", ValueError, "token, avg, max, avgmax, map"),
    (build_beit, "init_values", 0, ValueError, "numbers over 0"),
    (build_cait, "depth_token_only", 0, ValueError, "an integer of at least 1"),
    (build_cait, "mlp_ratio_token_only", 0, ValueError, "numbers over 0"),
    (build_cait, "init_values", None, TypeError, "numbers over 0"),
    (build_cait, "global_pool", "", ValueError, "token, avg, max, avgmax, map"),
    (build_cait, "head_dim", 0, ValueError, "an integer of at least 1"),
    (build_cait, "img_size", "224", ValueError, "a positive integer, or two"),
    (build_cct, "dim", 0, ValueError, "an integer of at least 1"),
    (build_cct, "num_heads", 5, ValueError, "divisors of the width, here 5 of 384"),
    (build_cct, "mlp_ratio", -1, ValueError, "numbers over 0"),
    (build_cct, "n_conv_layers", 0, ValueError, "an integer of at least 1"),
    (build_cct, "kernel_size", (7, 7), TypeError, "an integer of at least 1"),
    (build_cct, "stride", 0, ValueError, "an integer of at least 1"),
    (build_cct, "padding", "same", ValueError, "0 or more"),
    (build_cct, "padding", -1, ValueError, "0 or more"),
    (build_cct, "pooling_kernel_size", 2.0, TypeError, "an integer of at least 1"),
    (build_cct, "pooling_stride", 0, ValueError, "an integer of at least 1"),
    (build_cct, "pooling_padding", None, ValueError, "0 or more"),
    (build_cct, "in_planes", 0, ValueError, "an integer of at least 1"),
    (build_cct, "pos_embed", "sincos", ValueError, "'learn', 'sine', 'none'"),
    (build_cct, "img_size", (224,), ValueError, "a positive integer, or two"),
    (build_cct, "input_shape", (16, 16, 3), ValueError, "of which the tokenizer leaves something", {"padding": 0}),
    (build_cct, "pooling", "token", ValueError, "None, avg, max", HEADLESS),
    (build_crossvit, "patch_size", 12, TypeError, "a sequence"),
    (build_crossvit, "patch_size", (12,), ValueError, "two sides, one a branch"),
    (build_crossvit, "patch_size", (8, 16), ValueError, "12 and 16 with multi_conv", {"multi_conv": True}),
    (build_crossvit, "dims", (192, 384, 768), ValueError, "2 entries, as many as patch_size"),
    (build_crossvit, "num_heads", (6, 7), ValueError, "divisors of the width, here 7 of 384"),
    (build_crossvit, "fusion_heads", (5, 6), ValueError, "divisors of the widths"),
    (build_crossvit, "fusion_heads", 6, TypeError, "a sequence"),
    (build_crossvit, "head_dim", 0, ValueError, "an integer of at least 1"),
    (build_crossvit, "mlp_ratios", (4, 4, 1), ValueError, "2 entries, as many as patch_size"),
    (build_crossvit, "img_scale", (1.0, 0), ValueError, "numbers over 0"),
    (build_crossvit, "img_scale", 1.0, TypeError, "a sequence"),
    (build_crossvit, "depths", (1, 4, 0), ValueError, "triples of integers"),
    (build_crossvit, "depths", ((1, 0, 1),), ValueError, "triples of integers"),
    (build_crossvit, "depths", (), ValueError, "triples of integers"),
    (build_crossvit, "depths", ((1, 4),), ValueError, "triples of integers"),
    (build_crossvit, "global_pool", "max", ValueError, "token, avg"),
    (build_crossvit, "pooling", "map", ValueError, "None, token, avg, max", HEADLESS),
    (build_crossvit, "crop_scale", 1, TypeError, "True or False"),
    (build_crossvit, "img_size", (17, 17), ValueError, "height and width of at least 18"),
    (build_crossvit, "input_shape", (17, 240, 3), ValueError, "height and width of at least 18"),
    (build_vit_lite, "patch_size", 0, ValueError, "a positive integer, or two"),
    (build_vit_lite, "num_heads", 3, ValueError, "divisors of the width, here 3 of 256"),
    (build_vit_lite, "pos_embed", "learned", ValueError, "'learn', 'sine', 'none'"),
    (build_vit_lite, "img_size", (2, 32), ValueError, "height and width of at least 4"),
    (build_vit_lite, "class_token", 1, TypeError, "True or False"),
    (
        build_vit_lite, "pooling", "token", ValueError, "not the class token: there is none",
        {"class_token": False, **HEADLESS},
    ),
    (build_deepvit, "apply_transform", (True, False), ValueError, "one value, or 16, one a stage"),
    (build_deepvit, "apply_transform", 1, TypeError, "True or False"),
    (build_deepvit, "scale_adjustment", 0, ValueError, "numbers over 0"),
    (build_deepvit, "stem_dim", 0, ValueError, "an integer of at least 1"),
    (build_deepvit, "patch_size", 15, ValueError, "even numbers where there is a stem", {"stem_dim": 8}),
    (build_deepvit, "global_pool", "mean", ValueError, "token, avg, max, avgmax, map"),
    (build_t2t_vit, "tokens_type", "convolution", ValueError, "transformer, performer"),
    (build_t2t_vit, "token_dim", 1, ValueError, "at least 2 with performers"),
    (build_t2t_vit, "strides", (4, 2), ValueError, "3 entries, as many as kernel_sizes"),
    (build_t2t_vit, "kernel_sizes", (7, 3, 99), ValueError, "kernels that fit into their maps"),
    (build_t2t_vit, "img_size", (8, 8), ValueError, "of at least 16", {"input_shape": (None, None, 3)}),
    (build_t2t_vit, "global_pool", "mean", ValueError, "token, avg, max, avgmax, map"),
    (build_small_data_vit, "patch_size", 1, ValueError, "at least 2 with spt=True"),
    (build_small_data_vit, "patch_size", "4", ValueError, "a positive integer, or two"),
    (build_small_data_vit, "num_heads", 5, ValueError, "divisors of the width, here 5 of 192"),
    (build_small_data_vit, "depth", 0, ValueError, "an integer of at least 1"),
    (build_small_data_vit, "img_size", (2, 32), ValueError, "height and width of at least 4"),
    (build_small_data_vit, "lsa", None, TypeError, "True or False"),
    (build_small_data_pit, "patch_size", (2, 2), TypeError, "an integer of at least 1"),
    (build_small_data_pit, "depths", (2, 6), ValueError, "3 entries, as many as dims"),
    (build_small_data_pit, "dims", (96, 192, 300), ValueError, "multiples of the one before", {"spt": False}),
    (build_small_data_pit, "head_dim", 0, ValueError, "an integer of at least 1"),
    (build_small_data_pit, "mlp_ratio", 0, ValueError, "numbers over 0"),
    (build_small_data_pit, "spt", 1, TypeError, "True or False"),
    (build_small_data_pit, "attn_proj", (True, False), ValueError, "one value, or 3, one a stage"),
    (build_parallel_vit, "num_parallel", 0, ValueError, "an integer of at least 1"),
    (build_parallel_vit, "num_parallel", 2, ValueError, "1 with joint=True", {"joint": True}),
    (build_parallel_vit, "attn_proj", False, ValueError, "True with joint=True", {"joint": True, "num_parallel": 1}),
    (build_parallel_vit, "depth", 0, ValueError, "an integer of at least 1"),
    (build_parallel_vit, "num_heads", 5, ValueError, "divisors of the width, here 5 of 768"),
    (build_simple_vit, "dim", 18, ValueError, "a multiple of 4", {"num_heads": 2}),
    (build_simple_vit, "rep_size", 0, ValueError, "an integer of at least 1"),
    (build_simple_vit, "patch_size", "16", ValueError, "a positive integer, or two"),
    (build_simple_vit, "pooling", "token", ValueError, "None, avg, max", HEADLESS),
    (build_efficient_vit, "dim", 0, ValueError, "an integer of at least 1"),
    (build_efficient_vit, "depth", 2.5, TypeError, "an integer of at least 1"),
    (build_efficient_vit, "mlp_ratio", 0, ValueError, "numbers over 0"),
    (build_efficient_vit, "patch_size", (16, 16, 16), ValueError, "a positive integer, or two"),
    (build_efficient_vit, "attention", "nystrom", TypeError, "a function (dim, num_heads, name) -> layer"),
    (build_efficient_vit, "attention", _no_layer, TypeError, "what gives layers; it gave None"),
    (build_efficient_vit, "attention", _narrow_layer, ValueError, "-> (None, 197, 512); it gave (None, 197, 7)"),
    (build_efficient_vit, "act", "gelo", ValueError, "gelu, gelu_tanh, quick_gelu"),
    (build_efficient_vit, "global_pool", "map", ValueError, "'token', 'avg', 'max'"),
    (build_efficient_vit, "global_pool", "token", ValueError, "only with class_token=True", {"class_token": False}),
    (build_efficient_vit, "gated_mlp", 1, TypeError, "True or False"),
]  # fmt: skip

ROWS = [
    (builder, *row) for builder in BUILDERS for row in BORDER if row[0] in inspect.signature(builder).parameters
] + OWN


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row[0].__name__}-{row[1]}={getattr(row[2], '__name__', row[2])!r}"
)
def test_bad_argument(row):
    builder, argument, bad, error, allowed, *further = row
    with pytest.raises(error) as caught:
        builder(**{**(further[0] if further else {}), argument: bad})
    start, _, end = str(caught.value).partition("; allowed: ")
    assert start == f"{builder.__name__}: {argument}={bad!r}"
    assert allowed in end and end


@pytest.mark.parametrize("builder", BUILDERS)
def test_unknown_argument(builder):
    with pytest.raises(
        TypeError, match=rf"{builder.__name__}: unknown argument 'num_class' \(did you mean 'num_classes'"
    ):
        builder(num_class=10)
    with pytest.raises(TypeError, match=rf"{builder.__name__}: unknown argument 'zzz'; allowed: input_shape, "):
        builder(zzz=10)
    with pytest.raises(TypeError, match=rf"{builder.__name__}: too many positional arguments; only input_shape"):
        builder((64, 64, 3), True)


@pytest.mark.parametrize("builder", BUILDERS)
def test_input_tensor(builder):
    with pytest.raises(TypeError, match=rf"(?s){builder.__name__}: input_tensor=array.*allowed: a KerasTensor"):
        builder(input_tensor=images())
    with pytest.raises(
        ValueError, match=rf"{builder.__name__}: input_tensor=\(None, 64, 3\); allowed: a tensor \(batch"
    ):
        builder(input_tensor=keras.Input((64, 3)))
    with pytest.raises(ValueError, match=rf"{builder.__name__}: input_shape=\(2, 2, 3\); allowed: height and width"):
        builder(input_tensor=keras.Input((2, 2, 3)))


def test_create():
    for name in ("vit_base", "", 3, None):
        with pytest.raises((ValueError, TypeError), match=f"create: name={name!r}; allowed: one of "):
            vitgraph.create(name)
    with pytest.raises(TypeError, match="build_pvt_v2: unknown argument 'windows'"):
        vitgraph.create("pvt_v2_b0", windows=7)


def damage(path, kind):
    """Writes a file of this kind that is not a checkpoint."""
    vitgraph.save_weights(shared("vit"), path.with_name("whole.safetensors"))
    whole = path.with_name("whole.safetensors").read_bytes()
    if path.suffix == ".npz":
        arrays = {"cls_token": np.array([{}], dtype=object)} if kind == "pickled" else {"cls_token": np.zeros(1000)}
        np.savez(path, **arrays)
        whole = path.read_bytes()
    elif path.suffix == ".keras":
        shared("vit").save(path)
        whole = path.read_bytes()
    elif path.suffix == ".pth":
        whole = pickle.dumps(print, protocol=2)
    content = {"cut_off": whole[: len(whole) // 2], "empty": b"", "noise": b"\xff\x00" * 50}
    path.write_bytes(content.get(kind, whole))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("whole.bin", "a file that ends in .safetensors, "),
        ("whole", "a file that ends in .safetensors, "),
        ("cut_off.safetensors", "a whole safetensors file"),
        ("empty.safetensors", "a whole safetensors file"),
        ("noise.safetensors", "a whole safetensors file"),
        ("cut_off.npz", "a whole .npz file of plain arrays"),
        ("empty.npz", "a whole .npz file of plain arrays"),
        ("noise.npz", "a whole .npz file of plain arrays"),
        ("pickled.npz", "a whole .npz file of plain arrays"),
        ("cut_off.keras", "a whole .keras file"),
        ("empty.keras", "a whole .keras file"),
        ("noise.keras", "a whole .keras file"),
        ("pickled.pth", "a whole file of plain tensors"),
        ("noise.pth", "a whole file of plain tensors"),
        ("empty.pth", "a whole file of plain tensors"),
    ],
)
def test_damaged_file(name, message, tmp_path):
    path = tmp_path / name
    damage(path, path.stem)
    with pytest.raises(ValueError, match=f"load_weights: checkpoint='.*{name}'; allowed: {message}"):
        vitgraph.load_weights(shared("vit"), path)


def test_absent_file(tmp_path):
    for path in (tmp_path / "absent.safetensors", tmp_path):
        with pytest.raises(OSError, match=f"no checkpoint at '{path}'"):
            vitgraph.load_weights(shared("vit"), path)


def weights(model):
    return {variable.path: value(variable) for variable in model.weights}


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (lambda w: weights(shared("pvt_v2")), ["missing: patch_embed/kernel", " more"]),
        (lambda w: {k: v for k, v in w.items() if k != "norm/gamma"}, ["missing: norm/gamma"]),
        (lambda w: {**w, "extra/kernel": np.ones(3)}, ["unused: extra/kernel (3,)"]),
        (lambda w: {**w, "norm/beta": np.ones(3)}, ["misfit: norm/beta (3,) for norm/beta (16,)"]),
        (lambda w: {**w, "head/bias": np.ones(9)}, ["misfit: head/bias (9,) for head/bias (5,)", "skip_head=True"]),
        (
            lambda w: {**w, "pos_embed/table": np.ones((1, 8, 16))},
            ["misfit: pos_embed/table (1, 8, 16) for pos_embed/"],
        ),
        (lambda w: {}, ["missing: "]),
    ],
    ids=["architecture", "missing", "unused", "misfit", "classes", "positions", "empty"],
)
def test_checkpoint_that_does_not_fit(change, messages, tmp_path):
    """It says all that is wrong, and nothing is loaded, not even what fits."""
    model = TINY["vit"].build()
    before = model.get_weights()
    save_file(change(weights(shared("vit"))), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="other.safetensors'; .* doesn't fit model 'vit'; nothing was ") as caught:
        vitgraph.load_weights(model, tmp_path / "other.safetensors")
    for message in messages:
        assert message in str(caught.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_load_weights_arguments():
    with pytest.raises(ValueError, match="load_weights: source='timm'; allowed: None, vitgraph, .*vit/timm"):
        vitgraph.load_weights(shared("vit"), {}, source="timm")


def test_save_weights_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"save_weights: path=.*weights.h5'; allowed: .* ends in .safetensors"):
        vitgraph.save_weights(shared("vit"), tmp_path / "weights.h5")
    with pytest.raises(OSError, match="absent"):
        vitgraph.save_weights(shared("vit"), tmp_path / "absent" / "weights.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vitgraph.pyramid(FOREIGN), "pyramid: model=.*foreign.*; allowed: a graph of this package"),
        (lambda: vitgraph.attention(FOREIGN), "attention: model=.*foreign.*; allowed: a graph of this package"),
        (lambda: vitgraph.simple_feature_pyramid(FOREIGN), "model=.*foreign.*; allowed: a graph of this package"),
        (lambda: vitgraph.load_weights(FOREIGN, {}), "model=.*foreign.*; allowed: a graph of this package"),
        (lambda: vitgraph.pyramid(shared("swin"), ["P9"]), r"pyramid: levels=\['P9'\]; allowed: None, or .*: P2, P3"),
        (lambda: vitgraph.pyramid(shared("swin"), []), r"pyramid: levels=\[\]; allowed: None, or one or more"),
        (lambda: vitgraph.pyramid(shared("swin"), ["P2", "P2"]), "allowed: None, or one or more of these, each once"),
        (lambda: vitgraph.pyramid(shared("swin"), ["P2"], blocks=[0]), "levels=.*; allowed: None with `blocks`"),
        (lambda: vitgraph.pyramid(shared("vit"), blocks=[2]), r"pyramid: blocks=\[2\]; allowed: one or more of 2, "),
        (lambda: vitgraph.pyramid(shared("vit"), blocks=[-3]), r"pyramid: blocks=\[-3\]; allowed: .*: -2 to 1"),
        (lambda: vitgraph.pyramid(shared("vit"), blocks=[0, -2]), r"pyramid: blocks=\[0, -2\]; allowed: .*, each once"),
        (
            lambda: vitgraph.simple_feature_pyramid(vitgraph.build_vit((28, 28, 3), patch_size=14, dim=12, depth=1)),
            "simple_feature_pyramid: model=.*; allowed: .* stride 4, 8, 16 or 32, not 14",
        ),
    ],
)
def test_features(call, message):
    with pytest.raises(ValueError, match=message):
        call()
