"""The form of the tables in `names/`: where published checkpoints keep what a graph holds.

A table is read from our names to theirs, so that none of our weights can be forgotten: for each variable the first
entry that matches gives the name of the source's tensor.
"""

import dataclasses
import functools
import re
from collections.abc import Callable

import numpy as np


class Index(int):
    """A number within a layer's name; `{0:-1}` in a template is that number minus one."""

    def __format__(self, offset):
        return str(int(self) + int(offset or 0))


@dataclasses.dataclass(frozen=True)
class Source:
    """One family of checkpoints.

    Args:
        renames: entries (pattern, template) or (pattern, templates, function). A pattern without a slash is matched
            against a layer's name, and the source's usual name of the variable is appended to the template. One with a
            slash is matched against "layer/variable", and the template is the whole name. Templates are format strings
            over the pattern's groups. The function (arrays, shape) -> array makes the variable, of that shape, from the
            tensors that the templates name.
        layout: axes of kernels: "torch" (out, in, rows, columns) or "jax" (rows, columns, in, out).
        ignored: pattern of the tensors that have no counterpart here.
        head: pattern of the tensors that only a graph with its top has a counterpart of.
        shapes: entries (pattern of their name, template) of tensors whose shape has axes of length 1 beside the usual
            ones. Each usual axis stands as `...` in the template: (..., ..., 1, 1) is a linear layer as a convolution.
        prepare: function {name: array} -> {name: array} that gives a checkpoint's tensors the names of the entries,
            where such checkpoints have several names for one tensor.
    """

    renames: tuple
    layout: str = "torch"
    ignored: str = r"(?!)"
    head: str = r"head\..*"
    shapes: tuple = ()
    prepare: Callable[[dict], dict] = dict

    def names(self, path):
        """The names of the tensors for the variable with the path "layer/variable", and the function or None."""
        layer, variable = path.rsplit("/", 1)
        for match_all, whole, templates, *function in self._matchers:
            match = match_all(path if whole else layer)
            if match:
                groups = [Index(g) if g and g.isdigit() else g for g in match.groups()]
                templates = (templates,) if isinstance(templates, str) else templates
                suffix = "" if whole else self._leaf(variable)
                return [t.format(*groups) + suffix for t in templates], (function[0] if function else None)
        return [], None

    def shape(self, name, usual):
        """The shape of their tensor, of which `usual` leaves out axes of length 1."""
        for pattern, template in self.shapes:
            if re.fullmatch(pattern, name) and template.count(...) == len(usual):
                axes = iter(usual)
                return tuple(next(axes) if axis is ... else axis for axis in template)
        return usual

    @functools.cached_property
    def _matchers(self):
        """The entries with their patterns compiled."""
        return [(re.compile(pattern).fullmatch, "/" in pattern, *rest) for pattern, *rest in self.renames]

    def _leaf(self, variable):
        if self.layout == "jax":
            return "/" + {"gamma": "scale", "beta": "bias"}.get(variable, variable)
        return "." + _TORCH_LEAVES.get(variable, variable)


def normed(ours, theirs, conv="conv", norm="bn"):
    """The entries of a convolution and of its norm, which are parts of one module there."""
    return (ours, f"{theirs}.{conv}"), (f"{ours}_norm", f"{theirs}.{norm}")


def within(source, prefix, ignored):
    """The table of checkpoints with a prefix before the names of `source`, and with tensors that `ignored` matches."""
    renames = []
    for pattern, templates, *function in source.renames:
        templates = (templates,) if isinstance(templates, str) else templates
        renames.append((pattern, [prefix + template for template in templates], *function))
    inside = re.escape(prefix)
    ignored = rf"{inside}({source.ignored})|{ignored}"
    return dataclasses.replace(source, renames=tuple(renames), ignored=ignored, head=rf"{inside}({source.head})")


_TORCH_LEAVES = {
    "kernel": "weight",
    "gamma": "weight",
    "scale": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


INVERSES: dict = {}
"""{function of an entry: its inverse (value, number of templates, layer) -> arrays}; not every function has one."""

BY_NET: set = set()
"""The functions whose inverses also take all layers of the net, by name."""


def inverse_of(function, *, by_net=False):
    """Makes a function the inverse of another one; `by_net` if it also takes all layers of the net, by name."""

    def register(inverse):
        INVERSES[function] = inverse
        BY_NET.update([function] if by_net else [])
        return inverse

    return register


def side_by_side(arrays, shape):
    """Kernels or biases of n projections, head by head -> those of one: (in, heads, d) each -> (in, n heads d)."""
    if len(shape) == 1:
        return np.concatenate([array.reshape(-1) for array in arrays])
    return np.concatenate([array.reshape(shape[0], -1) for array in arrays], axis=1)


def reshaped(arrays, shape):
    """One array in our shape, such as (heads, d, out) -> (heads d, out)."""
    return arrays[0].reshape(shape)


def map_to_rows(arrays, shape):
    """A table of positions (1, C, rows, columns) -> (1, rows columns, C)."""
    table = arrays[0]
    return table.reshape(*table.shape[:2], -1).transpose(0, 2, 1)


def rows_to_map(value, grid):
    """The way back, for a grid of (rows, columns)."""
    return value.transpose(0, 2, 1).reshape(1, -1, *grid)


@inverse_of(map_to_rows)
def _rows_to_map(value, count, layer):
    """A table of the whole map has its grid, one of a window has that."""
    return [rows_to_map(value, getattr(layer, "window_size", None) or layer.grid)]


def fused(arrays, shape):
    """Kernels (out, in) or biases of linear layers with one input -> those of the one layer that computes them all."""
    return np.concatenate(arrays).T


@inverse_of(fused)
def _apart(value, count, layer):
    return np.split(value.T, count)


def linear_to_conv(arrays, shape):
    """A linear layer over flattened patches (out, rows columns in) -> the convolution (rows, columns, in, out)."""
    rows, columns, channels, filters = shape
    return arrays[0].reshape(filters, rows, columns, channels).transpose(1, 2, 3, 0)


@inverse_of(linear_to_conv)
def _conv_to_linear(value, count, layer):
    return [value.transpose(3, 0, 1, 2).reshape(value.shape[3], -1)]
