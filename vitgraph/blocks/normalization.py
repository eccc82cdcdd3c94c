"""Norms over channels, batches and whole maps; in forms that run faster on TensorFlow than Keras' own.

Where nothing varies, as in black parts of an image, a norm has no gradient. The slope would be 1 / sqrt(epsilon), up to
a thousand, and a chain of norms multiplies it: beyond float16 after two, beyond float32 after thirteen. What it says
holds only for changes too small to be ever made.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from vitgraph.blocks.base import PACKAGE, Layer, on_cpu, under_xla

_plain: Callable[[Any], Any] | None = None


@contextlib.contextmanager
def plain_norms(with_squares: bool = True) -> Iterator[None]:
    """Lets norms be traced for quantised files: without the guard for vectors in which nothing varies.

    It divides by variances, and the smallest of them are 0 in int8: LiteRT then stops with an error, and where it
    doesn't the answers are worthless. NNCF knows norms by their form, and quantises within those that have the guard.

    Args:
        with_squares: False writes variances as products, since LiteRT has neither squares nor squared differences,
            which TensorFlow makes of them, in int16.
    """
    global _plain
    _plain = ops.square if with_squares else lambda y: y * (y + 2.0**-10)  # the mean of y is 0
    try:
        yield
    finally:
        _plain = None


class LayerNorm(Layer):
    """(..., C) -> (..., C): each vector minus its mean, divided by its standard deviation, times `gamma`, plus `beta`.

    Ba et al., arXiv:1607.06450. Weights and values are those of `keras.layers.LayerNormalization`; as there, statistics
    are float32 or better under any policy. The centred input is computed once and used for both the variance and the
    result, which takes fewer passes over memory. Milliseconds on one AVX-512 core, Keras' form and this one:

    | input | TF graph | with gradient | XLA | with gradient |
    |---|---|---|---|---|
    | 8 x 56 x 56 x 32 | 1.75, 1.41 | 4.3, 3.2 | 0.49, 0.53 | 0.8, 1.0 |
    | 8 x 56 x 56 x 96 | 7.0, 4.8 | 14.6, 9.4 | 2.1, 2.1 | 5.0, 3.3 |
    | 8 x 197 x 384 | 1.13, 0.95 | 2.5, 1.8 | 0.53, 0.52 | 1.0, 0.8 |

    oneDNN has a single operation for it, which TensorFlow substitutes in inference, but only if it isn't allowed to
    reorder factors: `tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})`. On two AVX2
    cores that reduces 8 x 197 x 384 from 1.5 to 0.8 ms, and 8 x 56 x 56 x 96 from 5.1 to 1.4.

    PyTorch has its own kernel, which Keras calls.

    Args:
        epsilon: added to the variance.
        init: initial value of `gamma`.
    """

    def __init__(self, epsilon=1e-6, init=1.0, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.init = init

    def build(self, input_shape):
        init = keras.initializers.Constant(self.init)
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer=init)
        self.beta = self.add_weight(name="beta", shape=(input_shape[-1],), initializer="zeros")

    def call(self, x):
        if keras.backend.backend() == "torch":
            y = _with_slope(x, lambda x: _varies(x, -1))
            return ops.layer_normalization(y, self.gamma, self.beta, axis=-1, epsilon=self.epsilon)
        y = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
        if keras.backend.backend() == "tensorflow" and _as_written():
            y = y - ops.stop_gradient(y[..., :1])  # equal numbers are 0, before sums are rounded
            rows = ops.reshape(_with_slope(y, lambda y: _varies(y, -1)), (-1, x.shape[-1]))
            return ops.cast(ops.reshape(self._fusable(rows), ops.shape(x)), x.dtype)
        mean = ops.mean(y, axis=-1, keepdims=True)
        y = y - mean
        if _plain is not None:
            variance = ops.mean(_plain(y), axis=-1, keepdims=True)
            return ops.cast(self._scaled(y, ops.rsqrt(variance + self.epsilon)), x.dtype)
        variance = ops.mean(ops.square(y), axis=-1, keepdims=True)
        inverse = ops.rsqrt(variance + self.epsilon) * self._varies(mean, variance, x.shape[-1])
        return ops.cast(self._scaled(y, inverse), x.dtype)

    def _varies(self, mean, variance, width):
        """(..., 1): 0 where a variance is 0, or what the rounding of a sum of equal numbers makes of it; 1 elsewhere.

        The norm would make that a thousand times larger, and a second norm another thousand times: scores of an image
        with a border of one colour would be off by a tenth. LiteRT's XNNPACK supports all of this, but not `where`.
        """
        unit = float(np.finfo(keras.backend.standardize_dtype(mean.dtype)).eps)
        beyond = ops.relu(variance - ops.square(unit * width**0.5 * mean))
        return ops.minimum(1024.0 * beyond / (variance + 2.0**-40 * self.epsilon), 1.0)

    def _fusable(self, rows):
        """(M, C) -> (M, C), as the sequence of operations that TensorFlow replaces by oneDNN's single one."""
        import tensorflow as tf

        mean = ops.mean(rows, axis=1, keepdims=True)
        variance = ops.mean(tf.math.squared_difference(rows, mean), axis=1, keepdims=True)
        return self._scaled(rows - mean, ops.rsqrt(variance + self.epsilon))

    def _scaled(self, centred, inverse):
        gamma, beta = (ops.cast(weight, centred.dtype) for weight in (self.gamma, self.beta))
        return centred * inverse * gamma + beta


def _beyond_rounding(mean, variance):
    """Whether there is a variance that isn't what the sums of equal numbers leave."""
    return variance > ops.square(2.0**-20 * mean)


def _varies(x, axes):
    return ops.max(x, axes, keepdims=True) > ops.min(x, axes, keepdims=True)


def _with_slope(x, where):
    """x itself, with a gradient only where `where(x)` is true."""

    @ops.custom_gradient
    def identity(x):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return upstream * ops.cast(where(x), upstream.dtype)

        return x, gradient

    return identity(x)


def _as_written():
    """Whether TensorFlow has been told not to reorder factors."""
    import tensorflow as tf

    return tf.config.optimizer.get_experimental_options().get("arithmetic_optimization") is False


@keras.saving.register_keras_serializable(package=PACKAGE)
class BatchNorm(keras.layers.BatchNormalization):
    """(..., C) -> (..., C): Keras' layer, in training on TensorFlow in a faster form.

    Ioffe and Szegedy, arXiv:1502.03167. Keras composes it of ten operations; TensorFlow has a single one, which this
    layer calls. On two AVX2 cores with four images, a training step of MobileViT-S takes 731 ms, with Keras' form 920;
    one of LeViT-256 takes 400, and 423.

    XLA splits that operation up again, and on a CPU adds up each channel's products one by one as they are computed.
    Under XLA the sums are therefore matrix products with ones, of products computed before. Milliseconds with gradients
    on the same cores, between two SiLUs, as the single operation and as matrix products: 4 x 128 x 128 x 64, 21 and 20;
    4 x 64 x 64 x 256, 29 and 18; 4 x 32 x 32 x 384, 13 and 9; 4 x 16 x 16 x 512, 7.5 and 3.6.
    """

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable and mask is None):
            return super().call(inputs, training=training, mask=mask)
        if not self._has_operation(inputs):
            others = [axis for axis in range(len(inputs.shape)) if axis != self.axis % len(inputs.shape)]
            return super().call(_with_slope(inputs, lambda x: _varies(x, others)), training=training)
        x = ops.cast(inputs, "float32")
        form = _summed if len(x.shape) > 2 and under_xla() and on_cpu() else _as_one
        y, mean, variance = form(x, self.gamma.value, self.beta.value, self.epsilon)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return ops.cast(y, self.compute_dtype)

    def _has_operation(self, x):
        """Whether TensorFlow's operation applies: channels last, single precision."""
        return (
            keras.backend.backend() == "tensorflow"
            and self.axis in (-1, len(x.shape) - 1)
            and self.scale
            and self.center
            and not (self.renorm or self.synchronized)
            and self.variable_dtype == "float32"
            and x.dtype != "float64"
        )


@keras.saving.register_keras_serializable(package=PACKAGE)
class GroupNorm(keras.layers.GroupNormalization):
    """(B, ..., C) -> (B, ..., C): Keras' layer, with no gradient in groups where nothing varies."""

    def _apply_normalization(self, grouped, input_shape):
        axes = [axis for axis in range(1, len(grouped.shape)) if axis != len(grouped.shape) - 2]
        return super()._apply_normalization(_with_slope(grouped, lambda x: _varies(x, axes)), input_shape)


@keras.saving.register_keras_serializable(package=PACKAGE)
class RMSNorm(keras.layers.RMSNormalization):
    """(..., C) -> (..., C): Keras' layer, with no gradient for vectors of zeros."""

    def call(self, x):
        return super().call(_with_slope(x, lambda x: ops.any(x != 0, -1, keepdims=True)))


def _as_one(x, gamma, beta, epsilon):
    """(..., C) -> the normalised input, its mean and its variance (C,), by TensorFlow's operation."""
    import tensorflow as tf

    @ops.custom_gradient
    def normalise(rows, gamma, beta):
        y, mean, variance, *saved = tf.raw_ops.FusedBatchNormV3(
            x=rows,
            scale=gamma,
            offset=beta,
            mean=(),
            variance=(),
            epsilon=epsilon,
            exponential_avg_factor=1.0,
            is_training=True,
        )

        def gradient(upstream, *_):
            x_gradient, gamma_gradient, beta_gradient, *_ = tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=upstream,
                x=rows,
                scale=ops.where(_beyond_rounding(mean, variance), gamma, 0.0),  # a factor of x' gradient only
                reserve_space_1=saved[0],
                reserve_space_2=saved[1],
                reserve_space_3=saved[2],
                epsilon=epsilon,
                is_training=True,
            )
            return x_gradient, gamma_gradient, beta_gradient

        return (y, mean, variance), gradient

    rows = ops.reshape(x, (-1, 1, 1, x.shape[-1]))
    y, mean, variance = normalise(rows, gamma, beta)
    count = ops.cast(ops.shape(rows)[0], "float32")
    # Keras' variance: that of this batch, not an estimate for all data.
    return ops.reshape(y, ops.shape(x)), mean, variance * (count - 1) / count


def _summed(x, gamma, beta, epsilon):
    """(B, ..., C) -> the normalised input, its mean and its variance (C,); each sum is a matrix product with ones."""
    batch, channels = ops.shape(x)[0], x.shape[-1]
    count = ops.cast(ops.size(x) // channels, "float32")

    def average(x):
        rows = ops.reshape(x, (batch, -1, channels))
        return ops.sum(ops.matmul(ops.ones((batch, 1, ops.shape(rows)[1]), x.dtype), rows), (0, 1)) / count

    mean = average(x)
    variance = average(ops.square(x - mean))
    scale = ops.where(_beyond_rounding(mean, variance), ops.rsqrt(variance + epsilon), 0.0)

    @ops.custom_gradient
    def normalise(x, gamma, beta):
        unit = (x - mean) * scale

        def gradient(upstream):
            along, level = average(upstream * unit), average(upstream)
            return (upstream - level - unit * along) * (gamma * scale), along * count, level * count

        return unit * gamma + beta, gradient

    return normalise(x, gamma, beta), mean, variance
