"""Graph -> graph: the pyramid of maps, and the attention, of a model that is there already."""

from keras import layers

from vitgraph.blocks import GELU, GraphModel, Stage
from vitgraph.graphs.levels import _input, _map, _stages
from vitgraph.wiring.layers import layer_norm


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
