"""A picture of where a classifier sees a class: Grad-CAM, of maps and of tokens."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from vitgraph import contract as c
from vitgraph.graphs.levels import stages_of
from vitgraph.graphs.truncate import stage_named
from vitgraph.images.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from vitgraph.plots.frames import Image, draw, name_of, overlay, size_of


@c.public
def plot_gradcam(
    model: c.Graph,
    image: Image,
    path: c.PicturePath,
    *,
    target: c.Whole | None = None,
    at: str | None = None,
    class_names: Sequence[str] | None = None,
    mean: c.Mean = IMAGENET_MEAN,
    std: c.Deviation = IMAGENET_STD,
) -> None:
    """Draws where in an image a classifier sees a class (Grad-CAM: Selvaraju et al., arXiv:1610.02391).

    The gradient of the class' score by a map, averaged over its positions, says how much each channel speaks for the
    class; their sum so weighted, where it is positive, is drawn. In a net of tokens the map is the stream itself,
    without its prefix tokens.

    Args:
        model: a graph of this package with its top.
        image: (H, W, 3), uint8, or floats from 0 to 1; it is resized to the model's size, if that is known.
        target: the class; None: the one with the highest score.
        at: the stage, such as "stage_3", a plain net's block, such as "block_5", or a level, such as "P4"; None: the
            last one on whose positions the score depends, or the embedded patches. (It doesn't depend on the last
            patches of a net whose scores come from the class token.)
        class_names: names of the classes, in order; None: their numbers.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; the message says what is.
        OSError: the picture can't be written.

    Example:
        >>> net = vitgraph.build_vit((32, 48, 3), patch_size=8, dim=16, depth=2, num_heads=2, num_classes=3)
        >>> vitgraph.plots.plot_gradcam(net, numpy.random.rand(32, 48, 3), "gradcam.png", target=1)
    """
    shape, output = model.inputs[0].shape[1:], model.output
    c.require(len(model.inputs) == 1 and shape[-1] == 3, "model", f"a net of images (H, W, 3), not {tuple(shape)}")
    has_top = keras.backend.is_keras_tensor(output) and len(output.shape) == 2
    c.require(has_top, "model", "a graph that ends in class scores, as with include_top=True")
    for argument, values in (("mean", mean), ("std", std)):
        c.require(np.shape(values) in ((), (3,)), argument, "one number, or 3, one per channel")
    classes = output.shape[-1]
    c.require(target is None or target < classes, "target", f"None, or a class from 0 to {classes - 1}")
    places = _places(model, stages_of(model) if at is None else [stage_named(model, at, "at")])
    if at is None:
        places = {grid: (grid, 0, grid) for _, _, grid in places.values() if grid} | places
    if None not in shape:
        image = keras.ops.image.resize(image, shape[:2], data_format="channels_last")
        image = np.clip(keras.ops.convert_to_numpy(image), 0, 1)
    x = ((image - np.array(mean)) / np.array(std))[None].astype("float32")
    target, scores, maps = _maps_and_gradients(model, places, x, target)
    found = [name for name, (_, gradient) in maps.items() if np.abs(gradient).max() > 0]
    c.require(found, "model" if at is None else "at", "a stage on whose positions the scores depend")
    values, gradient = maps[found[-1]]
    seen = np.maximum((values * gradient.mean(axis=(0, 1))).sum(axis=-1), 0)
    note = f"{name_of(target, class_names)}: {scores[target]:.3g}"
    panels = [(image, "image", size_of(*image.shape)), (image, f"at {found[-1]}", note)]
    high = max(float(seen.max()), 1e-12)
    draw([lambda axes: axes.imshow(image), overlay(image, seen, 0.0, high)], panels, path, "image")


def _places(model, stages):
    """{name: (layer of the stream, prefix tokens, layer of the grid that the tokens are of, or None)}."""
    return {stage.name: (stage.name, stage.prefix if stage.grid else 0, stage.grid) for stage in stages}


def _maps_and_gradients(model, places, x, target):
    """(the class, the scores (classes,), {place: (its map (h, w, C), the gradient of the class' score by it)})."""
    last = model.output._keras_history.operation
    logits = last.input if isinstance(last, layers.Activation) else model.output  # of scores that are nearly 1, too
    grids = [model.get_layer(grid or layer).output for layer, _, grid in places.values()]
    streams = [model.get_layer(layer).output for layer, *_ in places.values()]
    graph = keras.Model(model.inputs[0], [model.output, logits, *grids, *streams])

    def run(x):
        scores, logits, *rest = graph(x)
        chosen = int(keras.ops.convert_to_numpy(scores[0]).argmax()) if target is None else target
        return chosen, scores, logits[0, chosen], rest[: len(places)], rest[len(places) :]

    chosen, scores, grids, streams, gradients = _differentiated(run, x)
    maps = {}
    for (name, (_, prefix, _)), grid, *pair in zip(places.items(), grids, streams, gradients, strict=True):
        if pair[1] is None:  # the score doesn't depend on it
            pair[1] = keras.ops.zeros_like(pair[0])
        arrays = [keras.ops.convert_to_numpy(y)[0].astype("float64") for y in pair]
        shape = (*grid.shape[1:3], arrays[0].shape[-1])
        maps[name] = [y.reshape(-1, shape[-1])[prefix:].reshape(shape) for y in arrays]
    return chosen, keras.ops.convert_to_numpy(scores)[0], maps


def _differentiated(run, x):
    """What `run` gives, with the gradients of its third result by each of its last, which may be None."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        x = tf.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            chosen, scores, score, grids, streams = run(x)
        return chosen, scores, grids, streams, tape.gradient(score, streams)
    c.require(backend == "torch", "model", f"a net on TensorFlow or PyTorch: the {backend} backend has no tape")
    import torch

    chosen, scores, score, grids, streams = run(keras.ops.convert_to_tensor(x).requires_grad_())
    return chosen, scores, grids, streams, torch.autograd.grad(score, streams, allow_unused=True)
