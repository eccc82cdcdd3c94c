"""How a graph begins and ends: in an image; in the last map, in what is pooled of it, or in class scores."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from vitgraph.blocks import GraphModel, TakeToken, ToMap
from vitgraph.blocks.base import is_static, pair
from vitgraph.wiring.layers import dense, dropout
from vitgraph.wiring.transformer import pool


@dataclasses.dataclass(frozen=True)
class Border:
    """The arguments that every builder has, in the order in which every builder has them."""

    input_shape: tuple
    include_top: bool
    num_classes: int
    classifier_activation: str | Callable[..., Any] | None
    pooling: str | None
    input_tensor: Any
    name: str

    @property
    def shape(self):
        """(H, W, C) of the image."""
        return self.input_shape if self.input_tensor is None else tuple(self.input_tensor.shape[1:])

    @property
    def is_open(self):
        """Whether the graph takes images of any size."""
        return not is_static(*self.shape[:2])

    def planned(self, img_size):
        """(H, W) that tables are planned for: the image's own size, or `img_size` where that is open."""
        return pair(img_size) if self.is_open else self.shape[:2]

    @functools.cached_property
    def image(self):
        """The graph's entry (B, H, W, C): a new `keras.Input`, or a tensor that exists."""
        if self.input_tensor is not None:
            return self.input_tensor
        dtype = keras.backend.result_type(keras.config.floatx(), "float32")  # layers round it, as their policy says
        return keras.Input(self.input_shape, dtype=dtype, name="image")

    @property
    def ends_in_map(self):
        return not self.include_top and self.pooling is None

    def model(self, outputs):
        """The model from the sources of the image to `outputs`."""
        sources = keras.utils.get_source_inputs(self.image)
        return GraphModel(sources[0] if len(sources) == 1 else sources, outputs, name=self.name)

    def end(self, x, drop_rate=0.0, hidden=None):
        """The model that ends in the map x (B, H, W, C).

        `hidden` is what there is between pooling and the end, a function (B, C) -> (B, D).
        """
        pooling = "avg" if self.include_top else self.pooling
        if pooling is not None:
            layer = layers.GlobalAveragePooling2D if pooling == "avg" else layers.GlobalMaxPooling2D
            x = layer(name="pool")(x)
            x = x if hidden is None else hidden(x)
        return self.end_pooled(x, drop_rate)

    def end_with_token(self, x, grid, drop_rate=0.0):
        """The model that ends in a class token and a map as large as `grid` (B, H, W, .): tokens (B, 1 + H W, C).

        Without a class token x is a map (B, H, W, C).
        """
        has_token = len(x.shape) == 3
        if has_token and (self.include_top or self.pooling == "token"):
            return self.end_pooled(TakeToken(name="pool")(x), drop_rate)
        return self.end(ToMap(1, name="map")(x, grid) if has_token else x, drop_rate)

    def end_plain(self, x, patches, t, kind, prefix=1, *, norm="before", pool_prefix=False, hidden=None, drop_rate=0.0):
        """The model that ends in the tokens x (B, prefix + N, C) of a plain net.

        Args:
            patches: the map (B, H, W, .) whose positions the last N tokens are.
            t: the `Transformer` whose norm it is.
            kind: what the head sees, one of `contract.Pool`.
            norm: whether the final norm comes "before" pooling, "after" it, or not at all (None).
            pool_prefix: whether pooling sees the prefix too.
            hidden: what there is between pooling and the head, a function (B, C) -> (B, C).
        """
        if norm == "before":
            x = t.norm(x, "norm")
        if self.ends_in_map:
            return self.model(ToMap(prefix, name="map")(x, patches))
        x = pool(x, self.pooling or kind, 0 if pool_prefix else prefix, t)
        if norm == "after":
            x = t.norm(x, "fc_norm")
        if self.include_top and hidden is not None:
            x = hidden(x)
        return self.end_pooled(x, drop_rate)

    def end_pooled(self, x, drop_rate=0.0):
        """The model that ends in x (B, C), or in the scores that dropout and a linear layer make of it."""
        if not self.include_top:
            return self.model(x)
        return self.end_scores(dense(dropout(x, drop_rate, "head_drop"), self.num_classes, "head"))

    def end_scores(self, logits):
        """The model that ends in the activation of (B, num_classes), in float32 under any dtype policy."""
        activation = self.classifier_activation or "linear"
        return self.model(layers.Activation(activation, dtype="float32", name="predictions")(logits))
