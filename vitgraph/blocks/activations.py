"""Activations that no stock Keras layer is named after."""

import keras
from keras import ops

from vitgraph.blocks.base import Block


class GELU(Block):
    """x Phi(x), exact or by tanh, of the shape of x.

    On TensorFlow it is written with erf, not with erfc as TensorFlow's own: ONNX has no erfc, and oneDNN has a faster
    erf and fuses this form with a bias and a matrix product right before it. A `Dense` layer reshapes between the two,
    which is in the way, so the bias is added again before that reshape; the first addition is then unused, and dropped.
    Measured on one AVX-512 core in the TF graph: 8 x 56 x 56 x 256 behind a depthwise convolution 8.8 ms, with erfc
    16.5; the fusion alone makes Swin-T 3.5 % and ViT-S 1.6 % faster.
    """

    def __init__(self, approximate=False, **kwargs):
        super().__init__(**kwargs)
        self.approximate = approximate

    def call(self, x):
        if self.approximate or keras.backend.backend() != "tensorflow":
            return ops.gelu(x, approximate=self.approximate)
        rows, shape = _before_reshape(x)
        y = 0.5 * rows * (1.0 + ops.erf(rows * 0.5**0.5))
        return y if shape is None else ops.reshape(y, shape)


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


def _before_reshape(x):
    """x, None; or, if x is bias_add(reshape(y, shape), bias) in a TensorFlow graph: bias_add(y, bias), shape."""
    import tensorflow as tf

    if not tf.is_symbolic_tensor(x) or x.op.type != "BiasAdd" or x.op.inputs[0].op.type != "Reshape":
        return x, None
    product, shape = x.op.inputs[0].op.inputs
    if product.op.type != "MatMul":
        return x, None
    return tf.nn.bias_add(product, x.op.inputs[1]), shape
