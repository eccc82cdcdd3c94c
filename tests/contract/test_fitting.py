"""What the types of signatures take, what they make of it, and what they refuse."""

import fractions
import json
import pathlib
import re
from typing import Literal

import keras
import numpy as np
import pytest

import vitgraph
from tests.contract.battery import Hostile
from vitgraph import contract as c
from vitgraph.contract.fitting import Misfit, fit, said

NAN, INF = float("nan"), float("inf")


def label(value):
    """A test's name, the same in every process: without addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", c.shown(value))


TAKEN = [  # type, value, what is made of it
    (c.Count, np.int64(5), 5),
    (c.Count, np.array(5), 5),
    (c.Count, np.uint8(255), 255),
    (c.Whole, 0, 0),
    (c.Rate, np.float32(0.5), 0.5),
    (c.Rate, 0, 0),
    (c.Rate, np.array(0.25), 0.25),
    (c.Epsilon, 1, 1),
    (bool, np.bool_(True), True),
    (bool, np.array(False), False),
    (c.Name, np.str_("vit"), "vit"),
    (c.Act, np.str_("gelu"), "gelu"),
    (c.Pooling, None, None),
    (c.PerStage[c.Width], [8, np.int32(16)], (8, 16)),
    (c.PerStage[c.Width], range(1, 4), (1, 2, 3)),
    (c.PerStage[c.Width], np.array([8, 16]), (8, 16)),
    (c.PerStage[c.Ratio], np.array([0.5, 4], "float32"), (0.5, 4.0)),
    (c.PerStage[tuple[c.Count, ...]], [[1, 2], np.array([3])], ((1, 2), (3,))),
    (c.OneOrPerStage[c.Count], np.int64(7), 7),
    (c.OneOrPerStage[c.Count], [7], (7,)),
    (c.Size, [3, 5], (3, 5)),
    (c.ImageSize, np.array([224, 192]), (224, 192)),
    (c.Image, [64, 96, 3], (64, 96, 3)),
    (c.Image, (None, None, np.int64(1)), (None, None, 1)),
    (c.Activation, "softmax", "softmax"),
    (c.Activation, keras.activations.softmax, "softmax"),
    (c.Activation | None, None, None),
    (Literal["a", 1, None], 1, 1),
]


@pytest.mark.parametrize(("kind", "value", "made"), TAKEN)
def test_taken(kind, value, made):
    """In plain Python, all the way down."""
    result = fit(value, kind)
    assert result == made
    assert repr(result) == repr(made)


REFUSED = [  # type, value, error
    (c.Count, True, TypeError),
    (c.Count, 5.0, TypeError),
    (c.Count, "5", TypeError),
    (c.Count, None, TypeError),
    (c.Count, np.float64(5), TypeError),
    (c.Count, np.bool_(True), TypeError),
    (c.Count, np.array([5]), TypeError),
    (c.Count, keras.ops.ones((2,), "int32"), TypeError),
    (c.Count, fractions.Fraction(5), TypeError),
    (c.Count, 0, ValueError),
    (c.Count, 2**20 + 1, ValueError),
    (c.Count, 10**400, ValueError),
    (c.Whole, -1, ValueError),
    (c.OddKernel, 4, ValueError),
    (c.Rate, 1, ValueError),
    (c.Rate, NAN, ValueError),
    (c.Rate, True, TypeError),
    (c.Rate, "0.1", TypeError),
    (c.Rate, np.array([0.1]), TypeError),
    (c.Rate, 1j, TypeError),
    (c.Positive, INF, ValueError),
    (c.Positive, 10**400, ValueError),
    (c.Positive, np.float64(NAN), ValueError),
    (c.Ratio, 0.0, ValueError),
    (c.Epsilon, 1e-300, ValueError),
    (c.Epsilon, (1e-6,), TypeError),
    (bool, 1, TypeError),
    (bool, None, TypeError),
    (bool, np.array([True]), TypeError),
    (c.Name, "a/b", ValueError),
    (c.Name, "", ValueError),
    (c.Name, 3, TypeError),
    (c.Act, "Gelu", ValueError),
    (c.Act, [], TypeError),
    (c.Pooling, "mean", ValueError),
    (c.Pooling, 3, TypeError),
    (Literal[1, 2], True, TypeError),
    (c.PerStage[c.Width], 8, TypeError),
    (c.PerStage[c.Width], "88", TypeError),
    (c.PerStage[c.Width], {8, 16}, TypeError),
    (c.PerStage[c.Width], iter((8, 16)), TypeError),
    (c.PerStage[c.Width], (), ValueError),
    (c.PerStage[c.Width], (8,) * 33, ValueError),
    (c.PerStage[c.Width], np.zeros((0, 2)), ValueError),
    (c.PerStage[c.Width], np.ones((2, 2), int), TypeError),
    (c.PerStage[c.Width], (8, None), TypeError),
    (c.Size, (3, 5, 7), ValueError),
    (c.Size, (3, 0), ValueError),
    (c.Image, (64, 64), ValueError),
    (c.Image, (None, 64, 3), ValueError),
    (c.Image, (64, 64, None), TypeError),
    (c.Image, 64, TypeError),
    (c.DType, "float17", ValueError),
    (c.DType, "int8", ValueError),
    (c.DType, 16, (TypeError, ValueError)),
    (c.Activation, "sofmax", ValueError),
    (c.Activation, "glu", ValueError),
    (c.Activation, 7, TypeError),
    (c.Activation, lambda x: x, ValueError),
    (c.ImageTensor, "image", TypeError),
    (c.ImageTensor, np.zeros((1, 8, 8, 3)), TypeError),
    (c.ImageTensor, keras.KerasTensor((None, 8, 8, 3)), TypeError),
    (c.ImageTensor, keras.Input((8, 8, 3), dtype="int32"), ValueError),
    (c.ImageTensor, keras.Input((8, 3)), ValueError),
    (c.ImageTensor, keras.Input((8, 8, None)), ValueError),
]


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize(("kind", "value", "error"), REFUSED, ids=label)
def test_refused(kind, value, error):
    with pytest.raises(Misfit) as caught:
        fit(value, kind)
    assert issubclass(caught.value.error, error)


KINDS = [kind for kind in map(c.__dict__.get, c.__all__) if hasattr(kind, "__metadata__") and not kind.__parameters__]
KINDS += [c.Act, c.Pooling, c.TokenPooling, c.Pool, c.Size, c.ImageSize, c.PerStage[c.Count], c.OneOrPerStage[c.Rate]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [Hostile(), object(), [Hostile()], {}, np.array([None]), 1j], ids=label)
def test_no_type_takes_it(kind, value):
    """Or asks what isn't to be asked."""
    with pytest.raises(Misfit):
        fit(value, kind)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (c.Count, "an integer from 1 to 1048576"),
        (bool, "True or False"),
        (c.Rate, "0 <= rate < 1"),
        (c.Rate | None, "None, or 0 <= rate < 1"),
        (c.Pooling, "None, or 'avg', 'max'"),
        (c.PerStage[c.Ratio], "a sequence, one entry per stage, each a number over 0, at most 64"),
        (c.OneOrPerBlock[bool], "True or False, or a sequence, one entry per block, each True or False"),
        (c.PerBranch[c.Count], "a sequence, one entry per branch, each an integer from 1 to 1048576"),
        (tuple[bool, bool], "a sequence of 2, each True or False"),
        (pathlib.Path, "a pathlib Path"),
    ],
    ids=label,
)
def test_words(kind, words):
    assert said(kind) == words


def test_saved_configurations_are_plain(tmp_path):
    """What numpy counted comes back from a file, and the file is the one that plain numbers give."""
    ours = {"dims": (8, 16), "depths": (1, 1), "num_heads": (1, 2), "mlp_ratios": (2.0, 2.0), "sr_ratios": (2, 1)}
    theirs = {name: np.array(value) for name, value in ours.items()}
    border = {"num_classes": 5, "norm_eps": 1e-6, "drop_rate": 0.5, "drop_path_rate": 0.25}
    plain = vitgraph.build_pvt_v2((32, 32, 3), **ours, **border)
    counted = vitgraph.build_pvt_v2(
        np.array([32, 32, 3]), **theirs, num_classes=np.int64(5), norm_eps=np.float64(1e-6), drop_rate=np.float32(0.5),
        drop_path_rate=np.float16(0.25), include_top=np.bool_(True),
    )  # fmt: skip
    assert _without_seeds(counted) == _without_seeds(plain)
    counted.save(tmp_path / "counted.keras")
    assert keras.saving.load_model(tmp_path / "counted.keras").count_params() == plain.count_params()


def _without_seeds(model):
    config = json.loads(model.to_json())
    for layer in config["config"]["layers"]:
        layer["config"].pop("seed", None)
    return config["config"]["layers"]
