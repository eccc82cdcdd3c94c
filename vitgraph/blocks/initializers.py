"""Initial weights: distributions, and which of them the layers of a net begin with."""

import contextlib
import contextvars
import dataclasses
import functools
import math
import re
import statistics
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import keras
import numpy as np

from vitgraph.blocks.base import PACKAGE

CUT = 2.0
"""Where Keras' truncated normal distribution is cut, in standard deviations."""

PART = 2**17
"""Number of weights drawn at a time, so that they stay in a core's cache."""


@keras.saving.register_keras_serializable(package=PACKAGE)
class Normal(keras.initializers.RandomNormal):
    """Keras' `RandomNormal`, drawn by NumPy: a seed gives the same weights on every backend.

    Each weight is one of the distribution's 65536 quantiles. A kernel of 1024 x 4096 takes 22 ms; with TensorFlow's
    operation 66. JAX compiles its operation again for every shape, which took 25 of the 28 seconds needed to build
    MobileViT-S there.

    PyTorch's `trunc_normal_(std=0.02)` is this distribution: it cuts at 2, which is 100 deviations away.

    Args:
        mean, stddev: of the distribution.
        seed: an integer; None: one that follows from `keras.utils.set_random_seed`.
    """

    def __call__(self, shape, dtype=None):
        return _drawn(self.mean + self.stddev * _normal_quantiles(), shape, dtype, self.seed)


@keras.saving.register_keras_serializable(package=PACKAGE)
class TruncatedNormal(keras.initializers.TruncatedNormal):
    """Keras' `TruncatedNormal`, drawn like `Normal`; its deviation after the cut is 0.88 times `stddev`."""

    def __call__(self, shape, dtype=None):
        return _drawn(self.mean + self.stddev * _normal_quantiles(CUT), shape, dtype, self.seed)


@keras.saving.register_keras_serializable(package=PACKAGE)
class Uniform(keras.initializers.RandomUniform):
    """Keras' `RandomUniform`, drawn like `Normal`."""

    def __call__(self, shape, dtype=None):
        shares = (np.arange(2**16) + 0.5) / 2**16
        return _drawn(self.minval + (self.maxval - self.minval) * shares, shape, dtype, self.seed)


Fans: TypeAlias = Callable[[int, int], keras.initializers.Initializer]
"""(fan in, fan out) of a layer -> the initializer of one of its weights."""


def normal(stddev: float) -> Fans:
    return lambda fan_in, fan_out: Normal(stddev=stddev)


def truncated(stddev: float) -> Fans:
    """Cut at two deviations: timm's `trunc_normal_tf_`."""
    return lambda fan_in, fan_out: TruncatedNormal(stddev=stddev)


def constant(value: float) -> Fans:
    return lambda fan_in, fan_out: keras.initializers.Constant(value)


zeros = constant(0.0)


def pytorch_uniform(fan_in: int, fan_out: int) -> keras.initializers.Initializer:
    """U(-1 / sqrt(fan in), 1 / sqrt(fan in)): what PyTorch's layers begin with, kernels and biases alike."""
    return Uniform(-(fan_in**-0.5), fan_in**-0.5)


def timm_latent(fan_in: int, fan_out: int) -> keras.initializers.Initializer:
    """A deviation of fan in ** -0.5, cut at two (timm's `AttentionPoolLatent`)."""
    return TruncatedNormal(stddev=fan_in**-0.5)


def lecun_normal(fan_in: int, fan_out: int) -> keras.initializers.Initializer:
    """Variance 1 / fan in, cut at two deviations (LeCun et al., 1998; Flax' default)."""
    return TruncatedNormal(stddev=(1 / fan_in) ** 0.5 / _deviation_after_cut())


def he_fan_in(fan_in: int, fan_out: int) -> keras.initializers.Initializer:
    """Variance 2 / fan in (He et al., 2015)."""
    return Normal(stddev=(2 / fan_in) ** 0.5)


def he_fan_out(fan_in: int, fan_out: int) -> keras.initializers.Initializer:
    """Variance 2 / fan out (He et al., 2015)."""
    return Normal(stddev=(2 / fan_out) ** 0.5)


def glorot_normal(fan_in: int, fan_out: int) -> keras.initializers.Initializer:
    """Variance 2 / (fan in + fan out) (Glorot and Bengio, 2010): PyTorch's `xavier_normal_`."""
    return Normal(stddev=(2 / (fan_in + fan_out)) ** 0.5)


def glorot_uniform(fan_in: int, fan_out: int) -> keras.initializers.Initializer:
    """Variance 2 / (fan in + fan out), uniform (Glorot and Bengio, 2010): PyTorch's `xavier_uniform_`."""
    limit = (6 / (fan_in + fan_out)) ** 0.5
    return Uniform(-limit, limit)


@dataclasses.dataclass(frozen=True, kw_only=True)
class InitialWeights:
    """What the layers of a net begin with.

    Args:
        dense, dense_bias: linear layers.
        conv, conv_bias: convolutions.
        token: tokens that are learned (class, distillation, registers).
        table: position tables, absolute and relative.
        latent: queries that are learned.
        special: {pattern of "layer/variable": what it begins with}, before all these; the pattern's groups come before
            the fans.
    """

    dense: Fans = normal(0.02)
    dense_bias: Fans = zeros
    conv: Fans = pytorch_uniform
    conv_bias: Fans = pytorch_uniform
    token: Fans = normal(0.02)
    table: Fans = normal(0.02)
    latent: Fans = timm_latent
    special: Mapping[str, Callable[..., keras.initializers.Initializer]] = dataclasses.field(default_factory=dict)

    def of(self, kind: str, path: str, fan_in: int = 0, fan_out: int = 0) -> Any:
        """The initializer of the variable with the path "layer/variable"."""
        for pattern, fans in self.special.items():
            if match := re.fullmatch(pattern, path):
                return fans(*match.groups(), fan_in, fan_out)
        return getattr(self, kind)(fan_in, fan_out)


DEFAULT = InitialWeights()
_in_force = contextvars.ContextVar("initial weights", default=DEFAULT)


@contextlib.contextmanager
def initial_weights(weights: InitialWeights) -> Iterator[None]:
    """What layers begin with that are made meanwhile."""
    token = _in_force.set(weights)
    try:
        yield
    finally:
        _in_force.reset(token)


def initial(kind: str, path: str, fan_in: int = 0, fan_out: int = 0) -> Any:
    """The initializer of the variable "layer/variable", a weight of that kind, by the `initial_weights` in force."""
    return _in_force.get().of(kind, path, fan_in, fan_out)


def initial_linear(kind: str, layer: str, fan_in: int, fan_out: int) -> tuple[Any, Any]:
    """The initializers of the kernel and of the bias of a layer of that kind, "dense" or "conv"."""
    fans = fan_in, fan_out
    return initial(kind, f"{layer}/kernel", *fans), initial(f"{kind}_bias", f"{layer}/bias", *fans)


def _drawn(quantiles, shape, dtype, seed):
    """Independent draws from 65536 quantiles."""
    table, generator = quantiles.astype("float32"), np.random.Generator(np.random.SFC64(seed))
    values = np.empty(math.prod(shape), "float32")
    for part in np.array_split(values, values.size // PART + 1):
        drawn = generator.integers(table.size, size=part.size, dtype=np.uint16)
        np.take(table, drawn, out=part, mode="clip")  # the other mode writes to a buffer first
    return keras.ops.convert_to_tensor(values.reshape(shape), dtype or keras.config.floatx())


@functools.cache
def _normal_quantiles(cut=math.inf):
    distribution, count = statistics.NormalDist(), 2**16
    least, share = distribution.cdf(-cut), distribution.cdf(cut) - distribution.cdf(-cut)
    return np.array([distribution.inv_cdf(least + share * (i + 0.5) / count) for i in range(count)])


def _deviation_after_cut():
    return float(_normal_quantiles(CUT).std())
