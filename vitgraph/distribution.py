"""Which weights of a graph are spread over devices, for `keras.distribution.ModelParallel`.

Source: Shoeybi et al., "Megatron-LM", arXiv:1909.08053, section 3. Of two linear layers with attention or an activation
between them, the first is cut by outputs and the second by inputs: each device computes some heads and some hidden
units, and one sum over the devices follows.
"""

import re

import keras

from vitgraph import contract as c

BY_OUTPUTS = r".*attn_(qkv|kqv|q|k|v|kv)|.*mlp_fc1|.*_in_proj"
BY_INPUTS = r".*attn_proj|.*mlp_fc2|.*_out_proj"


@c.public
def layout_map(
    model: c.Model, device_mesh: keras.distribution.DeviceMesh, axis: str = "model"
) -> keras.distribution.LayoutMap:
    """The layouts of a graph's weights: projections of attention and feed-forward layers are cut, all else is whole.

    A graph's variables are laid out when they are made, so the map is made from a graph like the one to be trained:

        mesh = keras.distribution.DeviceMesh((2, 4), ("batch", "model"))
        layouts = vitgraph.layout_map(vitgraph.create("vit_large_patch16_224"), mesh)
        parallel = keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch")
        keras.distribution.set_distribution(parallel)
        model = vitgraph.create("vit_large_patch16_224")

    Args:
        model: a graph of this package, or an objective around one.
        device_mesh: a `keras.distribution.DeviceMesh`.
        axis: the mesh's axis over which weights are cut; sides that its length doesn't divide stay whole. Heads aren't
            counted: if the axis doesn't divide their number the result is the same, but more is sent between devices.

    Returns:
        A `keras.distribution.LayoutMap` with an entry for each variable that is cut.

    Example:
        >>> mesh = keras.distribution.DeviceMesh((1, 2), ("batch", "model"), ["cpu:0", "cpu:1"])
        >>> vit = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2)
        >>> list(vitgraph.layout_map(vit, mesh))[0]
        '^block_0_attn_qkv/kernel$'
    """
    c.require(axis in device_mesh.axis_names, "axis", f"an axis of the mesh: {', '.join(device_mesh.axis_names)}")
    parts = device_mesh.shape[device_mesh.axis_names.index(axis)]
    wanted: dict = {}
    for variable in model.weights:  # Keras finds layouts by path, and two nets in one model may have the same
        layout = tuple(axis if i == _cut(variable, parts) else None for i in range(len(variable.shape)))
        wanted.setdefault(variable.path, set()).add(layout)
    layouts = keras.distribution.LayoutMap(device_mesh)
    for path, (layout, *others) in wanted.items():
        if axis in layout and not others:
            layouts[f"^{re.escape(path)}$"] = layout
    return layouts


def _cut(variable, parts):
    """The axis along which a variable is cut into `parts`, or None."""
    axis = _axis(variable)
    return None if axis is None or variable.shape[axis] % parts else axis


def _axis(variable):
    """The axis along which a variable may be cut, or None."""
    layer, _, leaf = variable.path.rpartition("/")
    if leaf == "kernel" and len(variable.shape) in (2, 4):
        if re.fullmatch(BY_OUTPUTS, layer):
            return len(variable.shape) - 1
        if re.fullmatch(BY_INPUTS, layer):
            return len(variable.shape) - 2
    if leaf == "bias" and re.fullmatch(BY_OUTPUTS, layer):
        return 0
    return None
