"""Which weights of a graph are spread over devices, for `keras.distribution.ModelParallel`.

Source: Shoeybi et al., "Megatron-LM", arXiv:1909.08053, section 3. Of two linear layers with attention or an activation
between them, the first is cut by outputs and the second by inputs: each device computes some heads, some hidden units,
and one sum over the devices follows.
"""

import re

import keras

BY_OUTPUTS = r".*_(qkv|kqv|q|k|v|kv|fc1|in_proj)"
BY_INPUTS = r".*_(proj|fc2|out_proj)"


def layout_map(model, device_mesh, axis="model"):
    """The layouts of a graph's weights: projections of attention and feed-forward layers are cut, all else is whole.

    A graph's variables are laid out when they are made, so the map is of a graph like the one to be trained:

        mesh = keras.distribution.DeviceMesh((2, 4), ("batch", "model"))
        layouts = vitgraph.layout_map(vitgraph.create("vit_large_patch16_224"), mesh)
        parallel = keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch")
        keras.distribution.set_distribution(parallel)
        model = vitgraph.create("vit_large_patch16_224")

    Args:
        model: a graph of this package, or an objective around one.
        device_mesh: a `keras.distribution.DeviceMesh`.
        axis: the mesh's axis over which weights are cut; sides that its length doesn't divide stay whole.

    Returns:
        A `keras.distribution.LayoutMap` with an entry for each variable that is cut.

    Raises:
        ValueError: an axis that the mesh hasn't.
    """
    if axis not in device_mesh.axis_names:
        raise ValueError(f"layout_map: axis={axis!r}; allowed: {', '.join(device_mesh.axis_names)}")
    parts = device_mesh.shape[device_mesh.axis_names.index(axis)]
    layouts = keras.distribution.LayoutMap(device_mesh)
    for variable in model.trainable_variables:
        cut = _cut(variable)
        if cut is not None and variable.shape[cut] % parts == 0:
            layout = [None] * len(variable.shape)
            layout[cut] = axis
            layouts[f"^{re.escape(variable.path)}$"] = tuple(layout)
    return layouts


def _cut(variable):
    """The axis along which a variable is cut, or None."""
    layer, _, leaf = variable.path.rpartition("/")
    if leaf == "kernel" and len(variable.shape) in (2, 4):
        if re.fullmatch(BY_OUTPUTS, layer):
            return len(variable.shape) - 1
        if re.fullmatch(BY_INPUTS, layer):
            return len(variable.shape) - 2
    if leaf == "bias" and re.fullmatch(BY_OUTPUTS, layer):
        return 0
    return None
