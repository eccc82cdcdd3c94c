"""What BYOL and DINO share: a network that follows another, and random views of one image."""

import itertools

import keras
from keras import layers, ops

from vitgraph.blocks import RandomResizedCrop
from vitgraph.blocks.base import is_static, pair
from vitgraph.objectives.base import Objective, stages_of


class MomentumObjective(Objective):
    """An objective with an online network, and a target network whose weights follow it.

    The target has weights of its own, which begin as the online network's and are never trained. With each step they
    become momentum * target + (1 - momentum) * online, moving statistics of batch norms too; that is done when the next
    step begins. The target drops nothing out.

    The graph's inputs are views, {"view_1": (B, H, W, C), "view_2": ..., ...}. `fit` takes these, or images, of which
    `views` makes some.

    Args:
        momentum: a number, or a schedule over the steps such as
            `keras.optimizers.schedules.CosineDecay(0.996, steps, alpha=1 / 0.996)`, which ends at 1.
    """

    def __init__(self, encoder, momentum, seed, name):
        super().__init__(encoder, seed, name)
        self.momentum = momentum
        self.step = self.add_weight(name="step", shape=(), initializer="zeros", dtype="int32", trainable=False)

    def connect(self, graph, online, target):
        super().connect(graph)
        self.online = online
        self.target = target

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


def check_momentum(check, momentum):
    if not isinstance(momentum, keras.optimizers.schedules.LearningRateSchedule):
        check.shares(momentum=momentum)


def representation(encoder, check):
    """What a head would see of an image: (B, C)."""
    stages_of(encoder)
    names = {layer.name for layer in encoder.layers}
    x = encoder.get_layer("head").input if "head" in names else encoder.output
    rank = len(x.shape) if keras.backend.is_keras_tensor(x) and ("head" in names or "predictions" not in names) else 0
    one = rank in (2, 4) and "head_dist" not in names
    check.that(one, "encoder", encoder.name, "a graph with one head, or without its top")
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
    """Its weights aren't trained. It is not made untrainable: its batch norms would no longer see the batch."""
    for variable in target.weights:
        variable.trainable = False


def random_view(size, channels, scale, value_range, seed, name):
    """The augmentation of BYOL and DINO as Keras has it, but for solarisation: images -> (B, *size, C).

    Args:
        size: (h, w) in pixels.
        channels: C; colours change where it is 3.
        scale: (least, most) share of the image's area.
        value_range: (least, most) value of a pixel.
        seed: of the draws; None: another one each time.
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


def view_size(encoder, check, **given):
    """(height, width) of views: the encoder's own, or what is given for one that takes images of any size."""
    ((argument, size),) = given.items()
    own = encoder.input_shape[1:3]
    if is_static(*own):
        check.that(size is None, argument, size, f"None: {encoder.name} takes images of {own}")
        return own
    check.that(size is not None, argument, size, f"a size, as {encoder.name} takes images of any")
    check.sides(**given)
    return pair(size)
