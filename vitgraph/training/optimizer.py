"""AdamW for vision transformers: which weights decay, and how fast each block learns.

Layer-wise learning-rate decay comes from ELECTRA (Clark et al., arXiv:2003.10555), for vision transformers from BEiT
(Bao et al., arXiv:2106.08254); official code: `get_layer_id_for_vit` of github.com/facebookresearch/mae. As there,
tokens, positions and patches have depth 0, block i has depth i + 1, and everything after the blocks has the last depth.
Layers between two blocks, which plain nets don't have, have the depth of the block that they lead to.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import keras

from vitgraph import contract as c
from vitgraph.blocks.base import PACKAGE

_BLOCK = re.compile(r"(?:stage_(\d+)_)?block_(\d+)_|cls_stage_(\d+)_")


def decays(variable):
    """Whether weight decay acts on a variable: it does on kernels, not on norms, biases, tokens, tables and scales.

    Nor does it act on the small net that computes Swin V2's tables, nor on convolutions that encode positions (Twins,
    ScalableViT), as in the official code.
    """
    path = variable.path
    is_position = "_attn_cpb_" in path or path.endswith("_peg/kernel")
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


@keras.saving.register_keras_serializable(package=PACKAGE)
class AdamW(keras.optimizers.AdamW):
    """Keras' AdamW, with `epsilon` where PyTorch and the paper have it: beside the velocity after its correction.

    Keras adds it before, so that it weighs up to 1 / sqrt(1 - beta_2) times as much in the first steps.
    """

    epsilon: Any

    def update_step(self, gradient, variable, learning_rate):
        epsilon, step = self.epsilon, keras.ops.cast(self.iterations + 1, variable.dtype)
        correction = 1 - keras.ops.power(keras.ops.cast(self.beta_2, variable.dtype), step)
        self.epsilon = epsilon * keras.ops.sqrt(correction)
        try:
            super().update_step(gradient, variable, learning_rate)
        finally:
            self.epsilon = epsilon


@keras.saving.register_keras_serializable(package=PACKAGE)
class LayerwiseAdamW(AdamW):
    """`AdamW` with a learning rate of its own for each variable, and with weight decay for some.

    Args:
        learning_rate: a number, or a schedule.
        weight_decay: the share of a variable that a step of learning rate 1 takes away.
        scales: {variable path: factor of the learning rate}, for every variable.
        decayed: paths of the variables that weight decay acts on.
        **kwargs: further arguments of `keras.optimizers.AdamW`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: Any = 0.004,
        *,
        scales: Mapping[str, float],
        decayed: Sequence[str],
        **kwargs: Any,
    ):
        c.fit_all("LayerwiseAdamW", {"scales": scales, "decayed": decayed}, _KINDS)
        super().__init__(learning_rate, weight_decay, **kwargs)
        self.scales = dict(scales)
        self.decayed = list(decayed)

    def build(self, variables):
        if self.built:
            return
        unknown = [variable.path for variable in variables if variable.path not in self.scales]
        if unknown:
            raise ValueError(f"LayerwiseAdamW: scales has no entry for {', '.join(unknown)}")
        super().build(variables)
        self._factors = [self.scales[variable.path] for variable in variables]
        self._decays = [variable.path in self.decayed for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        rate = keras.ops.cast(learning_rate, variable.dtype) * self._factors[index]
        if self._decays[index]:
            self.assign_sub(variable, variable * rate * self.weight_decay)
        super().update_step(gradient, variable, rate)

    def _apply_weight_decay(self, variables):
        """Does nothing: `update_step` decays, since this method knows only one learning rate."""

    def get_config(self):
        return {**super().get_config(), "scales": dict(self.scales), "decayed": list(self.decayed)}


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
        "name": "adamw",
    }
    if recipe.accumulation > 1:
        options["gradient_accumulation_steps"] = recipe.accumulation
    if recipe.ema_momentum is not None:  # Keras averages after each part of a batch
        options.update(use_ema=True, ema_momentum=recipe.ema_momentum ** (1 / recipe.accumulation))
    if recipe.layer_decay == 1:
        optimizer = AdamW(**options)
        optimizer.exclude_from_weight_decay([variable for variable in variables if not decays(variable)])
    else:
        scales = layer_scales(model, graph, recipe.layer_decay)
        decayed = [variable.path for variable in variables if decays(variable)]
        optimizer = LayerwiseAdamW(scales=scales, decayed=decayed, **options)
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
