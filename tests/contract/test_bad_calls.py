"""Is every wrong call refused with its reason, or does it give what works? Thousands of calls, made from the types."""

import keras
import pytest

from tests.contract.battery import Battery, answers
from tests.contract.good_calls import batteries, take
from tests.public import FUNCTIONS
from tests.variants import BUILDERS, TINY

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore")]

ROWS = {tiny.builder: tiny.arguments for tiny in reversed(TINY.values())}
FEWER = {
    "build_ats_vit": {"depth": 2, "ats_blocks": (1,), "num_tokens": (8,)},
    "build_convit": {"depth": 2},
    "build_deepvit": {"apply_transform": True},
    "build_patch_merger_vit": {"patch_merge_layer": 1},
}
"""What goes with one block, where there are usually more."""

ALIKE = ("build_cvt", "build_localvit_pvt", "build_nest", "build_pit", "build_pvt", "build_small_data_pit")
"""Those of several stages whose blocks are alike within a stage: one says as much as two."""

BESIDES = {
    "input_shape": [(None, None, 3), (32, None, 3), (33, 47, 3), (1, 1, 3)],
    "classifier_activation": ["log_softmax", "glu", keras.activations.tanh, keras.activations.glu],
    "dtype": [
        *("float16", "mixed_bfloat16", "float17", "int8", "int8_from_float32", "uint8", keras.DTypePolicy("float64")),
    ],
    "name": ["x" * 200, "x" * 201, "a b", "_x", "Ä"],
}

TENSORS = [
    keras.Input((None, 32, 3)),
    keras.Input((32, 32, None)),
    keras.Input((2, 2, 3)),
    keras.Input((32, 32, 3), batch_size=2, dtype="float16"),
    keras.Input((32, 32, 3), dtype="int32"),
    keras.Input((32, 32, 3), sparse=True),
    keras.layers.Conv2D(3, 1)(keras.Input((32, 32, 4))),
]
"""Images that a graph begins with: all builders leave them to the same few lines, so that some stand for all."""

BEGIN = ("build_cvt", "build_mobilevit", "build_pvt_v2", "build_swin", "build_vit")


def ask(*batteries):
    """All their calls; and a list of those whose answers are bad."""
    complaints = [complaint for battery in batteries for complaint in battery.complaints()]
    calls = sum(battery.calls for battery in batteries)
    assert not complaints, f"{len(complaints)} of {calls} calls:\n" + "\n".join(complaints)


def at_once(argument, value, place):
    """One net has all its rates and epsilons of one value; another the n-th good value of all its other arguments."""
    if isinstance(value, float):
        return value
    return None if argument == "input_tensor" else place


@pytest.mark.parametrize("builder", BUILDERS)
def test_builder(builder):
    arguments = dict(ROWS[builder])
    if "depth" in arguments:  # plain nets, whose blocks are alike
        arguments |= {"depth": 1, **FEWER.get(builder.__name__, {})}
    elif builder.__name__ in ALIKE:
        arguments["depths"] = (1,) * len(arguments["depths"])
    besides = BESIDES | ({"input_tensor": TENSORS} if builder.__name__ in BEGIN else {})
    ask(Battery(builder, {"input_shape": (32, 32, 3), "num_classes": 5, **arguments}, answers, besides, group=at_once))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """{name: Battery} of the other functions, in an empty folder, where nothing is trained or exported."""
    monkeypatch.chdir(tmp_path)
    begin = (
        "keras.Model.fit",
        "keras.Model.predict_on_batch",
        "huggingface_hub.HfApi.create_repo",
        "vitgraph.checkpoints.hub.checkpoint",
        "vitgraph.demo.look",
        "vitgraph.export.checking.written",
        "vitgraph.export.frozen.folded",
    )
    for slow in begin:
        monkeypatch.setattr(slow, take)
    return batteries(tmp_path)


OTHERS = {name: function for name, function in FUNCTIONS.items() if function not in BUILDERS}
GROUPS = {name.rpartition(".")[0] for name in OTHERS}


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_functions(group, elsewhere):
    ask(*(battery for name, battery in elsewhere.items() if name.rpartition(".")[0] == group))


def test_all_functions_are_asked(elsewhere):
    assert set(elsewhere) == set(OTHERS)
