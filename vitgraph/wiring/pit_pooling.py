"""The pooling between PiT's stages."""

from keras import layers

from vitgraph.blocks import TakePrefix, ToMap, ToTokens
from vitgraph.wiring.layers import dense


def pool(x, patches, prefix, dim, halve, name):
    """Between stages: tokens (B, prefix + H W, .) -> (B, prefix + H/2 W/2, dim), and the map (B, H/2, W/2, dim).

    `halve` is a function (map, dim, name) -> map of half the sides.
    """
    tokens = dense(TakePrefix(prefix, name=f"{name}_tokens")(x), dim, f"{name}_fc")
    patches = halve(ToMap(prefix, name=f"{name}_map")(x, patches), dim, name)
    x = layers.Concatenate(axis=1, name=f"{name}_join")([tokens, ToTokens(name=f"{name}_patches")(patches)])
    return x, patches
