"""Is every wrong call refused with its reason, or does it give what works? Thousands of calls, made from the types."""

import keras
import pytest

from tests.contract.battery import Battery, answers
from tests.variants import BUILDERS, TINY

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore")]

ROWS = {tiny.builder: tiny for tiny in reversed(TINY.values())}

SHAPES = [(None, None, 3), (32, None, 3), (None, 32, 3), (33, 47, 3), (64, 32, 1), (1, 1, 3), (3, 64, 3)]
TENSORS = [
    *(keras.Input(shape) for shape in SHAPES),
    keras.Input((32, 32, 3), dtype="float16"),
    keras.Input((32, 32, 3), dtype="int32"),
    keras.Input((32, 32, 3), batch_size=2),
    keras.Input((32, 32, 3), sparse=True),
    keras.Input((32, 32, None)),
    keras.Input((32, 3)),
    keras.layers.Conv2D(3, 1)(keras.Input((32, 32, 4))),
]


@pytest.mark.parametrize("builder", BUILDERS)
def test_builder(builder):
    good = {"input_shape": (32, 32, 3), "num_classes": 5, **ROWS[builder].arguments}
    battery = Battery(builder, good, answers, {"input_shape": SHAPES, "input_tensor": TENSORS})
    complaints = battery.complaints()
    assert not complaints, f"{len(complaints)} of {battery.calls} calls:\n" + "\n".join(complaints)
