"""What a net with a class token and a distillation token ends in."""

from keras import layers

from vitgraph.blocks import TakeToken
from vitgraph.wiring.layers import dense, dropout


def two_heads(x, num_classes, drop_rate=0.0):
    """Each token has a head of its own, `head` and `head_dist`: (B, 2 + N, C) -> their mean logits (B, num_classes)."""
    token, dist_token = _two_tokens(x)
    logits = dense(dropout(token, drop_rate, "head_drop"), num_classes, "head")
    dist_logits = dense(dropout(dist_token, drop_rate, "head_dist_drop"), num_classes, "head_dist")
    return layers.Average(name="head_mean")([logits, dist_logits])


def mean_token(x):
    """The mean of the two tokens, which is what their heads see: (B, 2 + N, C) -> (B, C)."""
    return layers.Average(name="pool_mean")(_two_tokens(x))


def _two_tokens(x):
    """(B, 2 + N, C) -> the class token and the distillation token, each (B, C)."""
    return TakeToken(0, name="pool")(x), TakeToken(1, name="pool_dist")(x)
