"""What every objective shares: a trainable model around a graph of this package, and ways to wire that graph anew."""

import contextlib
import itertools

import keras
from keras import ops

from vitgraph import contract as c
from vitgraph.blocks.base import is_static
from vitgraph.blocks.graph import readable
from vitgraph.graphs.levels import stages_of


class Objective(keras.Model):
    """A model whose loss trains the graph that it was given: `compile(optimizer)`, `fit(images)`.

    A subclass says in `wire` how the loss is computed, and in `draw` what is random. The layers of the encoder are
    those of the wired graph: `encoder` has the trained weights at any time, also after the objective was read back from
    a `.keras` file.

    Args:
        encoder: the graph whose weights are trained.
        seed: seed of the random draws; None: other draws each time.
        name: the model's name.
        **settings: the subclass's own arguments, each of which becomes an attribute and an entry of the configuration.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        readable(cls)

    def __init__(self, encoder, seed, name, **settings):
        # Images are targets, too: they stay as they come, whatever the encoder computes in.
        super().__init__(name=name, dtype=_policy(encoder), autocast=False)
        self.encoder = encoder
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        for argument, value in settings.items():
            setattr(self, argument, value)
        self._arguments = ("encoder", *settings, "seed", "name")
        self.graph = self.wire()
        self.built = True

    def wire(self):
        """The whole computation, a pure function of the images and the random draws.

        Returns:
            A `keras.Model`: {"image": (B, H, W, C), further inputs} -> {"loss": (), further outputs}.
        """
        raise NotImplementedError

    def draw(self, images):
        """The further inputs of the graph, drawn anew for a batch of images: {name: tensor}."""
        raise NotImplementedError

    @property
    def trainable_variables(self):
        """The variables that the loss depends on: the head of an encoder with its top isn't trained."""
        return self.graph.trainable_variables

    @property
    def trainable_weights(self):
        return self.graph.trainable_weights

    def call(self, images, training=False):
        images = ops.convert_to_tensor(images)
        outputs = self.graph({"image": images, **self.draw(images)}, training=training)
        self.add_loss(outputs.pop("loss"))
        return outputs

    def save_own_variables(self, store):
        """Also saves the states of the random generators, which Keras omits, so that resumed training is exact."""
        super().save_own_variables(store)
        for i, state in enumerate(self._draws()):
            store[f"draws_{i}"] = ops.convert_to_numpy(state)

    def load_own_variables(self, store):
        for i, state in enumerate(self._draws()):
            state.assign(store[f"draws_{i}"])
        super().load_own_variables({key: store[key] for key in store.keys() if not key.startswith("draws_")})

    def _draws(self):
        """The states of all random generators, including the encoder's."""
        return [variable for variable in self.variables if variable.path.endswith("seed_generator_state")]

    def get_config(self):
        return {argument: _serialized(getattr(self, argument)) for argument in self._arguments}

    @classmethod
    def from_config(cls, config):
        arguments = {key: _deserialized(value) for key, value in config.items()}
        with c.named_errors(cls.__name__, arguments):
            return cls(**arguments)


def policy_of(encoder):
    """A context in which new layers compute in the encoder's dtype policy."""
    return c.global_policy(_policy(encoder))


def _policy(encoder):
    return stages_of(encoder)[-1].dtype_policy  # a model that was read back has forgotten its own


def image_of(encoder, argument="encoder"):
    """The encoder's input, images (B, H, W, C)."""
    image = encoder.inputs[0]
    images = len(encoder.inputs) == 1 and len(image.shape) == 4 and image.shape[-1] is not None
    c.require(images, argument, "a graph with one input, images (B, H, W, C)")
    return image


def features(encoder):
    """The encoder's last stage, after the final norm if there is one: what it makes of an image at each position.

    Returns:
        The tensor, tokens (B, prefix + N, C) or a map (B, H, W, C); the `Stage` layer, which knows prefix and stride;
        the tensor (B, H, W, .) whose positions these are.
    """
    stage = stages_of(encoder)[-1]
    norms = [layer.output for layer in encoder.layers if layer.name == "norm" and layer.input is stage.output]
    grid = stage.output if stage.grid is None else encoder.get_layer(stage.grid).output
    return norms[0] if norms else stage.output, stage, grid


def positioned(encoder, argument="encoder"):
    """The tokens of patches and prefix with all that is added to them, before the first block."""
    x = _last_before_blocks(encoder, ("tokens", "pos_embed", "cls_token", "reg_token", "dist_token"))
    c.require(x is not None and len(x.shape) == 3, argument, "a plain net: hierarchical ones need whole maps")
    c.require(is_static(x.shape[1]), argument, "a graph for images of a known size")
    return x


def embedded(encoder):
    """The map of embedded patches (B, H, W, C), before class token, positions and blocks."""
    stage = stages_of(encoder)[0]
    if stage.grid is not None:
        return encoder.get_layer(stage.grid).output
    x = _last_before_blocks(encoder, ("patch_embed", "patch_norm", "stage_1_embed", "stage_1_embed_norm"))
    c.require(x is not None, "encoder", "a graph that begins with an embedding of patches")
    return x


def _last_before_blocks(encoder, names):
    """The output of the last layer before the first block that has one of these names; None if there is none."""
    before = itertools.takewhile(lambda layer: "block_0_" not in layer.name, encoder.layers)
    outputs = [layer.output for layer in before if layer.name in names]
    return outputs[-1] if outputs else None


def replay(start, end, x, name, argument="encoder", allowed="a graph whose blocks take nothing but the tokens"):
    """Wires the nodes from tensor `start` to tensor `end` of a graph again onto `x`, with the same layers.

    `x` may have another number of tokens than `start` if every layer between takes any number.

    Args:
        start, end, x: KerasTensors.
        name: name of the model that holds these nodes.
        argument, allowed: what is said if `end` depends on more than `start`, or a layer doesn't take `x`.
    """
    wired = None
    with contextlib.suppress(ValueError):
        part = keras.Model(start, end, name=name)
        entry = keras.Input(x.shape[1:], dtype=x.dtype)
        wired = keras.models.clone_model(part, input_tensors=entry, clone_function=lambda layer: layer)(x)
    c.require(wired is not None, argument, allowed)
    return wired


def _serialized(value):
    """Models, layers and schedules as their configurations; plain values as they are."""
    objects = (keras.layers.Layer, keras.optimizers.schedules.LearningRateSchedule)
    return keras.saving.serialize_keras_object(value) if isinstance(value, objects) else value


def _deserialized(value):
    is_object = isinstance(value, dict) and "class_name" in value
    return keras.saving.deserialize_keras_object(value) if is_object else value
