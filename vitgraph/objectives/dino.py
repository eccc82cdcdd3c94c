"""DINO: say of every crop what a slowly following copy says of the whole.

Paper: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", arXiv:2104.14294.
Official code: github.com/facebookresearch/dino.

    view_1, view_2, and V - 2 local crops   (B, H, W, C), (B, h, w, C) each
      student: encoder, head                (V B, out_dim)
      teacher: the same, following; of view_1 and view_2   (2 B, out_dim)
      cross-entropy of the student's views with the teacher's two, less their centre

    head: linear layers with GELU between, unit length, weight-normed linear.

Keras' layers make the default views, without solarisation. The teacher's temperature doesn't change while it trains.
"""

import keras
from keras import layers

from vitgraph.blocks import GELU, CentredCrossEntropy, WeightNormDense
from vitgraph.contract import Check
from vitgraph.objectives.base import policy_of
from vitgraph.objectives.momentum import (
    MomentumObjective,
    check_momentum,
    following,
    random_view,
    representation,
    view_size,
)
from vitgraph.wiring.layers import dense


class DINO(MomentumObjective):
    """Trains a graph to say of crops what it says of whole images (arXiv:2104.14294).

    Args:
        encoder: a graph of this package, plain or hierarchical. Its representation is what its head sees, or, without
            its top, its pooled output or the mean of its map.
        out_dim: number of scores.
        hidden_dim, bottleneck_dim, num_layers: of the head: width of its layers, of the last one, their number.
        norm_last_layer: the weight-normed layer's lengths stay 1.
        student_temp, teacher_temp: temperatures of the two sides' softmax.
        center_momentum: what the centre keeps of itself with each batch.
        momentum: what the teacher keeps of itself at each step: a number, or a schedule such as
            `keras.optimizers.schedules.CosineDecay(0.996, steps, alpha=1 / 0.996)`, the paper's.
        local_crops: number of small crops, which the student alone sees.
        augment, augment_local: Keras layers or models that make one random view of images, whole or small; None: random
            resized crop of at least, at most 40 % of the image, flip, colours, blur.
        size, local_size: (height, width) of the views, where the encoder takes images of any size; elsewhere small
            crops are enlarged to its own.
        value_range: (least, most) value of a pixel, which the default augmentation's colours need.
        seed: of the random draws; None: another one each time.
        name: the model's name.

    `predict` gives {"student": (V B, out_dim), "teacher": (2 B, out_dim)}, of views of its own. `fit` takes images, or
    {"view_1": (B, H, W, C), ..., "view_V": ...}, the first two whole.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """

    def __init__(
        self,
        encoder,
        out_dim=65536,
        hidden_dim=2048,
        bottleneck_dim=256,
        num_layers=3,
        norm_last_layer=True,
        student_temp=0.1,
        teacher_temp=0.04,
        center_momentum=0.9,
        momentum=0.996,
        local_crops=8,
        augment=None,
        augment_local=None,
        size=None,
        local_size=None,
        value_range=(0.0, 1.0),
        seed=None,
        name="dino",
    ):
        check = Check("dino")
        widths = {"out_dim": out_dim, "hidden_dim": hidden_dim, "bottleneck_dim": bottleneck_dim}
        check.positive(num_layers=num_layers, **widths)
        check.over_zero(student_temp=student_temp, teacher_temp=teacher_temp)
        check.shares(center_momentum=center_momentum)
        check.counts(0, local_crops=local_crops)
        check_momentum(check, momentum)
        features = representation(encoder, check)
        super().__init__(encoder, momentum, seed, name)
        self.out_dim = out_dim
        self.hidden_dim = hidden_dim
        self.bottleneck_dim = bottleneck_dim
        self.num_layers = num_layers
        self.norm_last_layer = norm_last_layer
        self.student_temp = student_temp
        self.teacher_temp = teacher_temp
        self.center_momentum = center_momentum
        self.local_crops = local_crops
        self.size = size
        self.local_size = local_size
        self.value_range = tuple(value_range)

        image = encoder.input
        whole, small = view_size(encoder, check, size=size), view_size(encoder, check, local_size=local_size)
        channels, other_seed = image.shape[-1], None if seed is None else seed + 100
        options = (channels, (0.4, 1.0), self.value_range, seed, "augment")
        self.augment = augment or random_view(whole, *options)
        options = (channels, (0.05, 0.4), self.value_range, other_seed, "augment_local")
        self.augment_local = augment_local or random_view(small, *options)

        views = {f"view_{i}": keras.Input(image.shape[1:], name=f"view_{i}") for i in range(1, 3 + local_crops)}
        first, second, *local = views.values()
        with policy_of(encoder):
            head = dino_head(features, out_dim, hidden_dim, bottleneck_dim, num_layers, not norm_last_layer)
            online = keras.Model(image, head, name="online")
            target = following(online)
            x = layers.Concatenate(axis=0, name="whole")([first, second])
            said, heard = target(x), online(x)
            if local:  # their size may be another, so they pass by themselves
                small = layers.Concatenate(axis=0, name="local")(local) if len(local) > 1 else local[0]
                heard = layers.Concatenate(axis=0, name="views")([heard, online(small)])
            temperatures = (student_temp, teacher_temp, center_momentum)
            loss = CentredCrossEntropy(2 + local_crops, *temperatures, dtype="float32", name="loss")(heard, said)
        outputs = {"loss": loss, "student": heard, "teacher": said}
        self.connect(keras.Model(views, outputs), online, target)

    def views(self, images):
        views = [self.augment(images, training=True) for _ in range(2)]
        views += [self.augment_local(images, training=True) for _ in range(self.local_crops)]
        return {f"view_{i}": view for i, view in enumerate(views, start=1)}


dino = DINO
"""The same, in the lower case of what makes a model."""


def dino_head(x, out_dim, hidden_dim, bottleneck_dim, num_layers, learn_scale, name="head"):
    """(B, C) -> (B, out_dim)."""
    for i in range(1, num_layers):
        x = GELU(name=f"projector_act{i}")(dense(x, hidden_dim, f"projector_fc{i}"))
    x = dense(x, bottleneck_dim, f"projector_fc{num_layers}")
    x = layers.UnitNormalization(dtype="float32", name="projector_unit")(x)
    return WeightNormDense(out_dim, learn_scale, name="projector_last")(x)
