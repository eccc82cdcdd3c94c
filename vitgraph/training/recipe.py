"""Recipes: the numbers of a training as data, one JSON file each, with the paper's table that they are from."""

import dataclasses
import importlib.resources
import json
import pathlib

from vitgraph.old.contract import Check, nearest
from vitgraph.training.augmentation import Augmentation

_FOLDER = importlib.resources.files(__package__).joinpath("recipes")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a net is trained: AdamW, a linear warm-up, a cosine to the end.

    Args:
        epochs: passes over the images.
        batch_size: images that one update of the weights sees.
        base_learning_rate, base_batch_size: the learning rate after the warm-up is `base_learning_rate` * `batch_size`
            / `base_batch_size`.
        min_learning_rate: where the cosine ends.
        warmup_epochs, warmup_learning_rate: how long the warm-up takes, and where it begins.
        weight_decay: of kernels; norms, biases, tokens, tables and layer scales have none.
        beta_1, beta_2, epsilon: AdamW's.
        clip_norm: the largest norm of all gradients together; None: any.
        layer_decay: what each block's learning rate is multiplied with, over that of the block after it.
        ema_momentum: of a moving average of the weights, which is what is kept in the end; None: there is none.
        accumulation: parts in which a batch goes through the net, where it is too large for the memory.
        label_smoothing: share of each label that is spread over all classes.
        drop_rate, drop_path_rate: the builder's arguments of these names; None: its own.
        augmentation: of the images.
        source: where the numbers are from.
    """

    epochs: int
    batch_size: int
    base_learning_rate: float
    base_batch_size: int = 256
    min_learning_rate: float = 0.0
    warmup_epochs: float = 0
    warmup_learning_rate: float = 0.0
    weight_decay: float = 0.05
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    clip_norm: float | None = None
    layer_decay: float = 1.0
    ema_momentum: float | None = None
    accumulation: int = 1
    label_smoothing: float = 0.0
    drop_rate: float | None = None
    drop_path_rate: float | None = None
    augmentation: Augmentation = Augmentation()
    source: str = ""

    @property
    def learning_rate(self):
        """The one that the warm-up ends with."""
        return self.base_learning_rate * self.batch_size / self.base_batch_size

    @property
    def images_at_once(self):
        return self.batch_size // self.accumulation


def list_recipes():
    """Names of the recipes that are part of this package: a sorted list."""
    return sorted(file.name.removesuffix(".json") for file in _FOLDER.iterdir() if file.name.endswith(".json"))


def recipe(name_or_path, /, **overrides):
    """Reads a recipe and checks it.

    Args:
        name_or_path: one of `list_recipes()`, or the path of a JSON file with arguments of `Recipe`.
        **overrides: arguments of `Recipe`, or of its `Augmentation`, that are to differ.

    Returns:
        A `Recipe`.

    Raises:
        ValueError, TypeError: an unknown name or key (the nearest is named), a number that can't be, a file that is no
            recipe.
        OSError: a file that can't be read.
    """
    check = Check(f"recipe {str(name_or_path)!r}")
    values = {**_read(name_or_path)}
    values["augmentation"] = {**values.get("augmentation", {})}
    for key, value in overrides.items():
        if key == "augmentation":
            values["augmentation"].update(value)
        else:
            (values if key in _fields(Recipe) else values["augmentation"])[key] = value
    known = [*_fields(Recipe), *_fields(Augmentation)]
    for key in (*values, *values["augmentation"]):
        if key not in known:
            raise ValueError(f"{check.builder}: unknown key {key!r}{nearest(key, known)}; allowed: {', '.join(known)}")
    missing = [f.name for f in dataclasses.fields(Recipe) if f.default is dataclasses.MISSING and f.name not in values]
    if missing:
        raise ValueError(f"{check.builder}: no {', '.join(missing)}; a recipe must say them")
    made = Recipe(**{**values, "augmentation": Augmentation(**values["augmentation"])})
    _check(check, made)
    return made


def _fields(cls):
    return [field.name for field in dataclasses.fields(cls)]


def _read(name_or_path):
    names = list_recipes()
    if name_or_path in names:
        text = _FOLDER.joinpath(f"{name_or_path}.json").read_text()
    elif str(name_or_path).endswith(".json"):
        text = pathlib.Path(name_or_path).read_text()
    else:
        hint = nearest(str(name_or_path), names)
        raise ValueError(f"recipe {str(name_or_path)!r} is unknown{hint}; allowed: {', '.join(names)}, a .json file")
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"recipe {str(name_or_path)!r} is no JSON file: {error}") from error
    if not isinstance(values, dict) or not isinstance(values.get("augmentation", {}), dict):
        raise ValueError(f"recipe {str(name_or_path)!r} must be a dictionary, and its augmentation another one")
    return values


def _check(check, r):
    check.positive(
        epochs=r.epochs, batch_size=r.batch_size, base_batch_size=r.base_batch_size, accumulation=r.accumulation
    )
    optional = {"clip_norm": r.clip_norm, "ema_momentum": r.ema_momentum}
    given = {name: value for name, value in optional.items() if value is not None}
    check.over_zero(base_learning_rate=r.base_learning_rate, epsilon=r.epsilon, layer_decay=r.layer_decay, **given)
    for name in ("min_learning_rate", "warmup_epochs", "warmup_learning_rate", "weight_decay"):
        value = getattr(r, name)
        check.number(**{name: value})
        check.that(value >= 0, name, value, "0 or more")
    for name in ("beta_1", "beta_2", "label_smoothing", "drop_rate", "drop_path_rate", "ema_momentum"):
        value = getattr(r, name)
        if value is not None:
            check.number(**{name: value})
            check.that(0 <= value < 1, name, value, "0 or more, and less than 1")
    check.that(r.layer_decay <= 1, "layer_decay", r.layer_decay, "over 0, at most 1")
    check.that(r.warmup_epochs < r.epochs, "warmup_epochs", r.warmup_epochs, f"less than epochs={r.epochs}")
    parts = f"a divisor of batch_size={r.batch_size}"
    check.that(r.batch_size % r.accumulation == 0, "accumulation", r.accumulation, parts)
    for name in ("min_learning_rate", "warmup_learning_rate"):
        value = getattr(r, name)
        check.that(value <= r.learning_rate, name, value, f"at most the learning rate, {r.learning_rate:g}")
