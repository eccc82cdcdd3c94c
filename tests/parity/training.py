"""Some steps of training beside timm's: a golden file's tiny net, the same images, labels and numbers.

What is compared are losses, how far each weight has gone, and running statistics. timm trains in float64, and once more
in float32, which says what rounding does; ours, in float32, may differ from the former by `ROUNDINGS` times as much.

Adam divides a gradient by its own size, so that one that is nothing but rounding moves its weight as far as any other:
biases of keys, which softmax ignores, and biases in front of a batch norm, whose running mean then says nothing either.
A number therefore counts if its first gradient, or the change of a running statistic, is at least `CLEAR` times as
large as the largest rounding error in its tensor.
"""

import dataclasses
import functools
import importlib
import json

import keras
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from tests import GOLDEN
from tests.parity import translation
from vitgraph.checkpoints import load_weights, to_source
from vitgraph.training import Recipe
from vitgraph.training.optimizer import make_optimizer
from vitgraph.training.supervised import LOSSES

STEPS, SIZE, CLASSES = 3, 8, 10
CLEAR = 1000.0
ROUNDINGS = 10.0


def _recipe(rate, **numbers):
    """A recipe with a constant learning rate."""
    return Recipe(STEPS, SIZE, rate, SIZE, min_learning_rate=rate, **numbers)


ADAMW = _recipe(2.0**-10)
LAMB = _recipe(2.0**-8, optimizer="lamb", loss="binary", clip_norm=0.1)
CASES = {
    "cait_eps": ADAMW,
    "coatnet": ADAMW,
    "deit_distilled_eps": ADAMW,
    "levit_distilled_eps": ADAMW,
    "mobilevit_resize": ADAMW,
    "nest_eps": ADAMW,
    "pit_eps": ADAMW,
    "pvt_v2_linear_eps": ADAMW,
    "swin_eps": ADAMW,
    "twins_svt_nonsquare": ADAMW,
    "vit_registers_no_embed": LAMB,
}
"""{name of the golden file: recipe}; the last is trained as DeiT III was, with the gradients' limit where it acts."""

FOLDER = GOLDEN / "training"


@dataclasses.dataclass
class Steps:
    """What a training did.

    Args:
        losses: one per step, before it.
        changes: {timm's name: what was added to a weight, or to a running statistic}; NaN where it doesn't count.
        rounding: timm's own `Differences` in float32, as (loss, changes).
    """

    losses: np.ndarray
    changes: dict[str, np.ndarray]
    rounding: tuple[float, float] = (0.0, 0.0)

    def save(self, path):
        changes = {name: change.astype("float32") for name, change in self.changes.items()}
        save_file({"losses": self.losses, "rounding": np.array(self.rounding), **changes}, path)

    @classmethod
    def load(cls, path):
        changes = load_file(path)
        return cls(changes.pop("losses"), changes, rounding=tuple(changes.pop("rounding")))


@dataclasses.dataclass
class Differences:
    """Of some steps from others.

    Args:
        loss: the largest difference of a step's loss.
        changes: {name: norm of the difference of the changes / norm of the others}, of the numbers that count.
        unseen: names of which no number counts.
        counted: share of all numbers that count.
    """

    loss: float
    changes: dict[str, float]
    unseen: list[str]
    counted: float

    @property
    def largest(self):
        return max(self.changes.values())

    def is_rounding(self, theirs):
        """Whether no more than rounding can be the cause."""
        (loss, changes), unit = theirs.rounding, np.finfo("float32").eps
        same_loss = self.loss <= ROUNDINGS * max(loss, unit * theirs.losses.max())
        return same_loss and self.largest <= ROUNDINGS * max(changes, unit)


def differences(mine, others):
    """The `Differences` of some `Steps` from others, which say what counts."""
    assert set(mine.changes) == set(others.changes)
    counts = {name: ~np.isnan(change) for name, change in others.changes.items()}
    found = {}
    for name, count in counts.items():
        if count.any():
            here, there = mine.changes[name][count], others.changes[name][count]
            found[name] = float(np.linalg.norm(here - there) / np.linalg.norm(there))
    unseen = [name for name in counts if name not in found]
    share = sum(count.sum() for count in counts.values()) / sum(count.size for count in counts.values())
    return Differences(float(np.abs(mine.losses - others.losses).max()), found, unseen, float(share))


def ours(case):
    """`Steps` of our graph, by our optimizer and Keras' `fit`."""
    constructor, config, shape, weights = _read(case)
    port = translation(constructor)(config, (*shape[2:], shape[1]), weights)
    load_weights(port.model, weights, source=port.source)
    before = [(norm, np.array(norm.moving_variance)) for norm in _batch_norms(port.model)]
    recipe = CASES[case]
    loss = LOSSES[recipe.loss](from_logits=True)
    port.model.compile(make_optimizer(recipe, 1, port.model, port.model), loss, run_eagerly=True)
    images, labels = _data(shape)
    images, labels = images.transpose(0, 2, 3, 1).astype("float32"), labels.astype("float32")
    history = port.model.fit(images, labels, SIZE, STEPS, verbose=0, shuffle=False)
    for norm, variance in before:
        norm.moving_variance.assign(_as_pytorch(norm, variance))
    return _steps(history.history["loss"], weights, to_source(port.model, port.source))


def theirs(case):
    """`Steps` of timm's class in float64, by the optimizer that timm makes."""
    import torch

    start = _read(case)[3]
    losses, after, gradients = _train_timm(case, torch.float64)
    losses_32, after_32, gradients_32 = _train_timm(case, torch.float32)
    steps, rounded = _steps(losses, start, after), _steps(losses_32, start, after_32)
    for name, change in steps.changes.items():
        exact, other = (gradients[name], gradients_32[name]) if name in gradients else (change, rounded.changes[name])
        rounding = max(np.abs(other - exact).max(), np.abs(exact).max() * np.finfo("float32").eps)
        change[np.abs(exact) < CLEAR * rounding] = np.nan
    found = differences(rounded, steps)
    return dataclasses.replace(steps, rounding=(found.loss, found.largest))


def _train_timm(case, dtype):
    """(losses, state afterwards, gradients of the first step)."""
    import timm.optim
    import torch

    constructor, config, shape, weights = _read(case)
    net = _found(constructor)(**_resolved(config["kwargs"]))
    net.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=False)
    net.to(dtype).train()
    recipe = CASES[case]
    options = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay, "eps": recipe.epsilon}
    options |= {"adamw": {}, "lamb": {"max_grad_norm": recipe.clip_norm}}[recipe.optimizer]
    optimizer = timm.optim.create_optimizer_v2(net, recipe.optimizer, betas=(recipe.beta_1, recipe.beta_2), **options)
    functions = torch.nn.functional
    loss_of = {"softmax": functions.cross_entropy, "binary": functions.binary_cross_entropy_with_logits}[recipe.loss]
    images, labels = (torch.from_numpy(array).to(dtype) for array in _data(shape))
    losses, gradients = [], None
    for _ in range(STEPS):
        loss = loss_of(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        gradients = gradients or {name: weight.grad.numpy().copy() for name, weight in net.named_parameters()}
    kept = dict(net.named_parameters()) | {name: v for name, v in net.named_buffers() if ".running_" in name}
    return losses, {name: value.detach().numpy() for name, value in kept.items()}, gradients


def _steps(losses, before, after):
    counts = "num_batches_tracked"
    return Steps(np.array(losses), {n: value - before[n] for n, value in after.items() if not n.endswith(counts)})


def _as_pytorch(norm, before):
    """A running variance as PyTorch keeps it: of batches whose variance is multiplied by n / (n - 1)."""
    count = SIZE * np.prod(norm.input.shape[1:-1])
    old = norm.momentum**STEPS * before
    return old + (np.array(norm.moving_variance) - old) * count / (count - 1)


def _batch_norms(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


def _data(shape):
    """Images as PyTorch has them, and labels; NumPy's old generator gives the same numbers in all versions."""
    return np.random.RandomState(0).standard_normal((SIZE, *shape[1:])), np.eye(CLASSES)[np.arange(SIZE) % CLASSES]


def _read(case):
    """(constructor, its arguments, shape of the images, weights) of a golden file."""
    with safe_open(GOLDEN / f"{case}.safetensors", framework="numpy") as file:
        header, names = file.metadata(), [name for name in file.keys() if name.startswith("weights/")]
        weights = {name.removeprefix("weights/"): file.get_tensor(name) for name in names}
        return header["constructor"], json.loads(header["config"]), file.get_slice("input").get_shape(), weights


def _resolved(value):
    """Arguments in a golden header -> Python objects."""
    if isinstance(value, list):
        return [_resolved(item) for item in value]
    if not isinstance(value, dict):
        return value
    value = {key: _resolved(item) for key, item in value.items()}
    if "$ref" in value:
        return _found(value["$ref"])
    if "$partial" in value:
        return functools.partial(_found(value["$partial"]), **value["kwargs"])
    return _found(value["$call"])(**value["kwargs"]) if "$call" in value else value


def _found(path):
    module, name = path.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)
