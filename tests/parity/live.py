"""A variant at full size beside timm's own class, both ways, with random weights."""

import dataclasses
import time

import keras
import numpy as np

import vitgraph
from vitgraph.checkpoints import load_weights, to_timm
from vitgraph.registry import variant

CLASSES = 1000


@dataclasses.dataclass
class Live:
    """What a comparison found.

    Args:
        name: the variant's.
        parameters: number of ours, which is also timm's.
        deviation: standard deviation of timm's logits.
        difference: largest difference of logits, ours with timm's weights.
        seconds: of all of it, building included.
    """

    name: str
    parameters: int
    deviation: float
    difference: float
    seconds: float


def has(name):
    """Whether timm has a class for a variant."""
    import timm

    return name in timm.list_models()


def compare(name):
    """The `Live` of a variant.

    timm's random weights are loaded here, and ours go back into another instance of timm's class.

    Raises:
        AssertionError: the counts of parameters differ, or what comes back isn't equal to the bit.
    """
    import timm
    import torch

    begin = time.perf_counter()
    build, _ = variant(name)
    model = vitgraph.create(name, num_classes=CLASSES, classifier_activation=None)
    theirs = timm.create_model(name, num_classes=CLASSES).eval()
    torch.manual_seed(0)
    weights = _randomise(theirs)
    load_weights(model, {key: value.numpy() for key, value in weights.items()})
    count = sum(value.numel() for value in theirs.parameters())
    assert model.count_params() - _statistics(model) == count, f"{model.count_params()} parameters, timm has {count}"

    images = np.random.default_rng(0).normal(size=(1, *model.input_shape[1:])).astype("float32")
    with torch.no_grad():
        expected = theirs(torch.from_numpy(images.transpose(0, 3, 1, 2))).numpy()
    ours = keras.ops.convert_to_numpy(model(images, training=False))

    back = to_timm(model, framework="torch")
    for key, value in weights.items():
        counts = key.endswith("num_batches_tracked")
        assert counts or key not in back or torch.equal(back[key], value), f"{key} comes back changed"
    timm.create_model(name, num_classes=CLASSES).load_state_dict(back, strict=True)
    difference = float(np.abs(ours - expected).max())
    return Live(name, count, float(expected.std()), difference, time.perf_counter() - begin)


def _statistics(model):
    """Numbers of the moving statistics, which PyTorch doesn't count among the parameters."""
    return sum(v.shape[0] for v in model.weights if v.path.endswith(("moving_mean", "moving_variance")))


def _randomise(model):
    """Gives each weight of a model of PyTorch's values that matter; returns the state."""
    import torch

    state = model.state_dict()
    for name, value in state.items():
        if not value.is_floating_point():
            continue
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
        elif value.ndim < 2 and name.endswith("weight"):
            value.normal_(1.0, 0.1)
        elif value.ndim < 2:
            value.normal_(0.0, 0.1)
        elif name.endswith("weight"):
            value.normal_(0.0, value[0].numel() ** -0.5)
        else:  # tokens and tables
            value.add_(torch.randn_like(value) * 0.1)
    return state
