"""AdamW and LAMB for vision transformers: which weights decay, and how fast each block learns.

Layer-wise learning-rate decay comes from ELECTRA (Clark et al., arXiv:2003.10555), for vision transformers from BEiT
(Bao et al., arXiv:2106.08254); official code: `get_layer_id_for_vit` of github.com/facebookresearch/mae. As there,
tokens, positions and patches have depth 0, block i has depth i + 1, and everything after the blocks has the last depth.
Layers between two blocks, which plain nets don't have, have the depth of the block that they lead to.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import keras

from vitgraph import contract as c
from vitgraph.blocks.base import PACKAGE

_BLOCK = re.compile(r"(?:stage_(\d+)_)?block_(\d+)_|cls_stage_(\d+)_")


def decays(variable):
    """Whether weight decay acts on a variable: it does on kernels, not on norms, biases, tokens, tables and scales.

    Nor does it act on the small net that computes Swin V2's tables, nor on what encodes positions in Twins, ScalableViT
    and XCiT, as in the official code.
    """
    path = variable.path
    is_position = "_attn_cpb_" in path or path.endswith("_peg/kernel") or path.startswith("pos_embed/")
    return path.endswith("/kernel") and len(variable.shape) >= 2 and not is_position


@c.public
def depths(model: c.Graph) -> dict[str, int]:
    """How deep each variable of a graph is, as layer-wise learning-rate decay counts.

    Returns:
        {variable path: depth}: 0 before the first block, i + 1 in block i, counted over all stages, and the number of
        blocks + 1 after all blocks.

    Example:
        >>> net = vitgraph.build_vit((32, 32, 3), patch_size=16, dim=8, depth=2, num_heads=1)
        >>> found = vitgraph.training.depths(net)
        >>> found["patch_embed/kernel"], found["block_1_mlp_fc1/kernel"], found["head/kernel"]
        (0, 2, 3)
    """
    order: dict = {}
    for layer in model.layers:
        if _block(layer):
            order[_block(layer)] = 0
    c.require(order, "model", "a graph with layers that are named after blocks", value=model.name)
    order = {block: index for index, block in enumerate(sorted(order), start=1)}
    reached: dict = {}
    found: dict = {}
    for _, nodes in sorted(model._nodes_by_depth.items(), reverse=True):
        for node in nodes:
            layer = node.operation
            before = max((reached[parent.operation] for parent in node.parent_nodes), default=0)
            depth = order[_block(layer)] if _block(layer) else _between(layer, before, order)
            reached[layer] = max(before, order.get(_block(layer), 0))
            found.update({variable.path: depth for variable in layer.variables})
    return {variable.path: found[variable.path] for variable in model.weights}


def layer_scales(model, graph, decay):
    """The factor of each trainable variable's learning rate: {variable path: decay ** (number of blocks after it)}.

    Args:
        model: what is trained: the graph, or an objective around it, whose own parts have the factor 1.
        graph: a graph of this package.
        decay: a block's learning rate, relative to that of the block after it.
    """
    depth = depths(graph)
    last = max(depth.values())
    return {v.path: decay ** (last - depth.get(v.path, last)) for v in model.trainable_variables}


def _are_factors(scales: Any) -> bool:
    return all(isinstance(v, (int, float)) and 0 <= v < 1e30 for v in scales.values())


_KINDS = {
    "scales": Annotated[Mapping[str, float], c.Rule("{variable path: a number from 0}", _are_factors)],
    "decayed": Sequence[str],
}


class _Exact(keras.optimizers.Optimizer):
    """What the optimizers here have in common: weight decay is theirs alone, and Adam's moments are PyTorch's.

    `epsilon` is added where PyTorch and the papers add it, to the root of the velocity after its correction; Keras'
    Adam adds it before, so that it weighs up to 1 / sqrt(1 - beta_2) times as much in the first steps. The corrections
    1 - beta ** step have all digits that float32 has; as the difference of two numbers near 1 they lack two.
    """

    beta_1: float
    beta_2: float
    epsilon: float

    def direction(self, gradient, variable):
        """Updates both moments of a gradient -> its mean over the root of its mean square, both corrected."""
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]
        gradient = keras.ops.cast(gradient, variable.dtype)
        self.assign_add(mean, (gradient - mean) * (1 - self.beta_1))
        self.assign_add(square, (keras.ops.square(gradient) - square) * (1 - self.beta_2))
        if getattr(self, "amsgrad", False):
            largest = self._velocity_hats[index]
            self.assign(largest, keras.ops.maximum(largest, square))
            square = largest
        step = keras.ops.cast(self.iterations + 1, variable.dtype)
        velocity = keras.ops.sqrt(square / _begun(self.beta_2, step)) + self.epsilon
        return mean / _begun(self.beta_1, step) / velocity

    def _clip_gradients(self, grads):
        """Nothing on TensorFlow yet, where these are one device's: their sum is clipped, as on the other backends."""
        return grads if keras.backend.backend() == "tensorflow" else super()._clip_gradients(grads)

    def _all_reduce_sum_gradients(self, grads_and_vars):
        """TensorFlow's alone: the sum over all devices, clipped. Keras clips each device's part of it."""
        grads, variables = zip(*super()._all_reduce_sum_gradients(grads_and_vars), strict=True)
        return list(zip(super()._clip_gradients(list(grads)), variables, strict=True))

    def _apply_weight_decay(self, variables):
        """Does nothing: `update_step` decays, and knows each variable's learning rate."""


def _begun(beta, step):
    """1 - beta ** step: the share of the gradients in a mean that began at 0."""
    return -keras.ops.expm1(step * (math.log(beta) if beta else -math.inf))


@keras.saving.register_keras_serializable(package=PACKAGE)
class AdamW(_Exact, keras.optimizers.AdamW):
    """Keras' AdamW, which takes PyTorch's steps."""

    def update_step(self, gradient, variable, learning_rate):
        rate = keras.ops.cast(learning_rate, variable.dtype)
        if self._use_weight_decay(variable):
            self.assign_sub(variable, variable * rate * self.weight_decay)
        self.assign_sub(variable, rate * self.direction(gradient, variable))


@keras.saving.register_keras_serializable(package=PACKAGE)
class Lamb(_Exact, keras.optimizers.Lamb):
    """Keras' LAMB, which takes the steps of NVIDIA's FusedLAMB and timm's `Lamb`, by whose likes DeiT III was trained.

    You et al., arXiv:1904.00962. Decay is part of the step whose length its variable's length sets, as in the paper,
    not in Keras. Variables that don't decay, as norms and biases, take Adam's step as it is. NVIDIA and timm
    also limit the norm of all gradients together to 1, which here is `global_clipnorm=1.0`.
    """

    def update_step(self, gradient, variable, learning_rate):
        step = self.direction(gradient, variable)
        if self.weight_decay and self._use_weight_decay(variable):
            step = step + self.weight_decay * variable
            length, own = (keras.ops.sqrt(keras.ops.sum(keras.ops.square(x))) for x in (variable, step))
            is_zero = keras.ops.logical_or(length == 0, own == 0)
            step = step * keras.ops.where(is_zero, 1.0, length / keras.ops.where(is_zero, 1.0, own))
        self.assign_sub(variable, keras.ops.cast(learning_rate, variable.dtype) * step)


class _Layerwise(keras.optimizers.Optimizer):
    """An optimizer with a learning rate of its own for each variable, and with weight decay for some."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: Any = 0.004,
        *,
        scales: Mapping[str, float],
        decayed: Sequence[str],
        **kwargs: Any,
    ):
        c.fit_all(type(self).__name__, {"scales": scales, "decayed": decayed}, _KINDS)
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.scales = dict(scales)
        self.decayed = list(decayed)

    def build(self, variables):
        if self.built:
            return
        unknown = [variable.path for variable in variables if variable.path not in self.scales]
        if unknown:
            raise ValueError(f"{type(self).__name__}: scales has no entry for {', '.join(unknown)}")
        super().build(variables)
        self._factors = [self.scales[variable.path] for variable in variables]
        self._decays = [variable.path in self.decayed for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        factor = self._factors[self._get_variable_index(variable)]
        super().update_step(gradient, variable, keras.ops.cast(learning_rate, variable.dtype) * factor)

    def _use_weight_decay(self, variable):
        return self._decays[self._get_variable_index(variable)]

    def get_config(self):
        return {**super().get_config(), "scales": dict(self.scales), "decayed": list(self.decayed)}


@keras.saving.register_keras_serializable(package=PACKAGE)
class LayerwiseAdamW(_Layerwise, AdamW):
    """AdamW with a learning rate of its own for each variable, and with weight decay for some.

    Its steps are PyTorch's: `epsilon` is added to the root of the velocity after its correction.

    Args:
        learning_rate: a number, or a schedule.
        weight_decay: the share of a variable that a step of learning rate 1 takes away.
        scales: {variable path: factor of the learning rate}, for every variable.
        decayed: paths of the variables that weight decay acts on.
        **kwargs: further arguments of `keras.optimizers.AdamW`.
    """


@keras.saving.register_keras_serializable(package=PACKAGE)
class LayerwiseLamb(_Layerwise, Lamb):
    """`Lamb` with a learning rate of its own for each variable, and with weight decay for some.

    Args:
        learning_rate: a number, or a schedule.
        weight_decay: what is added to a step, times the variable.
        scales: {variable path: factor of the learning rate}, for every variable.
        decayed: paths of the variables that weight decay acts on.
        **kwargs: further arguments of `keras.optimizers.Lamb`.
    """


_OPTIMIZERS = {"adamw": (AdamW, LayerwiseAdamW), "lamb": (Lamb, LayerwiseLamb)}


def learning_rates(recipe, steps):
    """The learning rate by step, of which an epoch has `steps`: a linear warm-up, then a cosine."""
    schedule = keras.optimizers.schedules.CosineDecay
    total, warmup, peak = recipe.epochs * steps, int(recipe.warmup_epochs * steps), recipe.learning_rate
    end = recipe.min_learning_rate / peak
    if not warmup:
        return schedule(peak, total, end)
    return schedule(recipe.warmup_learning_rate, total - warmup, end, warmup_target=peak, warmup_steps=warmup)


def make_optimizer(recipe, steps, model, graph):
    """The optimizer of a recipe, built for a model.

    Args:
        recipe: a `Recipe`.
        steps: batches per epoch; with accumulation, parts of batches.
        model: what is trained: a graph, or an objective around it.
        graph: a graph of this package, whose blocks `layer_decay` counts.
    """
    variables = model.trainable_variables
    options = {
        "learning_rate": learning_rates(recipe, steps),
        "weight_decay": recipe.weight_decay,
        "beta_1": recipe.beta_1,
        "beta_2": recipe.beta_2,
        "epsilon": recipe.epsilon,
        "global_clipnorm": recipe.clip_norm,
        "name": recipe.optimizer,
    }
    if recipe.accumulation > 1:
        options["gradient_accumulation_steps"] = recipe.accumulation
    if recipe.ema_momentum is not None:  # Keras averages after each part of a batch
        options.update(use_ema=True, ema_momentum=recipe.ema_momentum ** (1 / recipe.accumulation))
    plain, layerwise = _OPTIMIZERS[recipe.optimizer]
    if recipe.layer_decay == 1:
        optimizer = plain(**options)
        optimizer.exclude_from_weight_decay([variable for variable in variables if not decays(variable)])
    else:
        scales = layer_scales(model, graph, recipe.layer_decay)
        decayed = [variable.path for variable in variables if decays(variable)]
        optimizer = layerwise(scales=scales, decayed=decayed, **options)
    if any(layer.compute_dtype == "float16" for layer in graph.layers):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name="loss_scale")
    optimizer.build(variables)
    return optimizer


def _block(layer):
    """The block of a layer, as a tuple by which blocks are sorted: (kind, stage, block); None: in no block."""
    found = _BLOCK.match(layer.name)
    if not found:
        return None
    stage, block, class_block = found.groups()
    return (1, 0, int(class_block)) if class_block else (0, int(stage or 0), int(block))


def _between(layer, before, order):
    """The depth of a layer in no block; `before` is the depth of the last block that it depends on."""
    stage = re.match(r"stage_(\d+)_", layer.name)
    if before == 0 or not stage:
        return before + 1 if before else 0
    of_stage = [index for (kind, number, _), index in order.items() if kind == 0 and number == int(stage[1])]
    return min((index for index in of_stage if index > before), default=max(of_stage, default=before))
