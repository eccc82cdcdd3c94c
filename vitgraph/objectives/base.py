"""What every objective shares: a trainable model around a graph of this package, and ways to wire that graph anew."""

import itertools

import keras
from keras import ops

from vitgraph.blocks.base import PACKAGE, is_static, own_arguments
from vitgraph.contract import global_policy


class Objective(keras.Model):
    """A model whose loss trains the graph that it was given: `compile(optimizer)`, `fit(images)`.

    A subclass stores each constructor argument under its own name, as blocks do, and ends its constructor with
    `connect(graph)`. The graph holds the whole computation, a pure function of the images and of the random draws:
    {"image": (B, H, W, C), further inputs} -> {"loss": (), further outputs}. What is drawn, `draw` says.

    The layers of the encoder are those of the graph: `encoder` has the trained weights at any time, also after the
    objective was read back from a `.keras` file.

    Args:
        encoder: the graph whose weights are trained.
        seed: of the random draws; None: another one each time.
        name: the model's name.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        keras.saving.register_keras_serializable(package=PACKAGE)(cls)

    def __init__(self, encoder, seed, name):
        # Images are targets, too: they stay as they come, whatever the encoder computes in.
        super().__init__(name=name, dtype=_policy(encoder), autocast=False)
        self.encoder = encoder
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def connect(self, graph):
        self.graph = graph
        self.built = True

    @property
    def trainable_variables(self):
        """What the loss depends on: of an encoder with its top, the head stays as it is."""
        return self.graph.trainable_variables

    @property
    def trainable_weights(self):
        return self.graph.trainable_weights

    def draw(self, images):
        """The further inputs of the graph, drawn anew for a batch of images: {name: tensor}."""
        raise NotImplementedError

    def call(self, images, training=False):
        images = ops.convert_to_tensor(images)
        outputs = self.graph({"image": images, **self.draw(images)}, training=training)
        self.add_loss(outputs.pop("loss"))
        return outputs

    def save_own_variables(self, store):
        """Keras leaves out where random draws stand; with that, training goes on as if it had not been interrupted."""
        super().save_own_variables(store)
        for i, state in enumerate(self._draws()):
            store[f"draws_{i}"] = ops.convert_to_numpy(state)

    def load_own_variables(self, store):
        for i, state in enumerate(self._draws()):
            state.assign(store[f"draws_{i}"])
        super().load_own_variables({key: store[key] for key in store.keys() if not key.startswith("draws_")})

    def _draws(self):
        """The states of all random generators, the encoder's too."""
        return [variable for variable in self.variables if variable.path.endswith("seed_generator_state")]

    def get_config(self):
        config = {name: getattr(self, name) for name in own_arguments(type(self))}
        return {key: _serialized(value) for key, value in {**config, "name": self.name}.items()}

    @classmethod
    def from_config(cls, config):
        return cls(**{key: _deserialized(value) for key, value in config.items()})


def policy_of(encoder):
    """While it lasts, new layers compute as the encoder's do."""
    return global_policy(_policy(encoder))


def _policy(encoder):
    return stages_of(encoder)[-1].dtype_policy  # a model that was read back has forgotten its own


def stages_of(encoder):
    """The encoder's `Stage` layers, in the order of the stream."""
    stages = getattr(encoder, "stages", None)
    if not stages:
        raise TypeError(f"encoder={encoder!r}; allowed: a graph of this package")
    return stages


def features(encoder):
    """What an encoder makes of an image, position by position: its last stage, after the final norm where there is one.

    Returns:
        The tensor, tokens (B, prefix + N, C) or a map (B, H, W, C); the `Stage` layer, which knows prefix and stride;
        the tensor (B, H, W, .) whose positions these are.

    Raises:
        TypeError: not a graph of this package.
    """
    stage = stages_of(encoder)[-1]
    norms = [layer.output for layer in encoder.layers if layer.name == "norm" and layer.input is stage.output]
    grid = stage.output if stage.grid is None else encoder.get_layer(stage.grid).output
    return norms[0] if norms else stage.output, stage, grid


def positioned(encoder, check):
    """The tokens of patches and prefix with all that is added to them, before the first block."""
    entries = ("tokens", "pos_embed", "cls_token", "reg_token", "dist_token")
    *_, found = (None, *(layer.output for layer in _before_blocks(encoder) if layer.name in entries))
    if found is None or len(found.shape) != 3:
        check.that(False, "encoder", encoder.name, "a plain net: hierarchical ones need whole maps")
    check.that(is_static(found.shape[1]), "encoder", encoder.name, "one for images of a known size")
    return found


def embedded(encoder, check):
    """The map of embedded patches (B, H, W, C), before class token, positions and blocks."""
    stage = stages_of(encoder)[0]
    if stage.grid is not None:
        return encoder.get_layer(stage.grid).output
    entries = ("patch_embed", "patch_norm", "stage_1_embed", "stage_1_embed_norm")
    *_, found = (None, *(layer.output for layer in _before_blocks(encoder) if layer.name in entries))
    check.that(found is not None, "encoder", encoder.name, "one that begins with an embedding of patches")
    return found


def _before_blocks(encoder):
    """The layers that come before those of the first block."""
    return itertools.takewhile(lambda layer: "block_0_" not in layer.name, encoder.layers)


def replay(start, end, x, name):
    """The nodes from tensor `start` to tensor `end` of a graph, wired again onto `x`, with the layers that they have.

    `x` may have another number of tokens than `start`, if all that stands between takes any number.

    Raises:
        ValueError: `end` depends on more than `start`.
    """
    part = keras.Model(start, end, name=name)
    entry = keras.Input(x.shape[1:], dtype=x.dtype)
    return keras.models.clone_model(part, input_tensors=entry, clone_function=lambda layer: layer)(x)


def _serialized(value):
    """Models, layers and schedules as their configurations; plain values as they are."""
    objects = (keras.layers.Layer, keras.optimizers.schedules.LearningRateSchedule)
    return keras.saving.serialize_keras_object(value) if isinstance(value, objects) else value


def _deserialized(value):
    is_object = isinstance(value, dict) and "class_name" in value
    return keras.saving.deserialize_keras_object(value) if is_object else value
