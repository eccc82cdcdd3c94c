"""Losses that compare representations of two views, and their head."""

import keras
from keras import ops

from vitgraph.blocks.base import Layer
from vitgraph.blocks.initializers import Normal


class SwappedCosine(Layer):
    """Predictions and targets (2 B, C), each of two views -> (): BYOL's loss (arXiv:2006.07733), in float32.

    2 - 2 cos(prediction, the other view's target), summed over both views, averaged over B.
    """

    def call(self, predictions, targets):
        predictions, targets = (ops.cast(x, "float32") for x in (predictions, ops.stop_gradient(targets)))
        half = ops.shape(targets)[0] // 2
        targets = ops.concatenate([targets[half:], targets[:half]], axis=0)
        cosines = ops.sum(_unit(predictions) * _unit(targets), axis=-1)
        return 2.0 * ops.mean(2.0 - 2.0 * cosines)

    def compute_output_spec(self, predictions, targets):
        return keras.KerasTensor((), dtype="float32")


class WeightNormDense(Layer):
    """(..., C) -> (..., units): a linear layer without bias, whose columns have the length `scale`, initially 1.

    Weight normalisation: Salimans & Kingma, arXiv:1602.07868.

    Args:
        units: number of outputs.
        learn_scale: whether the lengths are trained.
    """

    def __init__(self, units, learn_scale=False, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.learn_scale = learn_scale

    def build(self, input_shape):
        initializer = Normal(stddev=0.02)
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.units), initializer=initializer)
        self.scale = self.add_weight(name="scale", shape=(self.units,), initializer="ones", trainable=self.learn_scale)

    def call(self, x):
        kernel = ops.cast(self.kernel, "float32")
        kernel = kernel * (ops.cast(self.scale, "float32") * ops.rsqrt(ops.sum(ops.square(kernel), axis=0)))
        return ops.matmul(x, ops.cast(kernel, x.dtype))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)


class CentredCrossEntropy(Layer):
    """Student (V B, K), teacher (2 B, K) -> (): DINO's loss (arXiv:2104.14294), in float32.

    Cross-entropy of the student's views with the teacher's two, except for pairs of the same view; the student's first
    two views are the teacher's. The running mean of the teacher's scores, `center`, is subtracted from them; it is
    updated in training.

    Args:
        views: number V of the student's views.
        student_temp, teacher_temp: temperatures that the scores are divided by.
        center_momentum: share of the centre that is kept with each batch.
    """

    def __init__(self, views, student_temp=0.1, teacher_temp=0.04, center_momentum=0.9, **kwargs):
        super().__init__(**kwargs)
        self.views = views
        self.student_temp = student_temp
        self.teacher_temp = teacher_temp
        self.center_momentum = center_momentum

    def build(self, student_shape, teacher_shape):
        shape = (1, student_shape[-1])
        self.center = self.add_weight(name="center", shape=shape, initializer="zeros", trainable=False)

    def call(self, student, teacher, training=False):
        student, teacher = (ops.cast(x, "float32") for x in (student, ops.stop_gradient(teacher)))
        center, classes = ops.cast(self.center, "float32"), student.shape[-1]
        said = ops.softmax((teacher - center) / self.teacher_temp, axis=-1)
        said = ops.reshape(said, (2, -1, classes))
        heard = ops.reshape(ops.log_softmax(student / self.student_temp, axis=-1), (self.views, -1, classes))
        terms = [-ops.mean(ops.sum(said[i] * heard[j], axis=-1)) for i in range(2) for j in range(self.views) if i != j]
        if training:
            mean = ops.mean(teacher, axis=0, keepdims=True)
            self.center.assign(center * self.center_momentum + mean * (1 - self.center_momentum))
        return sum(terms) / len(terms)

    def compute_output_spec(self, student, teacher, training=False):
        return keras.KerasTensor((), dtype="float32")


def _unit(x):
    """Vectors of length 1."""
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=-1, keepdims=True), 1e-24))
