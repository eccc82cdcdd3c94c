"""The pooling between PiT's stages."""

from keras import layers

from vitgraph.blocks import TakePrefix, ToMap, ToTokens
from vitgraph.wiring.layers import dense


def pool_tokens(x, patches, prefix, dim, halve, name):
    """Tokens (B, prefix + H W, .) of one stage -> those of the next (B, prefix + H/2 W/2, dim), and their map.

    Args:
        patches: the map (B, H, W, .) whose positions the last tokens are.
        prefix: number of class tokens.
        halve: a function (map, dim, name) -> map of half the height and width.
    """
    tokens = dense(TakePrefix(prefix, name=f"{name}_tokens")(x), dim, f"{name}_fc")
    patches = halve(ToMap(prefix, name=f"{name}_map")(x, patches), dim, name)
    x = layers.Concatenate(axis=1, name=f"{name}_join")([tokens, ToTokens(name=f"{name}_patches")(patches)])
    return x, patches
