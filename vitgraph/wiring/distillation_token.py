"""The two heads of a net with a distillation token."""

from keras import layers

from vitgraph.blocks import TakeToken
from vitgraph.wiring.layers import dense, dropout, predictions


def _two_tokens(x):
    """(B, 2 + N, C) -> the class token and the distillation token, each (B, C)."""
    return TakeToken(0, name="pool")(x), TakeToken(1, name="pool_dist")(x)


def mean_token(x):
    """The mean of class token and distillation token, which is what their heads see: (B, 2 + N, C) -> (B, C)."""
    return layers.Average(name="pool_mean")(_two_tokens(x))


def two_heads(x, num_classes, classifier_activation, drop_rate):
    """Each token has a head of its own; their mean is the answer: (B, 2 + N, C) -> (B, num_classes)."""
    token, dist_token = _two_tokens(x)
    logits = dense(dropout(token, drop_rate, "head_drop"), num_classes, "head")
    dist_logits = dense(dropout(dist_token, drop_rate, "head_dist_drop"), num_classes, "head_dist")
    return predictions(layers.Average(name="head_mean")([logits, dist_logits]), classifier_activation)
