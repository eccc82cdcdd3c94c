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

import json

import keras
import numpy as np
from keras import ops

from vitgraph.blocks import AppendToken, DropLast, GraphModel, TakeToken
from vitgraph.checkpoints import load_weights
from vitgraph.checkpoints.derived import plain_weights
from vitgraph.contract import Check
from vitgraph.objectives.base import Objective, features, policy_of, positioned, replay
from vitgraph.wiring.layers import dense, layer_norm

REDUCTIONS = ("mean", "batchmean")


class Distillation(Objective):
    """Trains a classifier with a teacher beside the labels (arXiv:2012.12877): `fit(images, labels)`.

    Labels are classes (B,), or shares of them (B, num_classes) as MixUp makes. `predict` gives the student's scores;
    called, the model gives {"predictions", "class", "distillation"}, the latter two logits.

    Args:
        student: a graph of this package with its top. One that was built with `distilled=True` learns through its
            distillation token.
        teacher: any Keras model of the same images and classes; it is frozen. If it wants other images, give it in a
            model that turns these into those.
        temperature: by which both sides' logits are divided.
        alpha: the teacher's share of the loss.
        hard: learn the teacher's choice and not its distribution.
        reduction: of the soft loss over classes, after the sum over which the batch's mean is taken: "mean" divides by
            their number, as the official code does; "batchmean" doesn't, as in vit-pytorch.
        teacher_logits: whether the teacher gives logits; None: not if its last layer ends in a softmax.
        add_token: give a plain student a distillation token for the time of training; `student` stays without it.
        add_token_norm: with a layer norm before the head of that token.
        name: the model's name.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """

    def __init__(
        self,
        student,
        teacher,
        temperature=1.0,
        alpha=0.5,
        hard=False,
        reduction="mean",
        teacher_logits=None,
        add_token=False,
        add_token_norm=False,
        name="distillation",
    ):
        check = Check("distill")
        check.over_zero(temperature=temperature)
        check.shares(alpha=alpha)
        check.that(reduction in REDUCTIONS, "reduction", reduction, ", ".join(REDUCTIONS))
        super().__init__(student, None, name)
        _check_pair(check, student, teacher)
        self.student = student
        self.teacher = teacher
        self.temperature = temperature
        self.alpha = alpha
        self.hard = hard
        self.reduction = reduction
        self.teacher_logits = _gives_logits(teacher) if teacher_logits is None else teacher_logits
        self.add_token = add_token
        self.add_token_norm = add_token_norm
        teacher.trainable = False

        names = {layer.name for layer in student.layers}
        last = student.get_layer("predictions")
        if "head_dist" in names:
            check.that(not add_token, "add_token", add_token, "False: the student has a distillation token")
            scores, distilled = student.get_layer("head").output, student.get_layer("head_dist").output
            predictions = student.output
        elif add_token:
            scores, distilled = self._with_token(check, last.input)
            predictions = last(scores)
        else:
            scores = distilled = last.input
            predictions = student.output
        outputs = {"predictions": predictions, "class": scores, "distillation": distilled}
        self.connect(keras.Model(student.input, outputs))

    def _with_token(self, check, scores):
        """The logits of the class head and of a further token's: (B, num_classes) each."""
        start, end = positioned(self.student, check), features(self.student)[0]
        with policy_of(self.student):
            x = AppendToken(name="distill_token")(start)
            x = replay(start, end, x, "blocks")
            token, x = TakeToken(-1, name="distill_pool")(x), DropLast(name="others")(x)
            token = layer_norm(token, 1e-5, "distill_norm") if self.add_token_norm else token
            return replay(end, scores, x, "classifier"), dense(token, scores.shape[-1], "distill_head")

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


distill = Distillation
"""The same, called after what it does."""


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


def without_distillation(model):
    """The plain net of a distilled one, with its weights: without the distillation token, its position and its head.

    Args:
        model: a `Distillation`, or a net that was built with a distillation token, with or without its top.

    Returns:
        A `keras.Model` whose class head is the distilled net's; of a plain student, that itself.

    Raises:
        ValueError: a net that has no distillation token.
    """
    if isinstance(model, Distillation):
        model = model.student
        if "dist_token" not in {layer.name for layer in model.layers}:
            return model
    Check("without_distillation").that(
        "dist_token" in {layer.name for layer in model.layers}, "model", model.name, "a net with a distillation token"
    )
    token = model.get_layer("dist_token")
    instead = {"dist_token": token.input._keras_history.operation.name, "head_mean": "head", "pool_mean": "pool"}
    dropped = {*instead, "pool_dist", "head_dist", "head_dist_drop"}
    config = json.loads(json.dumps(model.get_config()))
    layers = [_one_token_less(layer) for layer in config["layers"] if layer["name"] not in dropped]
    text = json.dumps({**config, "layers": layers})
    for name, other in instead.items():  # tensors are named by the layer that they come from
        text = text.replace(f'"keras_history": ["{name}",', f'"keras_history": ["{other}",')
        text = text.replace(f'"output_layers": ["{name}",', f'"output_layers": ["{other}",')
    plain = GraphModel.from_config(json.loads(text))
    load_weights(plain, plain_weights(model), source="vitgraph")
    return plain


def _one_token_less(layer):
    config = layer["config"]
    return {**layer, "config": {**config, "prefix": config["prefix"] - 1}} if config.get("prefix") else layer


def _check_pair(check, student, teacher):
    names = {layer.name for layer in student.layers}
    check.that("predictions" in names, "student", student.name, "a graph with its top")
    check.that(isinstance(teacher, keras.Model), "teacher", teacher, "a Keras model", TypeError)
    images, wanted = student.input_shape[1:], teacher.input_shape[1:]
    fits = len(images) == len(wanted) and all(None in (a, b) or a == b for a, b in zip(images, wanted, strict=True))
    check.that(fits, "teacher", f"{teacher.name} of images {wanted}", f"one of the student's images {images}")
    classes = student.output_shape[-1]
    same = teacher.output_shape[1:] == (classes,)
    check.that(same, "teacher", f"{teacher.name} with output {teacher.output_shape}", f"one of {classes} classes")


def _gives_logits(teacher):
    """Whether the last layer that has an activation has no softmax."""
    layer = teacher.layers[-1]
    while isinstance(layer, keras.Model):
        layer = layer.layers[-1]
    activation = getattr(layer, "activation", None)
    return not (isinstance(layer, keras.layers.Softmax) or activation is keras.activations.softmax)
