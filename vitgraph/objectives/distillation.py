"""DeiT's distillation: a student learns from labels, and from what a teacher says.

Paper: Touvron et al., "Training data-efficient image transformers & distillation through attention", arXiv:2012.12877.
Official code: github.com/facebookresearch/deit, losses.py.

    image
      student: scores of the class head, of the distillation head
      teacher: scores, without gradients
    (1 - alpha) cross-entropy(class head, label)
      + alpha temperature^2 KL(teacher / temperature || distillation head / temperature)    soft
      | alpha cross-entropy(distillation head, the teacher's choice)                       hard

A student without a distillation token learns both through its one head. With `add_token` it has a token in training,
as in vit-pytorch's distill.py: last in the sequence, without a position, with a head of its own.

Features other than scores are distilled by `keras.distillation`, which compares outputs of the same shape.
"""

from typing import Literal

import keras
import numpy as np
from keras import ops

from vitgraph import contract as c
from vitgraph.blocks import AppendToken, DropLast, TakeToken
from vitgraph.objectives.base import Objective, features, image_of, policy_of, positioned, replay
from vitgraph.wiring import layers as w


class Distillation(Objective):
    """The model that `distill` returns. Called, it gives {"predictions", "class", "distillation"}, the last two logits.

    `encoder` and `student` are the same graph.
    """

    teacher_logits: bool | None

    def __init__(self, student, name, **settings):
        super().__init__(student, None, name, **settings)
        self.teacher.trainable = False

    @property
    def student(self):
        """The graph that learns."""
        return self.encoder

    def get_config(self):
        config = super().get_config()
        return {"student": config.pop("encoder")} | {key: value for key, value in config.items() if key != "seed"}

    def wire(self):
        image, names = image_of(self.student, "student"), {layer.name for layer in self.student.layers}
        whole = "predictions" in names and keras.backend.is_keras_tensor(self.student.output)
        c.require(whole, "student", "a graph with its top")
        self._check_teacher(tuple(image.shape[1:]), self.student.output.shape[-1])
        if self.teacher_logits is None:
            self.teacher_logits = _gives_logits(self.teacher)

        last, predictions = self.student.get_layer("predictions"), self.student.output
        if "head_dist" in names:
            c.require(not self.add_token, "add_token", "False: the student has a distillation token")
            scores, distilled = self.student.get_layer("head").output, self.student.get_layer("head_dist").output
        elif self.add_token:
            scores, distilled = self._with_token(last.input)
            predictions = last(scores)
        else:
            scores = distilled = last.input
        return keras.Model(image, {"predictions": predictions, "class": scores, "distillation": distilled})

    def _with_token(self, scores):
        """The logits of the class head and of a further token's head: (B, num_classes) each."""
        start, end = positioned(self.student, "student"), features(self.student)[0]
        with policy_of(self.student):
            x = AppendToken(name="distill_token")(start)
            x = replay(start, end, x, "blocks", "student")
            token, x = TakeToken(-1, name="distill_pool")(x), DropLast(name="others")(x)
            token = w.layer_norm(token, 1e-5, "distill_norm") if self.add_token_norm else token
            distilled = w.dense(token, scores.shape[-1], "distill_head")
            return replay(end, scores, x, "classifier", "student"), distilled

    def _check_teacher(self, images, classes):
        """The teacher takes the student's images and knows its classes."""
        c.require(self.teacher is not self.student, "teacher", "another model than the student")
        try:
            wanted, scores = tuple(self.teacher.input_shape[1:]), tuple(self.teacher.output_shape[1:])
        except Exception:  # a model that wasn't built, or with several inputs or outputs
            wanted = scores = ()
        c.require(wanted and scores, "teacher", "a model of one input and one output, whose shapes are known")
        fits = len(images) == len(wanted) and all(None in (a, b) or a == b for a, b in zip(images, wanted, strict=True))
        c.require(fits, "teacher", f"a model of the student's images, {images}, not {wanted}")
        c.require(scores == (classes,), "teacher", f"a model whose output is (B, {classes}), not {('B', *scores)}")

    def call(self, images, training=False):
        return self.graph(images, training=training)

    def fit(self, x=None, y=None, **kwargs):
        """As `keras.Model.fit`; labels that are an array are checked first."""
        if y is not None and not hasattr(x, "element_spec"):
            self._check_labels(np.asarray(y))
        return super().fit(x, y, **kwargs)

    def predict(self, *args, **kwargs):
        """As `keras.Model.predict`: the student's scores (B, num_classes)."""
        return self.student.predict(*args, **kwargs)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, y, y_pred["predictions"], sample_weight)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        logits, distilled = (ops.cast(y_pred[name], "float32") for name in ("class", "distillation"))
        soft = len(y.shape) == 2 and y.shape[1] == logits.shape[1]
        kind = keras.losses.CategoricalCrossentropy if soft else keras.losses.SparseCategoricalCrossentropy
        of_labels = kind(from_logits=True)(y, logits, sample_weight)
        said = TeacherLoss(self.temperature, self.hard, self.reduction)(self.ask(x), distilled, sample_weight)
        return (1 - self.alpha) * of_labels + self.alpha * said

    def ask(self, images):
        """The teacher's logits (B, num_classes), float32: of a teacher of probabilities, their logarithms."""
        scores = ops.cast(self.teacher(images, training=False), "float32")
        return ops.stop_gradient(scores if self.teacher_logits else ops.log(ops.maximum(scores, 1e-30)))

    def _check_labels(self, labels):
        classes = self.student.output_shape[-1]
        if labels.ndim == 2 and labels.shape[1] == classes:
            return
        good = labels.size == len(labels) and np.all((labels >= 0) & (labels < classes) & (labels == np.round(labels)))
        if not good:
            found = f"{labels.min()} ... {labels.max()}, shape {labels.shape}"
            raise ValueError(f"distill: labels {found}; allowed: 0 ... {classes - 1}, or (B, {classes}) shares")


@c.public
def distill(
    student: c.Graph,
    teacher: keras.Model,
    temperature: c.Temperature = 1.0,
    alpha: c.Share = 0.5,
    hard: bool = False,
    reduction: Literal["mean", "batchmean"] = "mean",
    teacher_logits: bool | None = None,
    add_token: bool = False,
    add_token_norm: bool = False,
    name: c.Name = "distillation",
) -> Distillation:
    """Trains a classifier with a teacher beside the labels (arXiv:2012.12877): `fit(images, labels)`.

    Labels are classes (B,), or shares of them (B, num_classes) as MixUp makes. `predict` gives the student's scores.

    Args:
        student: a graph of this package with its top. One that was built with `distilled=True` learns through its
            distillation token.
        teacher: any Keras model of the same images and classes; it is frozen. If it needs other images, wrap it in a
            model that converts them.
        temperature: what the logits of both are divided by.
        alpha: the teacher's share of the loss.
        hard: learn the class that the teacher chooses, not its distribution.
        reduction: how a sample's KL terms are combined: "mean" over classes (official code), or "batchmean", their sum
            (vit-pytorch).
        teacher_logits: whether the teacher gives logits; None: it does unless its last layer ends in a softmax.
        add_token: give a plain student a distillation token in training; `student` itself stays without it.
        add_token_norm: put a layer norm before the head of that token.

    Returns:
        A `keras.Model` to compile with an optimizer and fit; its `student` is the graph that it trains.

    Example:
        >>> student = vitgraph.build_deit((32, 32, 3), num_classes=10, dim=32, depth=1, num_heads=2, distilled=True)
        >>> teacher = keras.applications.MobileNetV3Small((32, 32, 3), weights=None, classes=10)
        >>> model = vitgraph.distill(student, teacher, hard=True)
        >>> model.predict(numpy.zeros((2, 32, 32, 3)), verbose=0).shape
        (2, 10)
    """
    c.require(add_token or not add_token_norm, "add_token_norm", "False without add_token")
    return Distillation(
        student, name, teacher=teacher, temperature=temperature, alpha=alpha, hard=hard, reduction=reduction,
        teacher_logits=teacher_logits, add_token=add_token, add_token_norm=add_token_norm,
    )  # fmt: skip


class TeacherLoss(keras.losses.Loss):
    """Logits of the teacher and of the distillation head, (B, num_classes) each -> a loss for each sample (B,)."""

    def __init__(self, temperature, hard, reduction):
        super().__init__()
        self.temperature = temperature
        self.hard = hard
        self.per_class = reduction == "mean"

    def call(self, teacher, student):
        if self.hard:
            return ops.sparse_categorical_crossentropy(ops.argmax(teacher, axis=-1), student, from_logits=True)
        teacher, student = (ops.log_softmax(x / self.temperature, axis=-1) for x in (teacher, student))
        divergence = ops.sum(ops.exp(teacher) * (teacher - student), axis=-1) * self.temperature**2
        return divergence / student.shape[-1] if self.per_class else divergence


def _gives_logits(teacher):
    """Whether the last layer has no softmax."""
    layer = teacher.layers[-1]
    while isinstance(layer, keras.Model) and layer.layers:
        layer = layer.layers[-1]
    activation = getattr(layer, "activation", None)
    return not (isinstance(layer, keras.layers.Softmax) or activation is keras.activations.softmax)
