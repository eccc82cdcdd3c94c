"""BYOL: predict what a slowly following copy makes of another view.

Paper: Grill et al., "Bootstrap Your Own Latent", arXiv:2006.07733.
Official code: github.com/google-deepmind/deepmind-research (byol); in use beside it: lucidrains' byol-pytorch.

    view_1, view_2                          (B, H, W, C) each
      online: encoder, projector            (2 B, projection_dim)
        predictor                           (2 B, projection_dim)
      target: the same, following           (2 B, projection_dim)
      2 - 2 cos(prediction, the other view's target)

    projector, predictor: linear, batch norm, ReLU, linear.

Both views pass as one batch, as in byol-pytorch: batch norms see 2 B samples, and in the paper's code B at a time.
"""

import keras
from keras import layers

from vitgraph.blocks import SwappedCosine
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
from vitgraph.wiring.layers import batch_norm, dense


class BYOL(MomentumObjective):
    """Trains a graph to give views of one image like representations (arXiv:2006.07733). A batch has several images.

    Args:
        encoder: a graph of this package, plain or hierarchical. Its representation is what its head sees, or, without
            its top, its pooled output or the mean of its map.
        projection_dim, projection_hidden_dim: widths of projector and predictor.
        momentum: what the target keeps of itself at each step: a number, or a schedule such as
            `keras.optimizers.schedules.CosineDecay(0.996, steps, alpha=1 / 0.996)`, the paper's.
        augment: a Keras layer or model that makes one random view of images; None: random resized crop, flip, colours,
            blur, as the paper has them but for solarisation.
        size: (height, width) of the views, where the encoder takes images of any size.
        value_range: (least, most) value of a pixel, which the default augmentation's colours need.
        seed: of the random draws; None: another one each time.
        name: the model's name.

    `predict` gives {"prediction", "projection"}, (2 B, projection_dim) each, of views of its own. `fit` takes images,
    or {"view_1": (B, H, W, C), "view_2": ...}.

    Raises:
        ValueError, TypeError: naming the argument, its value and what is allowed.
    """

    def __init__(
        self,
        encoder,
        projection_dim=256,
        projection_hidden_dim=4096,
        momentum=0.99,
        augment=None,
        size=None,
        value_range=(0.0, 1.0),
        seed=None,
        name="byol",
    ):
        check = Check("byol")
        check.positive(projection_dim=projection_dim, projection_hidden_dim=projection_hidden_dim)
        check_momentum(check, momentum)
        features = representation(encoder, check)
        super().__init__(encoder, momentum, seed, name)
        self.projection_dim = projection_dim
        self.projection_hidden_dim = projection_hidden_dim
        self.size = size
        self.value_range = tuple(value_range)
        image, sides = encoder.input, view_size(encoder, check, size=size)
        self.augment = augment or random_view(sides, image.shape[-1], (0.08, 1.0), self.value_range, seed, "augment")

        view_1, view_2 = (keras.Input(image.shape[1:], name=f"view_{i}") for i in (1, 2))
        with policy_of(encoder):
            projection = _two_layers(features, projection_hidden_dim, projection_dim, "projector")
            online = keras.Model(image, projection, name="online")
            target = following(online)
            x = layers.Concatenate(axis=0, name="views")([view_1, view_2])
            projected = online(x)
            prediction = _two_layers(projected, projection_hidden_dim, projection_dim, "predictor")
            loss = SwappedCosine(dtype="float32", name="loss")(prediction, target(x))
        outputs = {"loss": loss, "prediction": prediction, "projection": projected}
        self.connect(keras.Model({"view_1": view_1, "view_2": view_2}, outputs), online, target)

    def views(self, images):
        return {f"view_{i}": self.augment(images, training=True) for i in (1, 2)}


byol = BYOL
"""The same, in the lower case of what makes a model."""


def _two_layers(x, hidden, dim, name):
    """(B, C) -> (B, dim)."""
    x = batch_norm(dense(x, hidden, f"{name}_fc1"), f"{name}_norm")
    return dense(layers.ReLU(name=f"{name}_act")(x), dim, f"{name}_fc2")
