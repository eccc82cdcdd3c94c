"""The model that every builder returns, and the markers in its stream that everything else is derived from."""

import json

import keras

from vitgraph.blocks.base import PACKAGE, Layer, pair


class Stage(Layer):
    """An identity that marks where the stream can be read as a map: the end of a stage, or of a plain net's block.

    Args:
        stride: input pixels per position, a number or (rows, columns).
        prefix: number of leading tokens that aren't patches, if the stream is tokens (B, N, C).
        grid: if the stream is tokens, the name of the layer whose output (B, H, W, .) has their positions; None: the
            stream is a map (B, H, W, C).
    """

    def __init__(self, stride, prefix=0, grid=None, **kwargs):
        super().__init__(**kwargs)
        rows, columns = pair(stride)
        self.stride = rows if rows == columns else (rows, columns)
        self.prefix = prefix
        self.grid = grid

    @property
    def level(self):
        """The pyramid's name for this stride: "P2" for 4, "P5" for 32; "stride_14" if it isn't a power of two."""
        if isinstance(self.stride, int) and self.stride.bit_count() == 1:
            return f"P{self.stride.bit_length() - 1}"
        return "stride_" + "x".join(map(str, self.stride if isinstance(self.stride, (tuple, list)) else [self.stride]))

    def call(self, x):
        return x


def layers_within(model):
    """All layers of a model; a model within it is replaced by its layers."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_within(layer)
        else:
            yield layer


def readable(cls):
    """Registers a class of models for reading: `.keras` files name it with its package, HDF5 files without."""
    keras.saving.get_custom_objects()[cls.__name__] = cls
    return keras.saving.register_keras_serializable(package=PACKAGE)(cls)


class Levels(dict):
    """{level: layer name}, which says what to do about a level that isn't there: detectors ask without looking."""

    def __missing__(self, level):
        raise MissingLevel(
            f"this net has no map {level!r}, only {', '.join(self) or 'tokens'}: "
            f"vitgraph.with_levels(model, (..., {level!r}, ...)) makes what is missing"
        )


class MissingLevel(KeyError):
    """The `KeyError` of a dictionary of levels, whose message is written as it is."""

    def __str__(self):
        return self.args[0]


@readable
class GraphModel(keras.Model):
    """A Functional `keras.Model` that detectors and segmenters can read.

    What keras-cv and keras-hub ask of a backbone is derived from the `Stage` layers, so it survives `.keras` files,
    `clone_model` and `from_config`. It computes nothing with what it stores itself, `about`.
    """

    _about = "{}"  # JSON, as Keras makes objects of its own of a model's dictionaries

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

    @property
    def about(self):
        """What is known of the net, as plain values; `.keras` and `.safetensors` files keep it.

        "builder", "arguments": how it was built. "variant": its published name. "classes": the names of the classes, or
        that of a list of them. "preprocessing": what images go through. "license", "source": of the weights. "figures":
        the last figures of its training. What isn't known isn't there.
        """
        return json.loads(self._about)

    @about.setter
    def about(self, facts):
        self._about = json.dumps(facts)

    def get_config(self):
        about = self.about
        return {**super().get_config(), **({"about": about} if about else {})}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        about = config.pop("about", {})
        model = super().from_config(config, custom_objects)
        model.about = about
        return model

    @property
    def stages(self):
        """The `Stage` layers, in the order of the stream."""
        return [layer for layer in self.layers if isinstance(layer, Stage)]

    @property
    def pyramid_level_inputs(self):
        """{"P2": layer name, ...}: the last map of each stride (keras-cv)."""
        return Levels({stage.level: stage.name for stage in self.stages if stage.grid is None})

    @property
    def pyramid_outputs(self):
        """{"P2": KerasTensor, ...}: the same as tensors (keras-hub)."""
        return {level: self.get_layer(name).output for level, name in self.pyramid_level_inputs.items()}

    @property
    def embedding_dims(self):
        """Channels of each pyramid level (keras-cv's SegFormer)."""
        return [tensor.shape[-1] for tensor in self.pyramid_outputs.values()]

    @property
    def hidden_dims(self):
        """Channels of each pyramid level (keras-hub's SegFormer)."""
        return self.embedding_dims


@readable
class LevelsModel(GraphModel):
    """A `GraphModel` with the levels in which it ends, and no others, if its output is a dictionary of them."""

    @property
    def pyramid_level_inputs(self):
        """{"P3": layer name, ...}: as in the output."""
        ends = self.output if isinstance(self.output, dict) else {}
        layers = {level: tensor._keras_history.operation for level, tensor in ends.items()}
        names = {level: layer.name for level, layer in layers.items() if isinstance(layer, Stage)}
        return Levels(names or super().pyramid_level_inputs)


@readable
class MiTModel(LevelsModel):
    """A model whose levels are numbered from "P1" whatever their strides, as in the libraries' MiT backbones."""

    @property
    def pyramid_level_inputs(self):
        """{"P1": layer name, "P2": ..., ...}: the maps from the finest to the coarsest."""
        finest_first = sorted(super().pyramid_level_inputs.values(), key=lambda name: pair(self.get_layer(name).stride))
        return Levels({f"P{i}": name for i, name in enumerate(finest_first, start=1)})

    @property
    def embedding_dims(self):
        """Channels of each level, written so that no two are alike."""
        return [_Channels(x.shape[-1]).of(level) for level, x in self.pyramid_outputs.items()]


class _Channels(int):
    """A number of channels that is written with its level: both SegFormers name a layer after what it looks like."""

    level = ""

    def of(self, level):
        self.level = level
        return self

    def __format__(self, spec):
        return f"{int(self):{spec}}_{self.level}"
