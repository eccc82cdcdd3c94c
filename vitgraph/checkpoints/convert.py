"""From a checkpoint's names and axes to a graph's: one engine for all tables."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import keras
import numpy as np

from vitgraph import contract as c
from vitgraph.blocks import DepthwiseConv2D, PositionTable
from vitgraph.blocks.graph import layers_within
from vitgraph.checkpoints.adaptation import adapted
from vitgraph.checkpoints.files import Tensors, read
from vitgraph.checkpoints.names import SOURCES
from vitgraph.checkpoints.places import Place, located
from vitgraph.checkpoints.recognition import find, names_of, seems, table, unused
from vitgraph.checkpoints.source import Source
from vitgraph.checkpoints.tables import grids_of, resized
from vitgraph.contract.fitting import fit


def _arrays(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError
    for name, array in value.items():
        if not isinstance(name, str) or not isinstance(array, np.ndarray):
            raise TypeError
        if array.dtype.kind not in "biu" and not _is_floating(array.dtype):
            raise TypeError
    return Tensors(value, getattr(value, "grids", {}))


_Arrays = Annotated[Mapping[str, Any], c.Conversion("a dictionary of NumPy arrays of numbers, by name", _arrays)]


def _grids(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError
    return {str(name): fit(grid, _Grid) for name, grid in value.items()}


_Grid = tuple[c.Side, c.Side]
_Grids = Annotated[Mapping[str, Any], c.Conversion("a dictionary {layer name: (rows, columns)}", _grids)]


@c.public
def load_weights(
    model: c.Model,
    checkpoint: Place | _Arrays,
    *,
    source: str | Source | None = None,
    skip_head: bool = False,
    grid: _Grid | _Grids | None = None,
    check_finite: bool = True,
    adapt: bool = False,
) -> str | Source:
    """Loads a whole checkpoint into a graph, or changes nothing.

    Tables of positions and of relative positions are resampled if they are of another input size. Our own files say
    of which grid theirs are. A table of others is taken as square where it can be, else as one of the graph's grid.

    Args:
        checkpoint: path of a file or folder (see `read_checkpoint`); "hf-hub:owner/name" for a repository of the
            Hugging Face hub, with @revision if need be; the URL of a file; or a dictionary of arrays.
        source: the checkpoint's kind, such as "swin/microsoft", or a table (`checkpoints.source.Source`) for one that
            has no name here; None: found by the names of its tensors.
        skip_head: leave the graph's head as it is, for another number of classes.
        grid: (rows, columns) of the patches that the checkpoint is for, at any stride; or {layer name: (rows, columns)}
            for single tables, of a window where they are a window's; None: what the checkpoint says, or see above.
        check_finite: whether tensors with infinity or NaN in them are refused.
        adapt: whether a first convolution for another number of channels is made to fit (summed for one channel, else
            repeated and scaled, as timm does), and one for patches of another size (resized, see FlexiViT,
            arXiv:2212.08013).

    Returns:
        The checkpoint's kind; "vitgraph" for our own.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; tensors that are missing, unused, of another shape, not
            of a floating dtype, not finite or too large for the graph's dtype: all of them are listed.
        OSError: a file that can't be read or downloaded.

    Example:
        >>> net = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2, num_classes=5)
        >>> vitgraph.load_weights(net, vitgraph.save_weights(net, "vit.safetensors"))
        'vitgraph'
    """
    return load(model, checkpoint, "checkpoint", source, skip_head, grid, check_finite, adapt)


def load(model, checkpoint, argument, source=None, skip_head=False, grid=None, check_finite=True, adapt=False):
    """As `load_weights`; `argument` is the one that is refused if the checkpoint doesn't fit."""
    paths = Counter(variable.path for variable in model.weights)
    c.require(max(paths.values(), default=1) == 1, "model", "a model each of whose variables has a path of its own")
    known = isinstance(source, Source) or source in (None, "vitgraph", *SOURCES)
    c.require(known, "source", f"None, a Source, vitgraph, {', '.join(SOURCES)}")
    tables = grids_of(model)
    fits = not isinstance(grid, Mapping) or set(grid) <= set(tables)
    c.require(fits, "grid", f"grids of this model's tables of positions: {', '.join(tables) or 'it has none'}")
    is_file = not isinstance(checkpoint, Mapping)
    tensors = read(located(checkpoint, argument), argument) if is_file else checkpoint
    kind, named, share = find(model, tensors, source)
    stated = grid or (tensors.grids if kind == "vitgraph" else {})
    values, problems = _convert(model, named, kind, skip_head, stated, check_finite, adapt)
    label = str(checkpoint) if is_file else f"{len(tensors)} arrays"
    foreign = not source and named and share < 0.5
    misfit = _foreign(model, tensors) if foreign and problems else _misfit(model, kind, problems)
    c.require(not problems, argument, misfit, value=label)
    assign(values)
    return kind


def assign(values):
    """Assigns each (variable, value), or none of them: if that is interrupted, all are as before."""
    before = []
    try:
        for variable, value in values:
            before.append((variable, np.array(keras.ops.convert_to_numpy(variable))))
            variable.assign(value)
    except BaseException:
        for variable, value in before:
            variable.assign(value)
        raise


def _misfit(model, kind, problems):
    """The end of an error: all that doesn't fit, or the first twenty."""
    name = "the given table" if isinstance(kind, Source) else kind
    shown = "".join(f"\n  {problem}" for problem in problems[:20])
    more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
    head = any("head/" in problem for problem in problems)
    hint = "\n  another number of classes? skip_head=True keeps this model's own head" if head else ""
    first = re.compile(r"misfit: .* for (patch_embed|stem|stage_1_embed|tokens_1)\w*/kernel")
    if any(first.match(problem) for problem in problems):
        hint += "\n  another number of channels, or another patch size? adapt=True makes the first convolution fit"
    if any("/table" in problem for problem in problems):
        hint += "\n  positions of another grid? grid=(rows, columns) says which the checkpoint's patches have"
    misfit = f"one for this model. Read as {name} it doesn't fit model {model.name!r}; nothing was loaded:"
    return misfit + shown + more + hint


def _foreign(model, tensors):
    """The end of an error for a checkpoint of which the graph has next to nothing."""
    return f"one for this model. It doesn't fit model {model.name!r}; nothing was loaded: {seems(tensors)}"


def _convert(model, tensors, kind, skip_head, stated, check_finite, adapt):
    """([(variable, value)], [problem])."""
    layers = {layer.name: layer for layer in layers_within(model)}
    values, problems, used = [], [], set()
    for variable in model.weights:
        names, function = names_of(kind, variable.path)
        name = variable.path.split("/")[0]
        c.require(name in layers, "model", f"a graph of this package, without layers in layers: {variable.path}")
        layer = layers[name]
        used.update(names)
        if skip_head and layer.name.startswith("head"):
            continue
        absent = [name for name in names if name not in tensors]
        if absent or not names:
            problems.append(f"missing: {', '.join(absent) or 'any counterpart'} for {variable.path}")
            continue
        arrays = [tensors[name] for name in names]
        shape = tuple(variable.shape)
        try:
            value = function(arrays, shape) if function else _reorder(arrays[0], layer, variable, kind)
            is_map = isinstance(layer, PositionTable) and arrays[0].ndim == 4  # (1, C, rows, columns)
            known = {layer.name: arrays[0].shape[2:]} if is_map else stated
            value = resized(layer, value, known, is_ours=kind == "vitgraph")
            value = adapted(model, layer, value, shape) if adapt and variable.path.endswith("/kernel") else value
            fits = tuple(value.shape) == shape
        except Exception:  # whatever comes of arrays that aren't what the table reads
            fits = False
        if not fits:
            problems.append(f"misfit: {', '.join(names)} {arrays[0].shape} for {variable.path} {shape}")
            continue
        value, problem = _cast(arrays, value, np.dtype(variable.dtype), check_finite)
        if problem:
            problems.append(f"{problem}: {', '.join(names)} {arrays[0].dtype} for {variable.path} {variable.dtype}")
        values.append((variable, value))
    problems += [f"unused: {name} {tensors[name].shape}" for name in unused(model, tensors, kind, used, skip_head)]
    return values, problems


def _cast(arrays, value, dtype, check_finite):
    """(the value in a variable's dtype, what is wrong with it or None)."""
    if not all(array.dtype == dtype or _is_floating(array.dtype) and _is_floating(dtype) for array in arrays):
        return value, "dtype"
    with np.errstate(over="ignore", invalid="ignore"):
        cast = value.astype(dtype, copy=False)
    finite = np.isfinite(value)
    if not np.array_equal(np.isfinite(cast), finite):
        return cast, "too large"
    return cast, None if finite.all() or not check_finite else "not finite"


def _is_floating(dtype):
    return dtype.kind == "f" or dtype.name.startswith(("bfloat", "float"))


def _reorder(value, layer, variable, kind):
    """The source's axis order -> Keras'."""
    if kind != "vitgraph" and table(kind).layout == "torch" and variable.path.endswith("/kernel"):
        if isinstance(layer, DepthwiseConv2D):  # (C m, 1, rows, columns), the m outputs of a channel side by side
            value = value.reshape(-1, layer.depth_multiplier, *value.shape[2:]).transpose(2, 3, 0, 1)
        elif isinstance(layer, keras.layers.Conv2D):  # (out, in, rows, columns)
            value = value.transpose(2, 3, 1, 0)
        else:  # (out, in), sometimes with two axes of length 1
            value = value.reshape(value.shape[:2]).T
    if value.shape != tuple(variable.shape) and _without_ones(value.shape) == _without_ones(variable.shape):
        value = value.reshape(variable.shape)
    return value


def _without_ones(shape):
    return [n for n in shape if n != 1]
