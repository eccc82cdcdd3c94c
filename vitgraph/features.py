"""Graph -> graph: the pyramid of maps, and the attention, of a model that is there already."""

import keras
from keras import layers

from vitgraph.blocks import GELU, AttentionMap, AttentionRollout, GraphModel, Stage, ToMap
from vitgraph.blocks.attention import AttentionCore
from vitgraph.builders.wiring import layer_norm


def pyramid(model, levels=None, *, blocks=None):
    """The same graph, ending in its feature maps.

    Args:
        model: a graph of this package, with or without its top, just built or read back from a file.
        levels: names of the wanted levels, such as ("P3", "P4", "P5"); None: all. "P3" has stride 2 ** 3; a stride that
            is no power of two is called after itself ("stride_14").
        blocks: instead of levels, for plain nets: indices of blocks, such as (2, 5, 8, 11), negative from the end.

    Returns:
        A `keras.Model` whose output is {"P2": (B, H / 4, W / 4, C), ...}, or {"block_2": ..., ...}. The maps are the
        stream at the end of each stage, before any final norm; prefix tokens are left out.

    Raises:
        ValueError: a level or block that the model hasn't; the message says which it has.
    """
    stages = _stages(model)
    if blocks is not None:
        wanted = {}
        for index in blocks:
            if not -len(stages) <= index < len(stages):
                raise ValueError(f"pyramid: block {index} of model {model.name!r}; it has {len(stages)}")
            wanted[stages[index].name] = stages[index]
    else:
        by_level = {stage.level: stage for stage in stages}
        for level in levels or by_level:
            if level not in by_level:
                raise ValueError(f"pyramid: level {level!r} of model {model.name!r}; it has {', '.join(by_level)}")
        wanted = {level: by_level[level] for level in levels or by_level}
    return GraphModel(_input(model), {key: _map(model, stage) for key, stage in wanted.items()}, name=model.name)


def attention(model, *, predictions=False):
    """The same graph, ending in the probabilities of every attention layer.

    Args:
        model: a graph of this package, with or without its top, just built or read back from a file.
        predictions: give the model's own output beside them, of the same call.

    Returns:
        A `keras.Model` whose output is {attention layer: (B, heads, N, M)} in float32: what is multiplied with the
        values. Each row sums to 1, except where heads are mixed after the softmax. With windows the batch axis holds
        all windows of all samples. With `predictions` it is {"predictions": ..., "attention": {...}}.

    Raises:
        ValueError: the model has no softmax attention.
    """
    maps = _attention_maps("attention", model)
    outputs = {"predictions": model.output, "attention": maps} if predictions else maps
    return GraphModel(_input(model), outputs, name=model.name)


def attention_rollout(model):
    """The same graph, ending in how much of each token's input is in each token's output, over all blocks.

    Attention roll-out (Abnar & Zuidema, arXiv:2005.00928): the mean over heads, half of it the token itself for the
    residual connection, multiplied through the blocks.

    Args:
        model: a plain net of this package, with or without its top, whose tokens stay the same from block to block.

    Returns:
        A `keras.Model` whose output is (B, N, N) in float32, rows of sum 1; row 0 is the class token's, where there is
        one, and the last H W columns are the patches.

    Raises:
        ValueError: a net with windows, stages or class attention: there tokens of different blocks are not the same.
    """
    maps = list(_attention_maps("attention_rollout", model).values())
    plain = all(len(stage.output.shape) == 3 for stage in _stages(model))
    tokens = _stages(model)[0].output.shape[1]
    if not plain or any(matrix.shape[2:] != (tokens, tokens) for matrix in maps):
        kind = "a plain net, each of whose blocks attends from all tokens to all"
        raise ValueError(f"attention_rollout: model {model.name!r}; allowed: {kind}")
    return GraphModel(_input(model), AttentionRollout(dtype="float32", name="rollout")(maps), name=model.name)


def simple_feature_pyramid(model, dim=256, *, norm_eps=1e-6):
    """Levels P2 to P5 from the last map of a plain net, for detectors (ViTDet: Li et al., arXiv:2203.16527).

    Deconvolutions, identity and pooling bring the one map to strides 4, 8, 16 and 32; a 1x1 and a 3x3 convolution, each
    with a norm, follow.

    Args:
        model: a plain net of this package whose patches are 4, 8, 16 or 32 pixels wide.
        dim: channels of each level.
        norm_eps: epsilon of the norms.

    Returns:
        A `keras.Model` with output {"P2": (B, H / 4, W / 4, dim), ...} which detectors take as a backbone.

    Raises:
        ValueError: a stride that no power of two leads to the levels.
    """
    stage = _stages(model)[-1]
    if stage.stride not in (4, 8, 16, 32):
        allowed = "allowed: 4, 8, 16, 32"
        raise ValueError(f"simple_feature_pyramid: stride {stage.stride} of model {model.name!r}; {allowed}")
    last, outputs = _map(model, stage), {}
    for stride in (4, 8, 16, 32):
        level, x, at = f"p{stride.bit_length() - 1}", last, stage.stride
        while at > stride:
            at //= 2
            name = f"{level}_up_{at}"
            x = layers.Conv2DTranspose(x.shape[-1] // 2, 2, 2, name=name)(x)
            if at > stride:
                x = GELU(name=f"{name}_act")(layer_norm(x, norm_eps, f"{name}_norm"))
        if at < stride:
            x = layers.MaxPooling2D(stride // at, name=f"{level}_down")(x)
        for kernel in (1, 3):
            x = layers.Conv2D(dim, kernel, padding="same", use_bias=False, name=f"{level}_conv{kernel}")(x)
            x = layer_norm(x, norm_eps, f"{level}_norm{kernel}")
        outputs[level.upper()] = Stage(stride, name=level)(x)
    return GraphModel(_input(model), outputs, name=f"{model.name}_pyramid")


def channels_first(model):
    """The same function of images (B, C, H, W), giving maps (B, C, H, W): one transposition at each end.

    Inside, the graph stays channels last, and is one node: take its pyramid or its attention first, this last.

    Args:
        model: a graph of this package, or what `pyramid` or `attention` made of it.

    Returns:
        A `keras.Model` with the model's weights, for whatever hands over such images, and for export.
    """
    height, width, channels = _input(model).shape[1:]
    image = keras.Input((channels, height, width), name="image_channels_first")
    outputs = model(layers.Permute((2, 3, 1), name="channels_last")(image))
    names = keras.tree.pack_sequence_as(model.output, [f"output_{i}" for i in range(len(model.outputs))])

    def turn(tensor, original, name):
        is_map = len(tensor.shape) == 4 and not isinstance(original._keras_history.operation, AttentionMap)
        return layers.Permute((3, 1, 2), name=f"{name}_channels_first")(tensor) if is_map else tensor

    outputs = keras.tree.map_structure(turn, outputs, model.output, names)
    return keras.Model(image, outputs, name=model.name)


def _attention_maps(caller, model):
    """{attention layer: its probabilities}."""
    cores = [layer for layer in model.layers if isinstance(layer, AttentionCore)]
    if not cores:
        raise ValueError(f"{caller}: model {model.name!r} has no attention layers")
    maps = {}
    for core in cores:
        inputs = core.input if isinstance(core.input, list) else [core.input]
        maps[core.name] = AttentionMap(core, dtype="float32", name=f"{core.name}_map")(inputs)
    return maps


def _stages(model):
    stages = [layer for layer in model.layers if isinstance(layer, Stage)]
    if not stages:
        raise ValueError(f"model {model.name!r} has no Stage layers: it was not built by this package")
    return stages


def _map(model, stage):
    """The stage's output as a map (B, H, W, C)."""
    if stage.grid is None:
        return stage.output
    return ToMap(stage.prefix, name=f"{stage.name}_map")(stage.output, model.get_layer(stage.grid).output)


def _input(model):
    return model.input if keras.backend.is_keras_tensor(model.input) else model.inputs
