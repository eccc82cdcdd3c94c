"""AdamW as vision transformers are trained with it: what decays, and which block learns how fast.

Layer-wise learning-rate decay is ELECTRA's (Clark et al., arXiv:2003.10555), for vision transformers BEiT's (Bao et
al., arXiv:2106.08254); official code: `get_layer_id_for_vit` of github.com/facebookresearch/mae. As there, tokens,
positions and patches have depth 0, block i has i + 1, and all behind the blocks has the last depth. What stands between
two blocks, which plain nets have nothing of, has the depth of the block that it leads to.
"""

import re

import keras

from vitgraph.blocks.base import PACKAGE

_BLOCK = re.compile(r"(?:stage_(\d+)_)?block_(\d+)_|cls_stage_(\d+)_")


def decays(variable):
    """Whether weight decay acts on a variable: kernels have it; norms, biases, tokens, tables and scales don't.

    Nor has the small net behind Swin V2's tables, as in its official code.
    """
    path = variable.path
    return path.endswith("/kernel") and len(variable.shape) >= 2 and "_attn_cpb_" not in path


def depths(model):
    """How deep each variable of a graph of this package stands: {variable path: 0 ... blocks + 1}.

    0 is in front of the first block, i + 1 in block i, counted over all stages, and the last behind all blocks.

    Raises:
        ValueError: a graph without blocks.
    """
    order: dict = {}
    for layer in model.layers:
        if _block(layer):
            order[_block(layer)] = 0
    if not order:
        raise ValueError(f"depths: model {model.name!r} has no layers named after blocks")
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
    """What each trainable variable's learning rate is multiplied with: {variable path: decay ** (blocks left)}.

    Args:
        model: what is trained: the graph, or an objective around it, whose own parts have 1.
        graph: a graph of this package.
        decay: from a block to the one before it.
    """
    depth = depths(graph)
    last = max(depth.values())
    return {v.path: decay ** (last - depth.get(v.path, last)) for v in model.trainable_variables}


@keras.saving.register_keras_serializable(package=PACKAGE)
class LayerwiseAdamW(keras.optimizers.AdamW):
    """AdamW with a learning rate for each variable, and with weight decay for some.

    Args:
        scales: {variable path: factor of the learning rate}, for every variable.
        decayed: paths of the variables that weight decay acts on, by learning rate * factor * `weight_decay`.
        **kwargs: AdamW's.
    """

    def __init__(self, learning_rate=0.001, weight_decay=0.004, *, scales, decayed, **kwargs):
        super().__init__(learning_rate, weight_decay, **kwargs)
        self.scales = dict(scales)
        self.decayed = list(decayed)

    def build(self, variables):
        if self.built:
            return
        unknown = [variable.path for variable in variables if variable.path not in self.scales]
        if unknown:
            raise ValueError(f"LayerwiseAdamW: scales has nothing for {', '.join(unknown)}")
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
        """Keras' own knows one learning rate; `update_step` decays."""

    def get_config(self):
        return {**super().get_config(), "scales": dict(self.scales), "decayed": list(self.decayed)}


def learning_rates(recipe, steps):
    """The learning rate at each step, `steps` of which are an epoch: a linear warm-up, then a cosine."""
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
        steps: batches in an epoch; with accumulation, the parts of them.
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
        optimizer = keras.optimizers.AdamW(**options)
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
    """Where the block of a layer stands in the order of blocks: (kind, stage, block); None: in no block."""
    found = _BLOCK.match(layer.name)
    if not found:
        return None
    stage, block, class_block = found.groups()
    return (1, 0, int(class_block)) if class_block else (0, int(stage or 0), int(block))


def _between(layer, before, order):
    """The depth of a layer that is in no block; `before` is the last block that it sees."""
    stage = re.match(r"stage_(\d+)_", layer.name)
    if before == 0 or not stage:
        return before + 1 if before else 0
    of_stage = [index for (kind, number, _), index in order.items() if kind == 0 and number == int(stage[1])]
    return min((index for index in of_stage if index > before), default=max(of_stage, default=before))
