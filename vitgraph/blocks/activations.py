"""Activations that no stock Keras layer is named after."""

import keras
from keras import ops

from vitgraph.blocks.base import Block


class GELU(Block):
    """x Phi(x), exact or by tanh, of the shape of x."""

    def __init__(self, approximate=False, **kwargs):
        super().__init__(**kwargs)
        self.approximate = approximate

    def call(self, x):
        return ops.gelu(x, approximate=self.approximate)


class QuickGELU(Block):
    """x sigmoid(1.702 x), of the shape of x: the GELU of OpenAI's CLIP and of CvT."""

    def call(self, x):
        return x * ops.sigmoid(1.702 * x)


class GatedActivation(Block):
    """(..., 2 C) -> (..., C): activation(first half) * second half, the gate of SwiGLU (Shazeer, arXiv:2002.05202)."""

    def __init__(self, activation="silu", **kwargs):
        super().__init__(**kwargs)
        self.activation = activation

    def call(self, x):
        half = x.shape[-1] // 2
        return keras.activations.get(self.activation)(x[..., :half]) * x[..., half:]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 2)
