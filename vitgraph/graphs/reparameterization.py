"""Graph -> graph, for inference: sums of linear branches become one convolution each."""

import dataclasses
import itertools
from typing import Any

import keras
import numpy as np
from keras import layers

from vitgraph import contract as c
from vitgraph.blocks import DepthwiseConv2D, Residual
from vitgraph.graphs.folding import factor_and_offset, is_batch_norm

_SUMS = (layers.Add, layers.Subtract, Residual)


@c.public
def reparameterize(model: c.Model) -> keras.Model:
    """The same function in fewer nodes, for inference: each sum of linear branches becomes one convolution.

    The branches are convolutions, batch norms and the map itself, and all read the same map, as in FastViT, whose
    training needs them (structural reparameterization, arXiv:2101.03697). The convolution has the name of the sum, and
    kernels as large as the largest among them. What is left of batch norms, `fold_batchnorm` folds.

    Args:
        model: a graph of this package, or another Functional model, without quantised or LoRA layers among the
            branches; it is left as it is.

    Returns:
        A new `keras.Model` with weights of its own, whose outputs are equal up to rounding. The other layers keep
        their names.

    Example:
        >>> net = vitgraph.build_fastvit((64, 64, 3), num_classes=5)
        >>> deployed = vitgraph.fold_batchnorm(vitgraph.reparameterize(net))
        >>> len(net.layers), len(deployed.layers)
        (248, 104)
    """
    c.require(hasattr(model, "_nodes_by_depth"), "model", "a Functional keras.Model")
    found = _Finder(model).found  # {the sum: what it computes}
    sums = {layer.name: linear for layer, linear in found.items()}
    gone = {layer.name for linear in found.values() for layer in linear.layers}

    def copy(layer):
        return found[layer].convolution(layer) if layer in found else type(layer).from_config(layer.get_config())

    def call(layer, *args, **kwargs):
        if layer.name not in gone and layer.name not in sums:
            return layer(*args, **kwargs)
        source = keras.tree.flatten(args)[0]  # it comes through all that is gone
        if layer.name in gone:
            return source
        padding = sums[layer.name].padding
        return layer(layers.ZeroPadding2D(padding, name=f"{layer.name}_pad")(source) if padding else source)

    merged = keras.models.clone_model(model, clone_function=copy, call_function=call)
    for layer in (layer for layer in merged.layers if layer.weights):
        original = model.get_layer(layer.name)
        if original in found:
            layer.kernel.assign(found[original].kernel)
            layer.bias.assign(found[original].bias)
        else:
            layer.set_weights(original.get_weights())
    return merged


@dataclasses.dataclass(frozen=True)
class _Linear:
    """A tensor as a convolution of `source`, centred, with zeros around the map: kernel and bias are NumPy arrays.

    Args:
        kernel: (k, k', C, m) if depthwise, m outputs per channel; else (k, k', C, filters).
        strides: its step.
        layers: the layers that it consists of.
    """

    source: Any
    kernel: np.ndarray
    bias: np.ndarray
    depthwise: bool = True
    strides: int = 1
    layers: frozenset = frozenset()

    @property
    def padding(self):
        """The zeros that the convolution's layer needs before it."""
        sides = tuple(k // 2 for k in self.kernel.shape[:2])
        return sides if any(sides) and not self.depthwise else None

    def convolution(self, layer):
        """The layer, in place of `layer`."""
        options = {"name": layer.name, "dtype": layer.dtype_policy}
        (*size, _, outputs) = self.kernel.shape
        if self.depthwise:
            return DepthwiseConv2D(size, self.strides, depth_multiplier=outputs, **options)
        return layers.Conv2D(outputs, size, self.strides, **options)

    def times(self, factor, layer):
        """Each output channel times a factor, computed by `layer`."""
        kernel = self.kernel * (factor.reshape(self.kernel.shape[2:]) if self.depthwise else factor)
        return dataclasses.replace(self, kernel=kernel, bias=self.bias * factor, layers=self.layers | {layer})

    def plus(self, other, layer, sign=1):
        """The sum of two; None where one convolution can't compute it."""
        if self.source is not other.source or self.strides != other.strides:
            return None
        depthwise = self.depthwise and other.depthwise
        one, two = (x.kernel if depthwise else x.dense_kernel() for x in (self, other))
        size = [max(sides) for sides in zip(one.shape[:2], two.shape[:2], strict=True)]
        return dataclasses.replace(
            self,
            kernel=_centred(one, size) + sign * _centred(two, size),
            bias=self.bias + sign * other.bias,
            depthwise=depthwise,
            layers=self.layers | other.layers | {layer},
        )

    def dense_kernel(self):
        if not self.depthwise:
            return self.kernel
        *size, channels, multiplier = self.kernel.shape
        kernel = np.zeros((*size, channels, channels, multiplier))
        kernel[:, :, range(channels), range(channels)] = self.kernel
        return kernel.reshape(*size, channels, channels * multiplier)


class _Finder:
    """Finds the sums of a model that are convolutions of one tensor: `found` is {the sum: what it computes}."""

    def __init__(self, model):
        self.nodes: dict = {}
        self.takers: dict = {id(tensor): {None} for tensor in model.outputs}
        self.producer: dict = {}
        for node in itertools.chain(*model._nodes_by_depth.values()):
            self.nodes.setdefault(node.operation, []).append(node)
            for tensor in node.input_tensors:
                self.takers.setdefault(id(tensor), set()).add(node.operation)
            for tensor in node.outputs:
                self.producer[id(tensor)] = node.operation
        self.found: dict = {}
        for layer in reversed(model.layers):  # the largest sum first
            inside = any(layer in linear.layers for linear in self.found.values())
            if isinstance(layer, _SUMS) and not inside and self._once(layer):
                linear = self.linear(layer.output)
                if layer in linear.layers and any(_is_convolution(each) for each in linear.layers):
                    self.found[layer] = dataclasses.replace(linear, layers=linear.layers - {layer})

    def linear(self, tensor):
        """The tensor as a convolution of the earliest one that it is one of, which may be itself."""
        layer = self.producer.get(id(tensor))
        itself = _identity(tensor)
        if layer is None or not self._once(layer) or len(tensor.shape) != 4:
            return itself
        inputs = self.nodes[layer][0].input_tensors
        if is_batch_norm(layer):
            linear = self.inner(inputs[0], layer)
            factor, offset = factor_and_offset(layer)
            linear = linear.times(factor, layer)
            return dataclasses.replace(linear, bias=linear.bias + offset)
        if _is_convolution(layer):
            return self._of_convolution(layer, inputs[0]) or itself
        if isinstance(layer, _SUMS):
            return self._of_sum(layer, inputs) or itself
        return itself

    def inner(self, tensor, taker):
        """The same, for a tensor that only `taker` takes; otherwise the tensor itself."""
        return self.linear(tensor) if self.takers[id(tensor)] == {taker} else _identity(tensor)

    def _of_sum(self, layer, inputs):
        first, *others = (self.inner(tensor, layer) for tensor in inputs)
        for other in others:
            sign = -1 if isinstance(layer, layers.Subtract) else 1
            if isinstance(layer, Residual) and layer.init is not None:
                other = other.times(_array(layer.gamma), layer)
            first = first and first.plus(other, layer, sign)
        return first

    def _of_convolution(self, layer, tensor):
        """None for one that isn't centred, or that isn't plain otherwise."""
        inside = {layer}
        if isinstance(layer, DepthwiseConv2D):
            zeros, plain = layer.padding, layer.dilation_rate == 1
            strides = (layer.strides, layer.strides)
        else:
            plain = layer.groups == 1 and set(layer.dilation_rate) == {1} and layer.data_format == "channels_last"
            plain = plain and layer.activation in (None, keras.activations.linear)
            strides, zeros = layer.strides, (0, 0)
            before = self.producer.get(id(tensor))
            if layer.padding == "same" and strides == (1, 1):
                zeros = tuple(k // 2 for k in layer.kernel_size)
            elif layer.padding == "same":
                return None
            elif isinstance(before, layers.ZeroPadding2D) and self._only_for(tensor, layer):
                (top, bottom), (left, right) = before.padding
                plain = plain and top == bottom and left == right
                zeros, tensor = (top, left), self.nodes[before][0].input_tensors[0]
                inside.add(before)
        centred = all(k % 2 and zero == k // 2 for k, zero in zip(layer.kernel_size, zeros, strict=True))
        if not (plain and centred and strides[0] == strides[1]):
            return None
        special = layer.quantization_mode or getattr(layer, "lora_enabled", False)
        c.require(not special, "model", f"a model before {layer.name!r} was quantised or got LoRA weights")
        depthwise = isinstance(layer, DepthwiseConv2D)
        bias = _array(layer.bias) if layer.use_bias else np.zeros(layer.output.shape[-1])
        return _Linear(tensor, _array(layer.kernel), bias, depthwise, strides[0], frozenset(inside))

    def _only_for(self, tensor, layer):
        return self.takers[id(tensor)] == {layer} and self._once(self.producer[id(tensor)])

    def _once(self, layer):
        return len(self.nodes.get(layer, ())) == 1


def _is_convolution(layer):
    return isinstance(layer, (layers.Conv2D, DepthwiseConv2D))


def _identity(tensor):
    """A map as a convolution of itself."""
    channels = tensor.shape[-1] or 0
    return _Linear(tensor, np.ones((1, 1, channels, 1)), np.zeros(channels))


def _array(variable):
    return keras.ops.convert_to_numpy(variable).astype("float64")


def _centred(kernel, size):
    """The kernel with zeros around it, up to `size`."""
    zeros = [((n - k) // 2,) * 2 for n, k in zip(size, kernel.shape[:2], strict=True)]
    return np.pad(kernel, (*zeros, (0, 0), (0, 0)))
