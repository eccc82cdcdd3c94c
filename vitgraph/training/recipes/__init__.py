"""Recipes: the numbers of a training as data, each with its source."""

import dataclasses
import importlib.resources
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from vitgraph import contract as c
from vitgraph.images.augmentation import Augmentation

_FOLDER = importlib.resources.files(__package__)

_LearningRate = Annotated[float, c.Rule("a number from 1e-30 to 1e30", lambda v: 1e-30 <= v <= 1e30)]
_FromZero = Annotated[float, c.Rule("a number from 0 to 1e30", lambda v: 0 <= v <= 1e30)]
_Decay = Annotated[float, c.Rule("a number from 0 to 1000", lambda v: 0 <= v <= 1000)]
_Momentum = Annotated[float, c.Rule("a number from 0 to 0.999999", lambda v: 0 <= v <= 0.999999)]
_Norm = Annotated[float, c.Rule("a number from 1e-12 to 1e12", lambda v: 1e-12 <= v <= 1e12)]
_Factor = Annotated[float, c.Rule("a number over 0, at most 1", lambda v: 0 < v <= 1)]
_Average = Annotated[float, c.Rule("a number over 0, less than 1", lambda v: 0 < v < 1)]

NameOrPath = Annotated[c.Path, c.Conversion("one of list_recipes(), or the path of a .json file", str)]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a net is trained: by which optimizer and loss, with a linear warm-up of the learning rate, then a cosine.

    Args:
        epochs: passes over the images.
        batch_size: images per update of the weights.
        base_learning_rate: the learning rate after the warm-up is this * `batch_size` / `base_batch_size`.
        base_batch_size: batch size that `base_learning_rate` is for.
        min_learning_rate: learning rate at the end of the cosine.
        warmup_epochs: length of the warm-up.
        warmup_learning_rate: learning rate at its beginning.
        optimizer: "adamw", or "lamb": as timm and NVIDIA compute it.
        weight_decay: decay of kernels; norms, biases, tokens, tables and layer scales have none.
        beta_1: the optimizer's decay of the mean of gradients.
        beta_2: the optimizer's decay of the mean of squared gradients.
        epsilon: the optimizer's.
        clip_norm: largest norm of all gradients together; None: no limit.
        layer_decay: each block's learning rate, relative to that of the block after it.
        ema_momentum: momentum of a moving average of the weights, which is what is kept in the end; None: no average.
        accumulation: number of parts in which a batch goes through the net, for batches that are too large for memory.
        loss: a classifier's. "softmax": cross-entropy of all classes together; "binary": of each class by itself,
            whether the image, or the mixture of images, has any of it.
        label_smoothing: share of each label that is spread over all classes.
        drop_rate: the builder's `drop_rate`; None: the builder's default.
        drop_path_rate: the builder's `drop_path_rate`; None: the builder's default.
        augmentation: what is done to the images.
        source: where the numbers come from.
    """

    epochs: c.Count
    batch_size: c.Count
    base_learning_rate: _LearningRate
    base_batch_size: c.Count = 256
    min_learning_rate: _FromZero = 0.0
    warmup_epochs: _FromZero = 0
    warmup_learning_rate: _FromZero = 0.0
    optimizer: Literal["adamw", "lamb"] = "adamw"
    weight_decay: _Decay = 0.05
    beta_1: _Momentum = 0.9
    beta_2: _Momentum = 0.999
    epsilon: c.Epsilon = 1e-8
    clip_norm: _Norm | None = None
    layer_decay: _Factor = 1.0
    ema_momentum: _Average | None = None
    accumulation: c.Count = 1
    loss: Literal["softmax", "binary"] = "softmax"
    label_smoothing: c.Rate = 0.0
    drop_rate: c.Rate | None = None
    drop_path_rate: c.Rate | None = None
    augmentation: Augmentation = Augmentation()
    source: str = ""

    def __post_init__(self) -> None:
        with c.checked_fields(self):
            c.require(self.warmup_epochs < self.epochs, "warmup_epochs", f"less than epochs={self.epochs}")
            divides = self.batch_size % self.accumulation == 0
            c.require(divides, "accumulation", f"a divisor of batch_size={self.batch_size}")
            smooth = self.loss == "binary" and self.label_smoothing > 0
            c.require(not smooth, "label_smoothing", '0 with loss="binary", for which a class is there or not')
            for name in ("min_learning_rate", "warmup_learning_rate"):
                most = self.learning_rate
                c.require(getattr(self, name) <= most, name, f"at most the learning rate, {most:g}")

    @property
    def learning_rate(self) -> float:
        """The learning rate after the warm-up."""
        return self.base_learning_rate * self.batch_size / self.base_batch_size

    @property
    def images_at_once(self) -> int:
        return self.batch_size // self.accumulation


NUMBERS = tuple(field.name for field in dataclasses.fields(Recipe) if field.name != "augmentation")
REQUIRED = tuple(field.name for field in dataclasses.fields(Recipe) if field.default is dataclasses.MISSING)
OF_IMAGES = tuple(field.name for field in dataclasses.fields(Augmentation))


@c.public
def list_recipes() -> list[str]:
    """Lists the recipes that are part of this package.

    Returns:
        Their names, sorted.

    Example:
        >>> vitgraph.training.list_recipes()
        ['beit-finetune', 'deit', 'deit3', 'dino', 'finetune', 'mae', 'swin']
    """
    return sorted(file.name.removesuffix(".json") for file in _FOLDER.iterdir() if file.name.endswith(".json"))


@c.public
def recipe(name_or_path: NameOrPath, /, **overrides: Any) -> Recipe:
    """Reads a recipe and checks it.

    Args:
        name_or_path: one of `list_recipes()`, or the path of a JSON file with arguments of `Recipe`.

    Returns:
        The `Recipe`.

    Raises:
        ValueError, TypeError: an argument that isn't allowed, a file that isn't a recipe; the message says what is
            allowed.
        OSError: a file that can't be read.

    Example:
        >>> changed = vitgraph.training.recipe("deit", epochs=100, mixup=0.2)
        >>> changed.epochs, changed.augmentation.mixup, changed.augmentation.cutmix
        (100, 0.2, 1.0)
    """
    return read_recipe("recipe", "name_or_path", name_or_path, overrides)


def read_recipe(
    caller: str, argument: str, name_or_path: Any, overrides: Mapping[str, Any], others: Iterable[str] = ()
) -> Recipe:
    """`recipe`, for a caller who has `others` as further arguments; `argument` is what errors call the name."""
    values = _read(argument, name_or_path)
    augmentation = values.pop("augmentation", {})
    for keys, known in ((values, NUMBERS), (augmentation, OF_IMAGES)):
        for key in keys:
            keys_allowed = f"a recipe without {key!r}{c.nearest(key, known)}; its keys: {', '.join(known)}"
            c.require(key in known, argument, keys_allowed)
    for key, value in overrides.items():
        if key == "augmentation":
            if not isinstance(value, Mapping):
                allowed = "a dictionary of arguments of Augmentation"
                raise TypeError(f"{caller}: augmentation={c.shown(value)}; allowed: {allowed}")
            _refuse_unknown(caller, value, OF_IMAGES)
            augmentation.update(value)
        else:
            _refuse_unknown(caller, [key], (*others, *NUMBERS, *OF_IMAGES))
            (values if key in NUMBERS else augmentation)[key] = value
    missing = [name for name in REQUIRED if name not in values]
    c.require(not missing, argument, f"a recipe that has {', '.join(REQUIRED)}, not without {', '.join(missing)}")
    with c.errors_of(caller):
        return Recipe(**values, augmentation=Augmentation(**augmentation))


def _refuse_unknown(caller: str, keys: Iterable[Any], known: tuple[str, ...]) -> None:
    for key in keys:
        if key not in known:
            hint = c.nearest(str(key), known)
            raise TypeError(f"{caller}: unknown argument {key!r}{hint}; allowed: {', '.join(known)}")


def _read(argument: str, name: str) -> dict[str, Any]:
    """What a recipe's file says, as plain values."""
    names = list_recipes()
    is_path = name not in names and name.endswith(".json")
    c.require(name in names or is_path, argument, f"{', '.join(names)}, or a .json file{c.nearest(name, names)}")
    try:
        file = pathlib.Path(name) if is_path else _FOLDER.joinpath(f"{name}.json")
        values = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        c.require(False, argument, f"a whole JSON file, not one with the fault: {error}")
    good = isinstance(values, dict) and isinstance(values.get("augmentation", {}), dict)
    c.require(good, argument, "a JSON file with a dictionary, in which augmentation is another one")
    return values
