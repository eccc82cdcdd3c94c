"""What every builder returns, and the marks in its stream from which everything else is derived."""

import keras

from vitgraph.blocks.base import PACKAGE, Block, pair


class Stage(Block):
    """An identity that stands in the stream where it may be read as a map: at the end of a stage, or of a plain block.

    Args:
        stride: input pixels per position, a number or (rows, columns).
        prefix: number of leading tokens that are no patches, where the stream is tokens (B, N, C).
        grid: where the stream is tokens, the name of the layer whose output (B, H, W, .) they are the positions of;
            None: the stream is a map (B, H, W, C).
    """

    def __init__(self, stride, prefix=0, grid=None, **kwargs):
        super().__init__(**kwargs)
        rows, columns = pair(stride)
        self.stride = rows if rows == columns else (rows, columns)
        self.prefix = prefix
        self.grid = grid

    @property
    def level(self):
        """The pyramid's name for this stride: "P2" for 4, "P5" for 32; "stride_14" for what is no power of two."""
        if isinstance(self.stride, int) and self.stride.bit_count() == 1:
            return f"P{self.stride.bit_length() - 1}"
        return "stride_" + "x".join(map(str, self.stride if isinstance(self.stride, (tuple, list)) else [self.stride]))

    def call(self, x):
        return x


def layers_within(model):
    """All layers of a model, with those of models within it in the place of these."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_within(layer)
        else:
            yield layer


@keras.saving.register_keras_serializable(package=PACKAGE)
class GraphModel(keras.Model):
    """A Functional `keras.Model` that detectors and segmenters can read.

    It holds nothing of its own: what keras-cv and keras-hub ask a backbone for is derived from the `Stage` layers, so
    it is there again after `.keras`, `clone_model` and `from_config`.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

    @property
    def stages(self):
        """The `Stage` layers, in the order of the stream."""
        return [layer for layer in self.layers if isinstance(layer, Stage)]

    @property
    def pyramid_level_inputs(self):
        """{"P2": layer name, ...}: the last map of each stride (keras-cv)."""
        return {stage.level: stage.name for stage in self.stages if stage.grid is None}

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


@keras.saving.register_keras_serializable(package=PACKAGE)
class MiTModel(GraphModel):
    """A `GraphModel` whose levels are counted from "P1" whatever their strides, as the libraries' MiT backbones do."""

    @property
    def pyramid_level_inputs(self):
        """{"P1": layer name, "P2": ..., ...}: the maps in the order of the stream."""
        names = super().pyramid_level_inputs.values()
        return {f"P{i}": name for i, name in enumerate(names, start=1)}
