"""DINO: from any crop of an image, predict what a slowly following copy of the network says of the whole.

Paper: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", arXiv:2104.14294.
Official code: github.com/facebookresearch/dino.

    view_1, view_2, and V - 2 local crops   (B, H, W, C), (B, h, w, C) each
      student: encoder, head                (V B, out_dim)
      teacher: the same, following; of view_1 and view_2   (2 B, out_dim)
      cross-entropy of the student's views with the teacher's two, less their centre

    head: linear layers with GELU between, unit length, weight-normed linear.

Keras' layers make the default views, without solarisation. The teacher's temperature is constant in training.
"""

from typing import Annotated

import keras
from keras import layers

from vitgraph import contract as c
from vitgraph.blocks import GELU, CentredCrossEntropy, WeightNormDense
from vitgraph.objectives.base import image_of, policy_of
from vitgraph.objectives.momentum import (
    Momentum,
    MomentumObjective,
    ValueRange,
    following,
    makes_views,
    random_view,
    representation,
    view_size,
)
from vitgraph.wiring import layers as w


class DINO(MomentumObjective):
    """The model that `dino` returns."""

    augment: keras.layers.Layer
    augment_local: keras.layers.Layer

    def wire(self):
        features, image = representation(self.encoder), image_of(self.encoder)
        self._make_augmentations(image.shape[-1])

        count = 2 + self.local_crops
        views = {f"view_{i}": keras.Input(image.shape[1:], name=f"view_{i}") for i in range(1, 1 + count)}
        first, second, *local = views.values()
        with policy_of(self.encoder):
            online = keras.Model(image, self._head(features), name="online")
            target = following(online)
            x = layers.Concatenate(axis=0, name="whole")([first, second])
            said, heard = target(x), online(x)
            if local:  # their size may be another, so they pass by themselves
                small = layers.Concatenate(axis=0, name="local")(local) if len(local) > 1 else local[0]
                heard = layers.Concatenate(axis=0, name="views")([heard, online(small)])
            temperatures = (self.student_temp, self.teacher_temp, self.center_momentum)
            loss = CentredCrossEntropy(count, *temperatures, dtype="float32", name="loss")(heard, said)
        return keras.Model(views, {"loss": loss, "student": heard, "teacher": said})

    def _make_augmentations(self, channels):
        whole = view_size(self.encoder, self.size, "size")
        small = view_size(self.encoder, self.local_size, "local_size")
        if self.augment is None:
            self.augment = random_view(whole, channels, (0.4, 1.0), self.value_range, self.seed, "augment")
        if self.augment_local is None:
            seed = None if self.seed is None else self.seed + 100
            self.augment_local = random_view(small, channels, (0.05, 0.4), self.value_range, seed, "augment_local")
        makes_views(self.augment, self.encoder, "augment")
        makes_views(self.augment_local, self.encoder, "augment_local")

    def _head(self, x):
        """(B, C) -> (B, out_dim)."""
        for i in range(1, self.num_layers):
            x = GELU(name=f"projector_act{i}")(w.dense(x, self.hidden_dim, f"projector_fc{i}"))
        x = w.dense(x, self.bottleneck_dim, f"projector_fc{self.num_layers}")
        x = layers.UnitNormalization(dtype="float32", name="projector_unit")(x)
        return WeightNormDense(self.out_dim, not self.norm_last_layer, name="projector_last")(x)

    def views(self, images):
        views = [self.augment(images, training=True) for _ in range(2)]
        views += [self.augment_local(images, training=True) for _ in range(self.local_crops)]
        return {f"view_{i}": view for i, view in enumerate(views, start=1)}


@c.public
def dino(
    encoder: c.Graph,
    out_dim: c.Count = 65536,
    hidden_dim: c.Width = 2048,
    bottleneck_dim: c.Width = 256,
    num_layers: Annotated[int, c.between(1, 32)] = 3,
    norm_last_layer: bool = True,
    student_temp: c.Temperature = 0.1,
    teacher_temp: c.Temperature = 0.04,
    center_momentum: c.Share = 0.9,
    momentum: Momentum = 0.996,
    local_crops: Annotated[int, c.between(0, 64)] = 8,
    augment: keras.layers.Layer | None = None,
    augment_local: keras.layers.Layer | None = None,
    size: c.ImageSize | None = None,
    local_size: c.ImageSize | None = None,
    value_range: ValueRange = (0.0, 1.0),
    seed: c.Seed | None = None,
    name: c.Name = "dino",
) -> DINO:
    """Trains a graph to say of crops what it says of whole images (arXiv:2104.14294).

    `fit` takes images, or {"view_1": (B, H, W, C), ..., "view_V": ...}, the first two whole. `predict` makes views,
    too, and gives {"student": (V B, out_dim), "teacher": (2 B, out_dim)}.

    Args:
        encoder: a graph of this package, plain or hierarchical. Its representation is what its head sees or, without
            its top, its pooled output or the mean of its map.
        out_dim: number of scores.
        hidden_dim: width of the layers of the head.
        bottleneck_dim: width of the last of them.
        num_layers: their number.
        norm_last_layer: whether the columns of the weight-normed layer keep the length 1; False: lengths are trained.
        student_temp: temperature of the student's softmax.
        teacher_temp: temperature of the teacher's softmax.
        center_momentum: share of itself that the centre keeps with each batch.
        local_crops: number of small crops, which only the student sees.
        augment: a Keras layer or model that makes one random view of each image; None: random resized crop of at least
            40 % of its area, flip, colours, blur.
        augment_local: the same for small crops; None: as `augment`, of 5 to 40 % of the area.
        local_size: `size` of the small crops; for an encoder of one size they are enlarged to it.

    Returns:
        A `keras.Model` to compile with an optimizer and fit; its `encoder` is the graph that it trains.

    Example:
        >>> encoder = vitgraph.build_vit((32, 32, 3), include_top=False, dim=32, depth=1, num_heads=2)
        >>> model = vitgraph.dino(encoder, out_dim=64, hidden_dim=32, bottleneck_dim=16, local_crops=1)
        >>> tuple(model(numpy.zeros((4, 32, 32, 3)))["student"].shape)
        (12, 64)
    """
    return DINO(
        encoder, seed, name, out_dim=out_dim, hidden_dim=hidden_dim, bottleneck_dim=bottleneck_dim,
        num_layers=num_layers, norm_last_layer=norm_last_layer, student_temp=student_temp, teacher_temp=teacher_temp,
        center_momentum=center_momentum, momentum=momentum, local_crops=local_crops, augment=augment,
        augment_local=augment_local, size=size, local_size=local_size, value_range=value_range,
    )  # fmt: skip
