"""Rules that join arguments: each that a builder states is broken by a row here, and the message says what is wrong.

What one argument alone may be, `test_bad_calls` asks.
"""

import ast
import inspect
import pathlib
import traceback

import keras
import pytest

from tests import ROOT
from tests.variants import BUILDERS, images
from vitgraph.builders.efficient_vit import nystrom_attention
from vitgraph.builders.small_data_vit import shifted_patch_tokenization
from vitgraph.contract import shown

HEADLESS = {"include_top": False}
OPEN = {"input_shape": (None, None, 3)}
TOKEN = {"pooling": "token", "class_token": False, **HEADLESS}
NONE_THERE = "pooling", "not the class token with class_token=False: there is none"

EVERY = [  # arguments, the one that is refused, what is allowed: put to every builder
    ({"input_shape": (3, 224, 3)}, "input_shape", "height and width of at least "),
    ({"input_shape": (None, 224, 3)}, "input_shape", "(height, width, channels): "),
    ({"pooling": "avg"}, "pooling", "None with include_top=True"),
    ({"input_tensor": keras.KerasTensor((None, 64, 64, 3))}, "input_tensor", "None, or a floating KerasTensor (batch,"),
    ({"input_tensor": images()}, "input_tensor", "None, or a floating KerasTensor"),
    ({"input_tensor": keras.Input((64, 3), name="flat")}, "input_tensor", "None, or a floating KerasTensor (batch,"),
    ({"input_tensor": keras.Input((2, 2, 3))}, "input_shape", "height and width of at least "),
]  # fmt: skip


def _no_layer(dim, num_heads, name):
    """An attention that is none."""


def _narrow_layer(dim, num_heads, name):
    """One that forgets the width."""
    return keras.layers.Dense(7, name=name)


def _narrow_block(x, t, drop_path, name):
    return keras.layers.Dense(7, name=name)(x)


def _no_block(x, t, drop_path, name):
    raise RuntimeError("nothing here")


OWN = {  # builder: (arguments, the one that is refused, what is allowed), ...
    "ats_vit": [
        ({"ats_blocks": (3, 3)}, "ats_blocks", "different indices of blocks, here 0 to 11"),
        ({"ats_blocks": (11, 12)}, "ats_blocks", "different indices of blocks, here 0 to 11"),
        ({"num_tokens": (128, 64)}, "num_tokens", ""),
        ({"num_heads": 5}, "num_heads", "divisors of the width, here 5 of 384"),
    ],
    "beit": [({"img_size": 8, **OPEN}, "img_size", "height and width of at least 16")],
    "cait": [
        ({"mlp_ratio_token_only": 0.001}, "mlp_ratio_token_only", "at least 1 / width, here 0.001 of 192"),
        ({"num_heads": 5}, "num_heads", "divisors of the width, here 5 of 192"),
    ],
    "cct": [
        ({"num_heads": 5}, "num_heads", "divisors of the width, here 5 of 384"),
        ({"padding": 8}, "padding", "at most kernel_size"),
        ({"pooling_padding": 2}, "pooling_padding", "at most half of pooling_kernel_size"),
        (
            {"input_shape": (16, 16, 3), "padding": 0, "kernel_size": 17},
            "kernel_size", "kernels that fit into their maps, here of an image of (16, 16)",
        ),
    ],
    "convit": [
        ({"local_depth": 12}, "local_depth", "fewer than all 12 blocks: the class token joins after them"),
        ({"img_size": 8, **OPEN}, "img_size", "height and width of at least 16"),
    ],
    "crossformer": [
        ({"kernel_sizes": ((4, 7), (2,), (2,), (2,))}, "kernel_sizes", "for each stage"),
        ({"kernel_sizes": ((4, 8), (2,), (2,))}, "kernel_sizes", "4 entries, one per stage"),
        ({"group_sizes": (7, 7, (7, 7), 7)}, "group_sizes", "for each stage an integer, or one"),
        ({"pos_embed": "learn", **OPEN}, "input_shape", "a known height and width: with pos_embed"),
        ({"num_heads": (2, 6, 12, 25)}, "num_heads", "divisors of the width, here 25 of 768"),
        ({"dims": (8, 192, 384, 768), "num_heads": (2, 6, 12, 24)}, "dims", ""),
        ({"mlp_ratios": (4, 4, 4, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 768"),
    ],
    "crossvit": [
        ({"num_heads": (6, 7)}, "num_heads", "divisors of the width, here 7 of 384"),
        ({"fusion_heads": (5, 6)}, "fusion_heads", "divisors of the width, here 5 of 192"),
        ({"mlp_ratios": (4, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 384"),
        ({"patch_sizes": (8, 16), "multi_conv": True}, "patch_sizes", "12 and 16 with multi_conv=True"),
        (
            {"dims": (3, 3), "num_heads": (1, 1), "patch_sizes": (12, 16), "multi_conv": True},
            "dims", "at least 4 with multi_conv=True",
        ),
        ({"patch_sizes": (1, 16), "img_scales": (2.0, 1.0)}, "patch_sizes", "at least the scale, here 2.0"),
        ({"img_size": 17, **OPEN}, "img_size", "height and width of at least 18"),
        ({"input_shape": (17, 240, 3)}, "input_shape", "height and width of at least 18"),
        ({"dims": (192, 384, 768)}, "dims", ""),
    ],
    "cvt": [
        ({"class_token": (False, False, False), "pooling": "token", **HEADLESS}, "pooling", "not the class"),
        ({"num_heads": (1, 3, 7)}, "num_heads", "divisors of the width, here 7 of 384"),
        ({"mlp_ratios": (4, 4, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 384"),
        ({"kernel_sizes": (7, 2, 3), "strides": (4, 1, 2)}, "kernel_sizes", "an odd kernel where the stride"),
        ({"paddings": (1, 1, 1)}, "paddings", "here 2 to 3: a position for every 4 pixels"),
        ({"paddings": (2, 1, 2)}, "paddings", "here 1 to 1: a position for every 2 pixels"),
        ({"paddings": (2, 1)}, "paddings", "3 entries, one per stage, as many as "),
        ({"class_token": (False, True)}, "class_token", "3 entries, one per stage, as many as "),
        ({"padding_kv": 2, "qkv_method": "avg"}, "padding_kv", "at most half of the kernel, here of 3"),
        ({"stride_q": (1, 1, 2)}, "stride_q", "1: every position needs a query"),
        ({"padding_q": 0}, "padding_q", "half of an odd kernel, here of 3: every position needs a query"),
        (
            {"input_shape": (64, 64, 3), "kernel_qkv": 7, "padding_q": 3},
            "input_shape", "height and width of at least 80",
        ),
    ],
    "deepvit": [
        ({"apply_transform": (True, False)}, "apply_transform", "one value, or 16, one per block"),
        ({"patch_size": 15, "stem_dim": 8}, "patch_size", "even numbers with a stem"),
    ],
    "deit": [
        ({"img_size": 8, **OPEN}, "img_size", "height and width of at least 16"),
        ({"block": _narrow_block}, "block", "a function (x, transformer, drop_path, name) -> x, both"),
        ({"block": _no_block}, "block", "a function (x, transformer, drop_path, name) -> x; this one raises"),
    ],
    "efficient_vit": [
        ({"attention": _no_layer}, "attention", "what gives layers; it gave None"),
        ({"attention": _narrow_layer}, "attention", "layers (None, 197, 512) -> (None, 197, 512); it gave "),
        ({"class_token": False, "global_pool": "token"}, "global_pool", "not the class token with"),
    ],
    "efficientvit": [
        ({"head_dim": 100}, "head_dim", "at most the widths with attention, [64, 128]"),
        ({"embed_ratios": (0.001, 4, 4, 4)}, "embed_ratios", "at least 1 / width, here 0.001 of 8"),
        ({"expansions": (4, 4, 4, 0.001)}, "expansions", "at least 1 / width, here 0.001 of 128"),
        ({"input_shape": (31, 64, 3)}, "input_shape", "height and width of at least 32"),
    ],
    "efficientvit_msra": [
        ({"num_heads": (4, 4, 5)}, "num_heads", "divisors of the width, here 5 of 384"),
        ({"num_heads": (4, 4, 6)}, "kernel_sizes", "at least 6 entries, one per head"),
        ({"dims": (12, 24, 48)}, "dims", "a first width that 8 divides"),
        ({"downsamples": (False, True, False)}, "downsamples", "True where the width changes"),
        ({"img_size": 15, **OPEN}, "img_size", "height and width of at least 16"),
    ],
    "eva": [
        ({"num_heads": 128}, "num_heads", "heads whose width 4 divides, with rope, here 6"),
        ({"num_kv_heads": 5}, "num_kv_heads", "divisors of num_heads, here 12"),
        ({"num_kv_heads": (6, 6)}, "num_kv_heads", "one number or one per block, here 12"),
        ({"num_kv_heads": 6}, "k_bias", "True where keys have fewer heads than queries"),
        ({"rope": "mixed", "rope_reference": 16}, "rope_reference", "None with rope='mixed'"),
        ({"rope": "mixed", "k_bias": True, "num_kv_heads": 6}, "num_kv_heads", "None with rope='mixed'"),
        ({"rope": "mixed", "rope_halves": True}, "rope_halves", "False with rope='mixed'"),
        ({"img_size": 8, **OPEN}, "img_size", "height and width of at least 16"),
    ],
    "fastvit": [
        ({"dims": (64, 96, 192, 384)}, "dims", "widths that are multiples of the one before"),
        ({"last_ratio": 1.5}, "last_ratio", "a whole number of times the width"),
        ({"embed_kernel_size": 1}, "embed_kernel_size", "at least 3"),
        (
            {"token_mixers": ("repmixer",) * 3 + ("attention",), "head_dim": 48},
            "head_dim", "a divisor of the widths with attention, here [512]",
        ),
        ({"mlp_ratios": (4, 4, 4, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 512"),
        ({"input_shape": (31, 64, 3)}, "input_shape", "height and width of at least 32"),
    ],
    "hiera": [
        ({"q_pool": 4}, "q_pool", "fewer than the 4 stages"),
        ({"mask_unit_size": 6}, "mask_unit_size", "a power of q_stride: 1, 2, 4, 8"),
        ({"dims": (96, 96, 384, 768)}, "dims", "another width after each block that pools"),
        ({"dims": (96, 192, 384, 800), "expansion": "pool"}, "expansion", '"linear" where a width isn'),
        ({"num_heads": (1, 2, 4, 7)}, "num_heads", "divisors of the width, here 7 of 768"),
        ({"mlp_ratio": 0.001}, "mlp_ratio", "at least 1 / width, here 0.001 of 96"),
        ({"img_size": 3, **OPEN}, "img_size", "height and width of at least 4"),
    ],
    "levit": [
        (OPEN, "input_shape", "a known height and width: the biases of attention are tables"),
        ({"dims": (12, 24, 48), "key_dim": 4}, "dims", "a first width that 8 (`stem_stride` / 2)"),
        ({"key_dim": 300}, "key_dim", "at most the least width, here 256"),
        ({"attn_ratios": (2, 2, 0.001)}, "attn_ratios", "at least 1 / width, here 0.001 of 32"),
        ({"mlp_ratios": (2, 2, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 512"),
        ({"depths": (4, 4)}, "depths", "3 entries, one per stage, as many as dims"),
        ({"input_shape": (8192, 8192, 3)}, "input_shape", "at most "),
    ],
    "localvit": [
        ({"reduction": 800}, "reduction", "at most the hidden width, here 768; None is 192"),
        ({"img_size": (8, 16), **OPEN}, "img_size", "height and width of at least 16"),
    ],
    "localvit_pvt": [
        ({"reduction": 513}, "reduction", "at most the hidden width, here 512; None is 64"),
        ({"sr_ratios": (8, 4, 2, 2)}, "sr_ratios", "1 in the last stage with class_token=True"),
    ],
    "maxvit": [
        ({"head_dim": 24}, "head_dim", "a divisor of the widths with attention, here [64]"),
        ({"block_types": ("C", "C", "T", "T"), "dims": (64, 128, 256, 500)}, "head_dim", "a divisor of the widths"),
        ({"block_types": ("P",) * 4, "head_dim": 1, "dims": (63, 128, 256, 512)}, "dims", "even widths with blocks P"),
        ({"conv": "convnext", "dims": (96, 128, 256, 512)}, "dims", "widths that are multiples of the one before"),
        ({"conv": "convnext", "stride_mode": "1x1"}, "stride_mode", '"dw" or "pool" with conv="convnext"'),
        ({"conv": "convnext", "expand_ratio": 0.001}, "expand_ratio", "at least 1 / width, here 0.001 of 64"),
        ({"se_ratio": 0.001}, "se_ratio", "at least 1 / width, here 0.001 of 64"),
        ({"mlp_ratio": 0.001}, "mlp_ratio", "at least 1 / width, here 0.001 of 64"),
        ({"img_size": 31, **OPEN}, "img_size", "height and width of at least 32"),
    ],
    "mit": [
        ({"num_heads": (1, 2, 5, 7)}, "num_heads", "divisors of the width, here 7 of 256"),
        ({"mlp_ratios": (4, 4, 4, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 256"),
        ({"kernel_sizes": (3, 3, 3, 3)}, "kernel_sizes", "kernels at least as large as the strides"),
        ({"input_shape": (31, 64, 3)}, "input_shape", "height and width of at least 32"),
    ],
    "mobilevit": [
        ({"num_heads": (4, 5, 4)}, "num_heads", "divisors of the width, here 5 of 192"),
        ({"num_heads": (4, 4)}, "num_heads", "3 entries, "),
        ({"mlp_ratios": (2, 2, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 240"),
        (
            {"attn_dims": (8,) * 6, "attn_depths": (1,) * 6, "num_heads": (1,) * 6, "mlp_ratios": (2,) * 6},
            "attn_dims", "at most 5 entries, as many as there are stages",
        ),
    ],
    "mobilevit_v2": [
        (
            {"attn_dims": (8,) * 6, "attn_depths": (1,) * 6, "mlp_ratios": (2,) * 6},
            "attn_dims", "at most 5 entries, as many as there are stages",
        ),
        ({"attn_depths": (2, 4)}, "attn_depths", "3 entries, "),
        ({"mlp_ratios": (2, 2, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 256"),
        (
            {"input_shape": (32, 32, 3), "strides": (2, 2, 2, 2, 2)},
            "input_shape", "height and width of at least 64",
        ),
    ],
    "mvit_v2": [
        ({"num_heads": (1, 2, 4, 7)}, "num_heads", "divisors of the width, here 7 of 768"),
        ({"mlp_ratio": 0.001}, "mlp_ratio", "at least 1 / width, here 0.001 of 96"),
        ({"q_strides": (1, 2, 2, 3)}, "q_strides", "1 and even numbers"),
        ({"kv_strides": (4, 2, 1)}, "kv_strides", "4 entries, one per stage, as many as dims"),
        ({"global_pool": "token"}, "global_pool", "not the class token with class_token=False: there is none"),
        ({"input_shape": (3, 64, 3)}, "input_shape", "height and width of at least 4"),
        ({"img_size": 3, **OPEN}, "img_size", "height and width of at least 4"),
        (TOKEN, *NONE_THERE),
    ],
    "nest": [
        (OPEN, "input_shape", "a known height and width: the position tables hold for one grid"),
        ({"input_shape": (224, 216, 3)}, "input_shape", "multiples of 16, for 4 x 4 parts"),
        ({"num_heads": (3, 6, 13)}, "num_heads", "divisors of the width, here 13 of 384"),
        ({"mlp_ratios": (4, 4, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 384"),
    ],
    "parallel_vit": [
        ({"num_parallel": 2, "joint": True}, "num_parallel", "1 with joint=True"),
        ({"attn_proj": False, "joint": True, "num_parallel": 1}, "attn_proj", "True with joint=True"),
        ({"num_heads": 5}, "num_heads", "divisors of the width, here 5 of 768"),
    ],
    "patch_merger_vit": [
        ({"patch_merge_layer": 13}, "patch_merge_layer", "at most the number of blocks, here 12"),
    ],
    "pit": [
        ({"dims": (144, 288, 432)}, "dims", "multiples of the width of the stage before"),
        ({"num_heads": (3, 6, 11)}, "num_heads", "divisors of the width, here 11 of 576"),
        ({"mlp_ratios": (4, 4, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 576"),
        ({"img_size": 8, **OPEN}, "img_size", "height and width of at least 16"),
    ],
    "pvt": [
        ({"num_heads": (1, 2, 5, 7)}, "num_heads", "divisors of the width, here 7 of 512"),
        ({"mlp_ratios": (8, 8, 4, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 512"),
        ({"sr_ratios": (8, 4, 2, 2)}, "sr_ratios", "1 in the last stage with class_token=True"),
        ({"img_size": (224, 16), **OPEN}, "img_size", "height and width of at least 32"),
        ({"patch_sizes": (4, 2, 2)}, "patch_sizes", ""),
        (TOKEN, *NONE_THERE),
    ],
    "pvt_v2": [
        ({"depths": (2, 2, 2)}, "depths", "4 entries, one per stage, as many as dims"),
        ({"num_heads": (1, 2, 5, 7)}, "num_heads", "divisors of the width, here 7 of 256"),
        ({"mlp_ratios": (8, 8, 4, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 256"),
        (
            {"input_shape": (32, 32, 3), "sr_ratios": (16, 4, 2, 1)},
            "input_shape", "height and width of at least 64",
        ),
    ],
    "regionvit": [
        ({"dims": (64, 128, 200, 512), "num_heads": (2,) * 4}, "dims", "multiples, each of the"),
        ({"stem_dim": 48}, "dims", "multiples, each of the one before, and the first of 48"),
        ({"num_heads": (2, 4, 8, 17)}, "num_heads", "divisors of the width, here 17 of 512"),
        ({"mlp_ratios": (4, 4, 4, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 512"),
        ({"stem_stride": 8}, 'stem_stride', '4 with patch_conv_type="3conv"'),
        ({"stem_stride": 1, "patch_conv_type": "1conv"}, 'stem_stride', 'at least 2 with patch_conv_type="1conv"'),
        ({"dims": (2, 2, 2, 2), "num_heads": (1,) * 4}, 'stem_dim', 'at least 4 with patch_conv_type="3conv"'),
        (
            {"stem_stride": 512, "patch_conv_type": "linear", "input_shape": (512, 512, 3)},
            "stem_stride", "regions of at most 512 pixels a side",
        ),
        ({"window_sizes": (7, 7, 7, 5)}, "window_sizes", "no side smaller than the first, here 7"),
        ({"window_sizes": (7, 7, 7)}, "window_sizes", "4 entries, one per stage, as many as "),
    ],
    "scalablevit": [
        ({"num_heads": (2, 4, 8, 17)}, "num_heads", "divisors of the width, here 17 of 512"),
        ({"mlp_ratios": (4, 4, 4, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 512"),
        (
            {"c_ratios": (1.27, 1.25, 1.25, 1)},
            "c_ratios", "ratios that make the width a multiple of the heads, here 81 for 2",
        ),
        ({"c_ratios": (1 / 64, 1, 1, 1)}, "c_ratios", "ratios that make the width a multiple"),
        (
            {"input_shape": (32, 32, 3), "sr_ratios": (16, 4, 2, 1)},
            "input_shape", "height and width of at least 64",
        ),
    ],
    "simple_vit": [
        ({"dim": 18, "num_heads": 2}, "dim", "a multiple of 4: sine and cosine of rows and columns"),
    ],
    "small_data_pit": [
        ({"dims": (96, 192, 300), "spt": False}, "dims", "with spt=False, multiples of the width"),
        ({"attn_proj": (True, False)}, "attn_proj", "3 entries, one per stage, as many as dims"),
        ({"mlp_ratios": (2, 2, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 384"),
    ],
    "small_data_vit": [
        ({"patch_size": 1}, "patch_size", "at least 2 with spt=True, which shifts by half a patch"),
        ({"img_size": (2, 32), **OPEN}, "img_size", "height and width of at least 4"),
        ({"attn_proj": False, "head_dim": 8}, "attn_proj", "True where "),
    ],
    "swin": [
        ({"num_heads": (3, 6, 12, 25)}, "num_heads", "divisors of the width, here 25 of 768"),
        ({"num_heads": (3, 6, 12)}, "num_heads", "4 entries, one per stage, as many as depths"),
        ({"mlp_ratios": (4, 4, 4, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 768"),
        ({"window_sizes": (7, 7, 7)}, "window_sizes", "4 entries, one per stage, as many as depths"),
        ({"dim": 4096}, "dim", "at most 16384 in the last stage, here 32768"),
        ({"pos_embed": "learn", **OPEN}, "img_size", 'a size: with pos_embed="learn" there is a table for it'),
    ],
    "swin_v2": [
        ({"num_heads": (3, 6, 12, 25)}, "num_heads", "divisors of the width, here 25 of 768"),
        ({"mlp_ratios": (4, 4, 4, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 768"),
        ({"window_sizes": (7, 7, 7)}, "window_sizes", "4 entries, one per stage, as many as depths"),
        ({"pretrained_window_sizes": (12, 12, 12)}, "pretrained_window_sizes", "4 entries, one per"),
        ({"pos_embed": "learn", **OPEN}, "img_size", 'a size: with pos_embed="learn" there is a table for it'),
    ],
    "t2t_vit": [
        ({"token_dim": 1}, "token_dim", "at least 2 with performers"),
        ({"strides": (4, 2)}, "strides", "3 entries, "),
        ({"kernel_sizes": (7, 3, 99)}, "kernel_sizes", "kernels that fit into their maps, here of an"),
    ],
    "tnt": [
        ({"legacy": True, "inner_stride": 5}, "inner_stride", "a divisor of the patch's sides with legacy=True, here"),
        ({"num_inner_heads": 5}, "num_inner_heads", "divisors of the width, here 5 of 24"),
        ({"num_heads": 5}, "num_heads", "divisors of the width, here 5 of 384"),
        ({"img_size": 8, **OPEN}, "img_size", "height and width of at least 16"),
    ],
    "twins_pcpvt": [
        ({"num_heads": (1, 2, 5, 7)}, "num_heads", "divisors of the width, here 7 of 512"),
        ({"patch_sizes": (4, 2, 2)}, "patch_sizes", ""),
        (
            {"input_shape": (32, 32, 3), "sr_ratios": (8, 8, 2, 1)},
            "input_shape", "height and width of at least 64",
        ),
    ],
    "twins_svt": [
        ({"depths": (2, 2, 10)}, "depths", "4 entries, one per stage, as many as patch_sizes"),
        ({"mlp_ratios": (8, 8, 4, 0.001)}, "mlp_ratios", "at least 1 / width, here 0.001 of 512"),
    ],
    "tiny_vit": [
        ({"dims": (1, 128, 160, 320)}, "dims", "a first width of at least 2"),
        ({"num_heads": (2, 4, 5, 7)}, "num_heads", "divisors of the width, here 7 of 320"),
        ({"expand_ratio": 0.001}, "expand_ratio", "at least 1 / width, here 0.001 of 64"),
        ({"mlp_ratio": 0.001}, "mlp_ratio", "at least 1 / width, here 0.001 of 128"),
        ({"input_shape": (31, 64, 3)}, "input_shape", "height and width of at least 32"),
    ],
    "visformer": [
        ({"num_heads": (6, 6, 1024)}, "num_heads", "heads of at least one channel, here [16, 64, 0]"),
        ({"mlp_ratio": 0.001}, "mlp_ratio", "at least 1 / width, here 0.001 of 192"),
        ({"groups": 7}, "groups", "a divisor of the hidden widths with a 3x3 convolution, here of [384, 768, 1536]"),
        ({"img_size": 31, **OPEN}, "img_size", "height and width of at least 32"),
    ],
    "vit": [
        ({"num_heads": 5}, "num_heads", "divisors of the width, here 5 of 768"),
        ({"dim": 18, "num_heads": 2, "pos_embed": "sincos"}, "dim", "a multiple of 4 with pos_embed='sincos'"),
        ({"img_size": 8, **OPEN}, "img_size", "height and width of at least 16"),
        ({"class_token": False}, "global_pool", "not the class token with class_token=False: there is none"),
        ({"global_pool": "avg", **TOKEN}, *NONE_THERE),
        ({"num_heads": 1024, "head_dim": 1024}, "num_heads", "heads of at most 16384 channels altogether"),
        ({"mlp_ratio": 0.001}, "mlp_ratio", "at least 1 / width, here 0.001 of 768"),
        ({"dim": 15, "num_heads": 3, "mlp_ratio": 1, "gated_mlp": True}, "mlp_ratio", "an even hidden width"),
        ({"attn_proj": False, "head_dim": 8}, "attn_proj", "True where "),
        ({"global_pool": "map", "num_heads": 5, "head_dim": 8}, "num_heads", "divisors of the width, here 5 of"),
    ],
    "vit_lite": [
        ({"num_heads": 3}, "num_heads", "divisors of the width, here 3 of 256"),
        ({"img_size": (2, 32), **OPEN}, "img_size", "height and width of at least 4"),
        (TOKEN, *NONE_THERE),
    ],
    "xcit": [
        ({"dim": 7, "num_heads": 1}, "dim", "at least 8 with patch_size=16"),
        ({"num_heads": 5}, "num_heads", "divisors of the width, here 5 of 384"),
    ],
}  # fmt: skip


def rows(builder):
    """(arguments, name, allowed) of what a builder must refuse."""
    known = inspect.signature(builder).parameters
    own = OWN.get(builder.__name__.removeprefix("build_"), [])
    return [row for row in EVERY if set(row[0]) <= set(known)] + own


def refusal(builder, arguments):
    with pytest.raises((ValueError, TypeError)) as caught:
        builder(**arguments)
    return caught.value


@pytest.mark.parametrize("builder", BUILDERS)
def test_refusals(builder):
    for arguments, name, allowed in rows(builder):
        error = str(refusal(builder, arguments))
        start, _, end = error.partition("; allowed: ")
        assert start.startswith(f"{builder.__name__}: {name}="), error
        assert end.startswith(allowed), error
        if name in arguments and name != "img_size":  # which is shown as (height, width)
            assert start.endswith(f"={shown(arguments[name])}"), error


def places():
    """(file, line) of every rule that builders and their wiring state."""
    for path in sorted((ROOT / "vitgraph").glob("*/*.py")):
        for node in ast.walk(ast.parse(path.read_text())) if path.parent.name in ("builders", "wiring") else ():
            called = getattr(node, "func", None)
            name = getattr(called, "attr", getattr(called, "id", None))
            if name in ("require", "heads_divide", "has_hidden", "at_least", "known"):
                yield path.name, node.lineno


def test_every_rule_is_broken_here():
    """Those of the functions that builders share with users are broken below."""
    broken = set()
    for call in [(builder, row[0]) for builder in BUILDERS for row in rows(builder)] + [row[:2] for row in SHARED]:
        frames = traceback.extract_tb(getattr(refusal(*call).__context__, "__traceback__", None))
        broken |= {(pathlib.Path(frame.filename).name, frame.lineno) for frame in frames}
    assert set(places()) - broken == set()


SHARED = [
    (nystrom_attention, {"dim": 16, "num_heads": 3, "name": "x"}, "num_heads=3; allowed: divisors of the width"),
    (
        shifted_patch_tokenization, {"x": keras.Input((8, 64, 3)), "patch_size": 16, "dim": 8, "name": "spt"},
        "x=(8, 64, 3); allowed: height and width of at least 16",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("function", "arguments", "message"), SHARED)
def test_functions_that_builders_share(function, arguments, message):
    assert f"{function.__name__}: {message}" in str(refusal(function, arguments))
