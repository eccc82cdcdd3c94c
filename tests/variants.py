"""Tiny instances of every builder: the rows to which the tests put their questions."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

import vitgraph
from vitgraph.builders import vit
from vitgraph.registry import variant

CLASSES = 5


class Tiny(NamedTuple):
    """A builder and the arguments that make a net of it in which every mechanism runs, in no time."""

    builder: Callable
    arguments: dict
    tied: str = ""
    """Why its weights hold for one image size only; empty: they don't."""
    inert: str = r"(?!)"
    """Pattern of the variables that the scores in training don't depend on; the row says why."""

    def build(self, input_shape=(64, 64, 3), **overrides):
        """Gives logits unless told otherwise."""
        border = {"num_classes": CLASSES, "classifier_activation": None}
        return self.builder(input_shape, **{**border, **self.arguments, **overrides})

    def build_open(self, **overrides):
        """For images of any size, with tables for the usual one."""
        planned = {"img_size": (64, 64)} if self.builder is vitgraph.build_vit else {}
        return self.build((None, None, 3), **planned, **overrides)


TINY = {
    "vit": Tiny(vitgraph.build_vit, {"patch_size": 16, "dim": 16, "depth": 2, "num_heads": 2}),
    "vit_modern": Tiny(
        vitgraph.build_vit,
        {
            "patch_size": 16, "dim": 16, "depth": 2, "num_heads": 2, "reg_tokens": 2, "no_embed_class": True,
            "block": vit.parallel_scaling_block, "qk_norm": True, "rms_norm": True, "act": "silu", "gated_mlp": True,
            "init_values": 0.1, "global_pool": "map",
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
        vitgraph.build_swin, {"dim": 8, "depths": (2, 2), "num_heads": (2, 4), "window_size": 4, "mlp_ratio": 2}
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
        {"patch_size": 8, "dims": (8, 16), "depths": (1, 2), "num_heads": (2, 4), "mlp_ratio": 2},
        tied="a table holds the position of every token of every block",
    ),
}  # fmt: skip

OPEN = [name for name, tiny in TINY.items() if not tiny.tied]
"""Those that take images of any size."""

BUILDERS = {variant(name)[0] for name in vitgraph.list_models()}


@functools.cache
def shared(name):
    """The tiny net, which tests may only read."""
    return with_random_weights(TINY[name].build(name=name))


def with_random_weights(model, seed=0):
    """Scales around 1 and all else around 0, none at it: ones and zeros hide what a weight does."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        centre = 1.0 if variable.name in ("gamma", "scale", "moving_variance") else 0.0
        variable.assign(centre + 0.2 * random.standard_normal(variable.shape))
    return model


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
