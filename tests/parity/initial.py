"""What the weights of official code begin with: INITIAL of a module here is {variant: {pattern of our path: rule}}.

The first pattern that matches a kernel, token or table holds; a rule makes (deviation, kind of distribution) of it, or
(deviation, kind, mean) where the mean isn't 0.
"""

import math
import re


def fans(kernel):
    """(fan in, fan out) as PyTorch counts them, per group."""
    *positions, channels, filters = kernel.shape
    is_depthwise = len(positions) == 2 and filters <= 2 < channels
    return math.prod(positions) * (1 if is_depthwise else channels), math.prod(positions) * filters


def default(kernel):
    """PyTorch's default."""
    return (3 * fans(kernel)[0]) ** -0.5, "uniform"


def he_fan_in(kernel):
    return (2 / fans(kernel)[0]) ** 0.5, "normal"


def he_fan_out(kernel):
    return (2 / fans(kernel)[1]) ** 0.5, "normal"


def xavier(kernel):
    return (2 / sum(fans(kernel))) ** 0.5, "normal"


def truncated(deviation):
    """Cut at two deviations."""
    return lambda variable: (0.87963 * deviation, "normal")


def normal(deviation):
    return lambda variable: (deviation, "normal")


def xavier_uniform(kernel):
    return xavier(kernel)[0], "uniform"


def scaled_with_depth(pattern):
    """BEiT's last projections: smaller by sqrt(2 i) in block i, counted from 1, which is the pattern's first group."""
    return {pattern: lambda variable: (0.02 / (2 * int(re.match(pattern, variable.path)[1]) + 2) ** 0.5, "normal")}


LINEAR = r".*(qkv|kqv|_q|_k|_v|kv|proj|fc\d|attn_pool|fc|head)/kernel"
CONV = r".*(embed(_\d|_conv\d)?|sr|sr_proj|lim|peg|ex_conv|dwconv|[qkv]_conv|tokenizer_\d_conv)/kernel"
TABLE = r".*(cls_token/token|pos_embed/table|attn_bias/table)"
VIT = {CONV: default, LINEAR: normal(0.02), TABLE: normal(0.02)}
COMPACT = {CONV: he_fan_in, LINEAR: normal(0.02), TABLE: normal(0.2)}
RANDN = {r"(patch_embed|patch_proj)/kernel": default, LINEAR: default, r".*(token|table|latent)": normal(1.0)}
