"""What BYOL and DINO share: a network that follows another, and random views of one image."""

import itertools
from typing import Annotated, TypeAlias

import keras
from keras import layers, ops

from vitgraph import contract as c
from vitgraph.blocks import RandomResizedCrop
from vitgraph.blocks.base import is_static, pair
from vitgraph.objectives.base import Objective, image_of

Momentum: TypeAlias = c.Share | keras.optimizers.schedules.LearningRateSchedule

_Pixel = Annotated[float, c.Rule("a number from -1000000 to 1000000", lambda v: -1e6 <= v <= 1e6)]
ValueRange = Annotated[
    tuple[_Pixel, _Pixel],
    c.Rule(
        "(least, most), numbers from -1000000 to 1000000, apart by a thousandth of the larger one and of 1 or more",
        lambda v: v[1] - v[0] >= 0.001 * max(1, *map(abs, v)),
    ),
]


class MomentumObjective(Objective):
    """An objective with an online network, and a target network whose weights follow it.

    The target has weights of its own, which begin as the online network's and are never trained. With each step they
    become momentum * target + (1 - momentum) * online, including the moving statistics of batch norms; that is done
    when the next step begins. The target drops nothing out.

    The graph has these two networks as its nodes `online` and `target`, and its inputs are views,
    {"view_1": (B, H, W, C), "view_2": ..., ...}. `fit` takes these, or images, from which `views` makes them.

    `momentum`, one of the settings, is a number, or a schedule over the steps such as
    `keras.optimizers.schedules.CosineDecay(0.996, steps, alpha=1 / 0.996)`, which ends at 1.
    """

    def __init__(self, encoder, seed, name, **settings):
        super().__init__(encoder, seed, name, **settings)
        self.step = self.add_weight(name="step", shape=(), initializer="zeros", dtype="int32", trainable=False)

    @property
    def online(self):
        """The network that is trained: the encoder and what follows it."""
        return self.graph.get_layer("online")

    @property
    def target(self):
        """The network that follows."""
        return self.graph.get_layer("target")

    @property
    def trainable(self):
        return super().trainable

    @trainable.setter
    def trainable(self, value):
        keras.Model.trainable.fset(self, value)
        freeze(self.target)

    def views(self, images):
        """Random views of images (B, H, W, C): {"view_1": (B, h, w, C), ...}."""
        raise NotImplementedError

    def call(self, images, training=False):
        views = self._views(images)
        if training:
            self._follow()
        outputs = self.graph(views, training=training)
        self.add_loss(outputs.pop("loss"))
        return outputs

    def _views(self, images):
        """The views that were given, or random ones of the images."""
        allowed = f"allowed: images (B, H, W, C), or a dictionary of {list(self.graph.input)}"
        if isinstance(images, (tuple, list)):
            raise TypeError(f"{self.name}: a {type(images).__name__} of {len(images)}; {allowed}")
        views = images if isinstance(images, dict) else self.views(ops.convert_to_tensor(images))
        if set(views) != set(self.graph.input):
            raise ValueError(f"{self.name}: views {list(views)}; {allowed}")
        return views

    def _follow(self):
        momentum = ops.cast(self.momentum(self.step) if callable(self.momentum) else self.momentum, "float32")
        for target, online in zip(self.target.weights, self.online.weights, strict=True):
            value = momentum * ops.cast(target, "float32") + (1 - momentum) * ops.cast(online, "float32")
            target.assign(ops.cast(value, target.dtype))
        self.step.assign_add(1)


def representation(encoder):
    """The encoder's vector for an image, (B, C): what its head would see."""
    names = {layer.name for layer in encoder.layers}
    x = encoder.get_layer("head").input if "head" in names else encoder.output
    rank = len(x.shape) if keras.backend.is_keras_tensor(x) and ("head" in names or "predictions" not in names) else 0
    one = rank in (2, 4) and "head_dist" not in names
    c.require(one, "encoder", "a graph with one head, or without its top")
    return layers.GlobalAveragePooling2D(name="mean")(x) if rank == 4 else x


def following(model):
    """A copy of a graph with weights of its own, equal to the model's, that are never trained; it drops nothing out."""

    def copy(layer):
        config = layer.get_config()
        rates = {key: 0.0 for key in ("drop", "drop_path", "dropout", "rate") if key in config}
        return type(layer).from_config({**config, **rates, "name": f"target_{layer.name}"})

    target = keras.models.clone_model(model, clone_function=copy)
    target = keras.Model(target.input, target.output, name="target")
    for variable, value in zip(target.weights, model.weights, strict=True):
        variable.assign(ops.convert_to_numpy(value))  # a copy: JAX would share the memory
    freeze(target)
    return target


def freeze(target):
    """Marks all weights as not trained. `trainable = False` would also stop batch norms from using the batch."""
    for variable in target.weights:
        variable.trainable = False


def random_view(size, channels, scale, value_range, seed, name):
    """The augmentation of BYOL and DINO in Keras' layers, without solarisation: images -> (B, *size, C).

    Args:
        size: (h, w) in pixels.
        channels: C; colours change only if it is 3.
        scale: (least, most) share of the image's area.
        value_range: (least, most) value of a pixel.
        seed: seed of the draws; None: other draws each time.
        name: the layer's name.
    """
    seeds = itertools.repeat(None) if seed is None else itertools.count(seed)
    steps = [
        RandomResizedCrop(size, scale, seed=next(seeds), name="crop"),
        layers.RandomFlip("horizontal", seed=next(seeds), name="flip"),
    ]
    if channels == 3:
        factors = {"brightness_factor": 0.4, "contrast_factor": 0.4, "saturation_factor": (0.4, 0.6), "hue_factor": 0.1}
        steps += [
            layers.RandomColorJitter(value_range, **factors, seed=next(seeds), name="jitter"),
            layers.RandomGrayscale(0.2, seed=next(seeds), name="grey"),
        ]
    blur = {"factor": (0.5, 0.5), "kernel_size": 5, "sigma": (0.1, 2.0), "value_range": value_range}
    steps.append(layers.RandomGaussianBlur(**blur, seed=next(seeds), name="blur"))
    return keras.Sequential(steps, name=name)


def view_size(encoder, size, argument):
    """(height, width) of views: the encoder's own, or `size` for an encoder of images of any size."""
    _, *own, channels = image_of(encoder).shape
    if is_static(*own):
        c.require(size is None, argument, f"None: {encoder.name} takes images of {tuple(own)}")
        return tuple(own)
    c.require(size is not None, argument, f"a side or (height, width): {encoder.name} takes images of any size")
    nodes = keras.Model(encoder.inputs, [layer.output for layer in encoder.layers])
    shapes = _output_shape(nodes, (None, *pair(size), channels))
    taken = shapes is not None and 0 not in keras.tree.flatten(shapes)  # a map without positions says nothing
    c.require(taken, argument, f"a size that {encoder.name} takes")
    return pair(size)


def makes_views(layer, encoder, argument):
    """An augmentation's output is an image that the encoder takes."""
    wanted = image_of(encoder).shape
    shape = _output_shape(layer, wanted)
    fits = isinstance(shape, (tuple, list)) and len(shape) == 4
    fits = fits and all(None in (n, side) or n == side for n, side in zip(shape, wanted, strict=True))
    c.require(fits, argument, f"a layer that makes images {wanted} of images {wanted}")


def _output_shape(layer, shape):
    """The shape of the layer's output for images of a shape; four times None if it doesn't say, None if it fails."""
    try:
        return layer.compute_output_shape(shape)
    except NotImplementedError:
        return (None,) * 4
    except Exception:  # whatever a layer raises about images that it doesn't take
        return None
