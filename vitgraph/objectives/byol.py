"""BYOL: from one view of an image, predict what a slowly following copy of the network makes of another view.

Paper: Grill et al., "Bootstrap Your Own Latent", arXiv:2006.07733.
Official code: github.com/google-deepmind/deepmind-research (byol); also in use: lucidrains' byol-pytorch.

    view_1, view_2                          (B, H, W, C)
      online: encoder, projector            (2 B, projection_dim)
        predictor                           (2 B, projection_dim)
      target: the same, following           (2 B, projection_dim)
      2 - 2 cos(prediction, the other view's target)

    projector, predictor: linear, batch norm, ReLU, linear.

Both views pass as one batch, as in byol-pytorch: batch norms see 2 B samples at a time, and B in the official code.
"""

import keras
from keras import layers

from vitgraph import contract as c
from vitgraph.blocks import SwappedCosine
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


class BYOL(MomentumObjective):
    """The model that `byol` returns."""

    augment: keras.layers.Layer

    def wire(self):
        features, image = representation(self.encoder), image_of(self.encoder)
        size = view_size(self.encoder, self.size, "size")
        if self.augment is None:
            self.augment = random_view(size, image.shape[-1], (0.08, 1.0), self.value_range, self.seed, "augment")
        makes_views(self.augment, self.encoder, "augment")

        view_1, view_2 = (keras.Input(image.shape[1:], name=f"view_{i}") for i in (1, 2))
        with policy_of(self.encoder):
            projection = self._two_layers(features, "projector")
            online = keras.Model(image, projection, name="online")
            target = following(online)
            x = layers.Concatenate(axis=0, name="views")([view_1, view_2])
            projected = online(x)
            prediction = self._two_layers(projected, "predictor")
            loss = SwappedCosine(dtype="float32", name="loss")(prediction, target(x))
        outputs = {"loss": loss, "prediction": prediction, "projection": projected}
        return keras.Model({"view_1": view_1, "view_2": view_2}, outputs)

    def _two_layers(self, x, name):
        """(B, C) -> (B, projection_dim)."""
        x = w.batch_norm(w.dense(x, self.projection_hidden_dim, f"{name}_fc1"), f"{name}_norm")
        return w.dense(layers.ReLU(name=f"{name}_act")(x), self.projection_dim, f"{name}_fc2")

    def views(self, images):
        return {f"view_{i}": self.augment(images, training=True) for i in (1, 2)}


@c.public
def byol(
    encoder: c.Graph,
    projection_dim: c.Width = 256,
    projection_hidden_dim: c.Width = 4096,
    momentum: Momentum = 0.99,
    augment: keras.layers.Layer | None = None,
    size: c.ImageSize | None = None,
    value_range: ValueRange = (0.0, 1.0),
    seed: c.Seed | None = None,
    name: c.Name = "byol",
) -> BYOL:
    """Trains a graph to represent two views of an image alike (arXiv:2006.07733). A batch has several images.

    `fit` takes images, or {"view_1": (B, H, W, C), "view_2": ...}. `predict` makes views, too, and gives
    {"prediction", "projection"}, (2 B, projection_dim) each.

    Args:
        encoder: a graph of this package, plain or hierarchical. Its representation is what its head sees or, without
            its top, its pooled output or the mean of its map.
        projection_dim: width of what projector and predictor give.
        projection_hidden_dim: width of their hidden layers.
        augment: a Keras layer or model that makes one random view of each image; None: random resized crop, flip,
            colours and blur, the paper's except for solarisation.

    Returns:
        A `keras.Model` to compile with an optimizer and fit; its `encoder` is the graph that it trains.

    Example:
        >>> encoder = vitgraph.build_vit((32, 32, 3), include_top=False, dim=32, depth=1, num_heads=2)
        >>> model = vitgraph.byol(encoder, projection_dim=16, projection_hidden_dim=32)
        >>> tuple(model(numpy.zeros((4, 32, 32, 3)))["prediction"].shape)
        (8, 16)
    """
    return BYOL(
        encoder, seed, name, projection_dim=projection_dim, projection_hidden_dim=projection_hidden_dim,
        momentum=momentum, augment=augment, size=size, value_range=value_range,
    )  # fmt: skip
