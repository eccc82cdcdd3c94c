"""What nets begin with, beside what the reference implementations begin with."""

import csv
import math
import pathlib
import re

import numpy as np
import pytest

import vitgraph
from tests.parity import initial_weights as official
from tests.variants import value
from vitgraph.checkpoints.names import SOURCES

TABLE = pathlib.Path(__file__).with_name("initial_weights.csv")
"""Moments of timm's fresh parameters over two seeds; N stands for any number. Rounded to four digits."""

TIMM = {}
for row in csv.DictReader(TABLE.read_text().splitlines()):
    TIMM.setdefault(row["variant"], {})[row["parameter"]] = (float(row["mean"]), float(row["deviation"]), row["kind"])


def moments(variant, names):
    """(mean, deviation, kind of distribution) of timm's parameters of these names together."""
    table = TIMM[variant]
    rows = [table.get(name) or table[re.sub(r"\d+", "N", name)] for name in names]
    mean = np.mean([row[0] for row in rows])
    return mean, math.sqrt(np.mean([row[1] ** 2 + (row[0] - mean) ** 2 for row in rows])), rows[0][2]


def assert_drawn(variable, mean, deviation, kind):
    """Mean and deviation within 4 percent and four deviations of what the size of the sample lets them vary."""
    drawn = value(variable).astype("float64")
    noise = 4 * deviation / math.sqrt(drawn.size)
    assert abs(drawn.mean() - mean) <= 2 * noise + 1e-3 * abs(mean) + 1e-6, variable.path
    assert abs(drawn.std() - deviation) <= 0.04 * deviation + 2 * noise, variable.path
    if drawn.size > 500 and deviation:
        furthest = np.abs(drawn - mean).max() / deviation
        assert (furthest < 2) == (kind == "uniform"), variable.path


STEPS = {"pvt_v2_b0": 8, "mobilevit_xs": 10, "mobilevitv2_050": 9, "twins_svt_small": 18, "twins_pcpvt_small": 16}
"""Blocks over which timm's rates of stochastic depth grow, where they aren't 12."""


@pytest.mark.parametrize("variant", TIMM)
def test_as_timm(variant):
    """The weights, and the rates of stochastic depth."""
    model = vitgraph.create(variant, drop_path_rate=0.2)
    family = vitgraph.registry.variant(variant)[0].__name__.removeprefix("build_")
    source = SOURCES[f"{'twins_pcpvt' if family == 'twins_svt' else family}/timm"]
    for variable in model.trainable_variables:
        assert_drawn(variable, *moments(variant, source.names(variable.path)[0]))

    rates = {round(layer.drop_path, 5) for layer in model.layers if getattr(layer, "drop_path", 0)}
    if variant.startswith(("levit", "cait")):
        assert rates == {0.2}
    elif variant.startswith("mobilevit"):  # timm also drops blocks that have no shortcut, and all with them
        steps = STEPS[variant] - 1
        assert rates < {round(0.2 * i / steps, 5) for i in range(1, steps + 1)} and len(rates) > 3
    else:
        steps = STEPS.get(variant, 12) - 1
        assert rates == {round(0.2 * i / steps, 5) for i in range(1, steps + 1)}


OFFICIAL = official()


@pytest.mark.parametrize("variant", OFFICIAL)
def test_as_the_official_code(variant):
    for variable in vitgraph.create(variant).trainable_variables:
        path = variable.path
        if path.endswith(("/kernel", "/token", "/table", "/latent")):
            rule = next(rule for pattern, rule in OFFICIAL[variant].items() if re.fullmatch(pattern, path))
            deviation, kind, *mean = rule(variable)
            assert_drawn(variable, *(mean or [0.0]), deviation, kind)


def test_class_token_of_a_compact_transformer():
    assert not np.any(vitgraph.build_vit_lite((32, 32, 3)).get_layer("cls_token").token)


def test_as_the_original_vit():
    model = vitgraph.create("vit_tiny_patch16_224", weight_init="jax")
    for layer in model.layers:
        if layer.name.endswith(("qkv", "proj", "fc1", "fc2")):
            fan_in, fan_out = layer.kernel.shape
            assert_drawn(layer.kernel, 0.0, (2 / (fan_in + fan_out)) ** 0.5, "uniform")
    assert_drawn(model.get_layer("block_0_mlp_fc1").bias, 0.0, 1e-6, "normal")
    embed = model.get_layer("patch_embed")
    deviation, cut = value(embed.kernel).std() * (16 * 16 * 3) ** 0.5, np.abs(embed.kernel).max() / np.std(embed.kernel)
    assert deviation == pytest.approx(1, rel=0.01) and 2.2 < cut < 2.3
    assert not np.any(embed.bias) and not np.any(model.get_layer("head").kernel)
