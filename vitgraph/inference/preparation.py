"""What a checkpoint wants of an image."""

import dataclasses
import inspect
from typing import Annotated, Any

import keras

from vitgraph import contract as c
from vitgraph.blocks.base import is_static, pair
from vitgraph.checkpoints.about import preprocessing_of
from vitgraph.checkpoints.published import list_weights, published
from vitgraph.contract.fitting import fit
from vitgraph.images import Preprocessing
from vitgraph.registry import Variant, list_models, variant


def _net(value: Any) -> Any:
    return fit(value, Variant) if isinstance(value, str) else fit(value, c.ImageModel)


_Net = Annotated[
    str | keras.Model, c.Conversion("one of vitgraph.list_models(), or a model of one input (B, H, W, C)", _net)
]


@c.public
def preprocessing(
    model: _Net,
    weights: str | None = None,
    *,
    input_size: c.ImageSize | None = None,
    upright: bool | None = None,
) -> Preprocessing:
    """What images go through before a net sees them: resize, central crop, normalisation, as timm evaluates.

    Args:
        model: a model, or one of `list_models()`. A model that `create` made with published weights, that `load`
            returned, or that was trained by `training.train` knows itself what it wants.
        weights: one of `list_weights(name)`; None: what the model knows of itself, else what all weights of the variant
            want, else ImageNet's mean and deviation without a crop.
        input_size: side or (height, width) of the result in pixels; None: the model's, else the weights'.
        upright: whether pictures are turned as their EXIF orientation says; None: as the model was trained; published
            weights were evaluated without it.

    Returns:
        A `Preprocessing`, which is called with images.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; weights of a variant that want different things, of which
            none is chosen.

    Example:
        >>> prepare = vitgraph.preprocessing("pvt_v2_b0", "in1k")
        >>> prepare(numpy.zeros((300, 400, 3), "uint8")).shape
        (1, 224, 224, 3)
    """
    is_model = isinstance(model, keras.Model)
    net: Any = model
    about = getattr(net, "about", {}) if is_model else {}
    name = about.get("variant") or (net.name if is_model else net)
    channels = net.inputs[0].shape[-1] if is_model else 3
    if weights is not None:
        c.require(name in list_models(), "model", "a published variant, or a graph of one, where weights are named")
        wanted = preprocessing_of(published(name, weights))
    elif "preprocessing" in about:
        wanted = Preprocessing(**about["preprocessing"])
    else:
        wanted = _of_all_weights(name, channels)
    fits = len(wanted.mean) == channels
    c.require(fits, "weights", f"None, or others: these want images of {len(wanted.mean)} channels, not {channels}")
    size = pair(input_size) if input_size is not None else _own_size(model) if is_model else wanted.size
    changes = {"size": size or wanted.size, "upright": wanted.upright if upright is None else upright}
    return dataclasses.replace(wanted, **changes)


def _own_size(model: Any) -> tuple[int, ...] | None:
    """(height, width) of the images that a model takes; None if it leaves it open."""
    size = tuple(model.inputs[0].shape[1:3])
    return size if is_static(*size) else None


def _of_all_weights(name: str, channels: int) -> Preprocessing:
    """What all published weights of a variant want; of something unpublished, ImageNet's numbers or one half."""
    tags = list_weights(name) if name in list_models() else {}
    wanted = {tag: preprocessing_of(entry) for tag, entry in tags.items()}
    alike = len(set(wanted.values())) < 2
    allowed = f"one of those of {name}, which want different things: {', '.join(tags)}"
    c.require(alike or channels != 3, "weights", allowed)
    if wanted and channels == 3:
        return next(iter(wanted.values()))
    size = (224, 224)
    if name in list_models():
        build, row = variant(name)
        size = row.get("input_shape", inspect.signature(build).parameters["input_shape"].default)[:2]
        size = size if is_static(*size) else (224, 224)
    if channels == 3:
        return Preprocessing(size)
    return Preprocessing(size, (0.5,) * channels, (0.5,) * channels)
