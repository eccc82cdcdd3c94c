"""Graph -> graph, for inference: batch norms are folded into the layers beside them."""

import itertools

import keras
import numpy as np
from keras import layers

from vitgraph import contract as c
from vitgraph.blocks import DepthwiseConv2D

_LINEAR = (layers.Dense, layers.Conv2D, DepthwiseConv2D)


@c.public
def fold_batchnorm(model: c.Model) -> keras.Model:
    """The same function in fewer nodes, for inference: each batch norm becomes part of a linear layer beside it.

    Once trained, a batch norm is a factor and an offset per channel. They go into the kernel and the bias of the
    convolution or `Dense` layer right before it, or else of the `Dense` layer or 1x1 convolution right after it. (Not
    of a larger convolution after it: the zeros of its padding would need the offset too.)

    Args:
        model: a graph of this package, or another Functional model, without quantised or LoRA layers; it is left as it
            is.

    Returns:
        A new `keras.Model` with weights of its own, whose outputs are equal up to rounding. The other layers keep
        their names.

    Example:
        >>> net = vitgraph.build_mobilevit((64, 64, 3), num_classes=5)
        >>> len(net.layers) - len(vitgraph.fold_batchnorm(net).layers)
        32
    """
    c.require(hasattr(model, "_nodes_by_depth"), "model", "a Functional keras.Model")
    before, after = _pairs(model)  # {linear layer: the batch norm before it, after it}
    folded_into, gone = {**before, **after}, {norm.name for norm in (*before.values(), *after.values())}
    for linear in folded_into:
        special = linear.quantization_mode or getattr(linear, "lora_enabled", False)
        c.require(not special, "model", f"a model before {linear.name!r} was quantised or got LoRA weights: fold first")

    def copy(layer):
        config = layer.get_config()
        return type(layer).from_config({**config, "use_bias": True} if layer in folded_into else config)

    def call(layer, *args, **kwargs):
        return args[0] if layer.name in gone else layer(*args, **kwargs)

    folded = keras.models.clone_model(model, clone_function=copy, call_function=call)
    for layer in (layer for layer in folded.layers if layer.weights):
        original = model.get_layer(layer.name)
        if original in folded_into:
            kernel, bias = _fold(original, before.get(original), after.get(original))
            layer.kernel.assign(kernel)
            layer.bias.assign(bias)
        else:
            layer.set_weights(original.get_weights())
    return folded


def _pairs(model):
    """{linear layer: the batch norm before it}, {linear layer: the one after it}, where no third layer is involved."""
    calls: dict = {}
    takers: dict = {id(tensor): [model] for tensor in model.outputs}
    for node in itertools.chain(*model._nodes_by_depth.values()):
        calls.setdefault(node.operation, []).append(node)
        for tensor in node.input_tensors:
            takers.setdefault(id(tensor), []).append(node.operation)

    def only_taker(layer):
        """The layer that takes this one's output; None if there are several, or if one is called several times."""
        found = takers.get(id(layer.output), []) if len(calls[layer]) == 1 else []
        return found[0] if len(found) == 1 and len(calls.get(found[0], ())) == 1 else None

    before, after = {}, {}
    for layer in model.layers:
        taker = only_taker(layer)
        if isinstance(layer, _LINEAR) and is_batch_norm(taker) and _has_no_activation(layer):
            after[layer] = taker
    for layer in model.layers:
        taker = only_taker(layer)
        if is_batch_norm(layer) and layer not in after.values() and _sees_single_positions(taker):
            before[taker] = layer
    return before, after


def is_batch_norm(layer):
    """Whether it is a batch norm over the last axis, as linear layers need it."""
    return isinstance(layer, layers.BatchNormalization) and layer.axis in (-1, len(layer.input.shape) - 1)


def _sees_single_positions(layer):
    """Whether it is a linear layer of each position's channels."""
    if isinstance(layer, layers.Conv2D):
        return set(layer.kernel_size) == {1} and layer.groups == 1
    return isinstance(layer, layers.Dense)


def _has_no_activation(layer):
    return getattr(layer, "activation", None) in (None, keras.activations.linear)


def _fold(linear, before, after):
    """Kernel and bias of the linear layer, with both batch norms in them."""
    kernel = keras.ops.convert_to_numpy(linear.kernel).astype("float64")
    bias = keras.ops.convert_to_numpy(linear.bias) if linear.use_bias else 0.0
    if before is not None:
        factor, offset = factor_and_offset(before)
        bias = bias + (offset @ kernel).reshape(-1)
        kernel = factor[:, None] * kernel
    if after is not None:
        factor, offset = factor_and_offset(after)
        kernel = kernel * (factor.reshape(kernel.shape[2:]) if isinstance(linear, DepthwiseConv2D) else factor)
        bias = bias * factor + offset
    return kernel, bias


def factor_and_offset(norm):
    mean, variance = (keras.ops.convert_to_numpy(v).astype("float64") for v in (norm.moving_mean, norm.moving_variance))
    factor = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        factor = factor * keras.ops.convert_to_numpy(norm.gamma)
    offset = -mean * factor
    return factor, offset + keras.ops.convert_to_numpy(norm.beta) if norm.center else offset
