"""What every builder shares: the border of its graph, and the checks of its arguments."""

import contextlib
import difflib
import functools
import inspect

import keras

from vitgraph.blocks import GraphModel
from vitgraph.blocks.base import is_static, pair

POOLS = ("token", "avg", "max", "avgmax", "map")
"""What the head of a plain net may see: the class token, means, maxima, their average, attention pooling."""


def builder(function=None, *, pools=("avg", "max"), per_stage=(), uneven=False):
    """Makes a function that wires a graph into a public builder.

    Its arguments are checked before anything is made, `dtype` is in force for every layer while it runs, and the
    strides of its `Stage` layers are checked against the shapes of the graph that it returns.

    Args:
        pools: what `pooling` may be, besides None.
        per_stage: names of the arguments that are one value for all stages, or a sequence with one a stage.
        uneven: a map may have some positions less or more than the image has strides, as where patches overlap without
            padding, or sides are rounded up.
    """
    if function is None:
        return functools.partial(builder, pools=pools, per_stage=per_stage, uneven=uneven)
    signature = inspect.signature(function)

    @functools.wraps(function)
    def build(*args, **kwargs):
        for name in kwargs:
            if name not in signature.parameters:
                raise TypeError(
                    f"{function.__name__}: unknown argument {name!r}{nearest(name, signature.parameters)}; "
                    f"allowed: {', '.join(signature.parameters)}"
                )
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{function.__name__}: {error}; only input_shape goes without its name") from None
        bound.apply_defaults()
        check = Check(function.__name__)
        _check_border(check, bound.arguments, pools)
        _check_kinds(check, bound.arguments, signature, per_stage)
        with global_policy(_policy(check, bound.arguments["dtype"])):
            model = function(*bound.args, **bound.kwargs)
        _check_strides(model, uneven)
        return model

    return build


class Check:
    """Checks of one builder's arguments; an error names the builder, the argument, its value and what is allowed."""

    def __init__(self, builder_name):
        self.builder = builder_name

    def that(self, condition, argument, value, allowed, error=ValueError):
        if not condition:
            raise error(f"{self.builder}: {argument}={repr(value)[:200]}; allowed: {allowed}")

    def positive(self, **arguments):
        """Each is an integer of at least 1."""
        for argument, value in arguments.items():
            self.that(_is_int(value), argument, value, "an integer of at least 1", TypeError)
            self.that(value >= 1, argument, value, "an integer of at least 1")

    def number(self, **arguments):
        """Each is a number."""
        for argument, value in arguments.items():
            self.that(_is_number(value), argument, value, "a number", TypeError)

    def over_zero(self, **arguments):
        """Each is a number over 0, or a sequence of such numbers."""
        for argument, value in arguments.items():
            values = value if _is_sequence(value) else (value,)
            self.that(all(map(_is_number, values)), argument, value, "numbers over 0", TypeError)
            self.that(all(v > 0 for v in values), argument, value, "numbers over 0")

    def shares(self, **arguments):
        """Each is a number from 0 to 1."""
        for argument, value in arguments.items():
            self.that(_is_number(value), argument, value, "0 ... 1", TypeError)
            self.that(0 <= value <= 1, argument, value, "0 ... 1")

    def sides(self, **arguments):
        """Each is a positive integer, or two of them: rows and columns."""
        for argument, value in arguments.items():
            self.that(is_sides(value), argument, value, "a positive integer, or two: (rows, columns)")

    def per_stage(self, **arguments):
        """Each is a sequence of integers of at least 1, and all are as long as the first."""
        for argument, value in arguments.items():
            self.that(_is_sequence(value), argument, value, "a sequence, one entry a stage", TypeError)
            good = value and all(_is_int(v) and v >= 1 for v in value)
            self.that(good, argument, value, "integers of at least 1, one a stage")
        self.same_length(**arguments)

    def same_length(self, **arguments):
        """Each is a sequence as long as the first."""
        (first, reference), *others = arguments.items()
        for argument, value in others:
            self.that(_is_sequence(value), argument, value, "a sequence, one entry a stage", TypeError)
            self.that(len(value) == len(reference), argument, value, f"{len(reference)} entries, as many as {first}")

    def spread(self, stages, **arguments):
        """Each is one value for all stages, or one a stage -> {argument: a tuple, one value a stage}."""
        spread = {}
        for argument, value in arguments.items():
            spread[argument] = tuple(value) if _is_sequence(value) else (value,) * stages
            self.that(len(spread[argument]) == stages, argument, value, f"one value, or {stages}, one a stage")
        return spread

    def counts(self, least, **arguments):
        """Each is an integer of at least `least`, or a sequence of such integers."""
        for argument, value in arguments.items():
            values = value if _is_sequence(value) else (value,)
            self.that(all(map(_is_int, values)), argument, value, f"integers of at least {least}", TypeError)
            self.that(all(v >= least for v in values), argument, value, f"integers of at least {least}")

    def heads_divide(self, dims, num_heads):
        """Every stage's width is a multiple of its number of heads."""
        for dim, heads in zip(*(v if _is_sequence(v) else (v,) for v in (dims, num_heads)), strict=True):
            self.that(dim % heads == 0, "num_heads", num_heads, f"divisors of the width, here {heads} of {dim}")

    def smallest(self, size, **arguments):
        """Height and width are unknown or at least `size`."""
        for argument, value in arguments.items():
            good = all(n is None or n >= size for n in value[:2])
            self.that(good, argument, value, f"height and width of at least {size}")


def begin(input_shape, input_tensor):
    """The graph's entry: a new `keras.Input`, or a tensor that exists."""
    return keras.Input(input_shape, name="image") if input_tensor is None else input_tensor


def shape_of(input_shape, input_tensor):
    """(H, W, C) of the graph's entry."""
    return tuple(input_shape) if input_tensor is None else tuple(input_tensor.shape[1:])


def finish(inputs, outputs, name):
    """The model from the sources of `inputs` to `outputs`."""
    sources = keras.utils.get_source_inputs(inputs)
    return GraphModel(sources[0] if len(sources) == 1 else sources, outputs, name=name)


def _check_border(check, arguments, pools):
    tensor, shape = arguments["input_tensor"], arguments["input_shape"]
    check.that(
        tensor is None or keras.backend.is_keras_tensor(tensor), "input_tensor", tensor, "a KerasTensor", TypeError
    )
    if tensor is not None:
        check.that(len(tensor.shape) == 4, "input_tensor", tensor.shape, "a tensor (batch, height, width, channels)")
        shape = shape_of(shape, tensor)
    check.that(_is_sequence(shape) and len(shape) == 3, "input_shape", shape, "(height, width, channels)")
    height, width, channels = shape
    check.that(_is_int(channels) and channels >= 1, "input_shape", shape, "at least 1 channel")
    for n in (height, width):
        check.that(n is None or (_is_int(n) and n >= 1), "input_shape", shape, "positive integers or None")
    check.that((height is None) == (width is None), "input_shape", shape, "height and width both known or both None")

    pooling = arguments["pooling"]
    if arguments["include_top"]:
        check.positive(num_classes=arguments["num_classes"])
        check.that(pooling is None, "pooling", pooling, "None with include_top=True: the top has its own")
    check.that(pooling in (None, *pools), "pooling", pooling, f"None, {', '.join(pools)}")
    if not arguments.get("class_token", True):
        check.that(pooling != "token", "pooling", pooling, "not the class token: there is none")
    activation = arguments["classifier_activation"]
    try:
        keras.activations.get(activation)
    except (ValueError, TypeError):
        check.that(False, "classifier_activation", activation, "None or the name of a Keras activation")
    name = arguments["name"]
    check.that(isinstance(name, str) and name and "/" not in name, "name", name, "a name without a slash")


def _check_kinds(check, arguments, signature, per_stage):
    """What an argument is shows in its default or in its name."""
    for argument, value in arguments.items():
        default, values = signature.parameters[argument].default, (value,)
        if argument in per_stage:
            default = default[0] if _is_sequence(default) else default
            values = value if _is_sequence(value) else values
        if isinstance(default, bool):
            check.that(all(isinstance(v, bool) for v in values), argument, value, "True or False", TypeError)
        elif argument.endswith("_rate"):
            check.that(all(map(_is_number, values)), argument, value, "a number", TypeError)
            check.that(all(0 <= v < 1 for v in values), argument, value, "0 <= rate < 1")
        elif argument.endswith("_eps"):
            check.over_zero(**{argument: value})


def _check_strides(model, uneven):
    inputs = model.inputs[0].shape[1:3]
    for stage in model.stages:
        output = stage.output.shape[1:3] if stage.grid is None else model.get_layer(stage.grid).output.shape[1:3]
        for size, count, stride in zip(inputs, output, pair(stage.stride), strict=True):
            if not is_static(size, count) or size // stride <= count <= -(-size // stride):
                continue
            # Where counts aren't exact, a stride that is wrong by a factor of two is still found, but on tiny maps.
            if not uneven or (size >= 4 * stride and not size < 2 * count * stride < 4 * size):
                where = f"{model.name}: {stage.name}"
                raise AssertionError(f"{where} says stride {stage.stride}, shapes say {size}/{count}")


def _policy(check, dtype):
    try:
        return None if dtype is None else keras.dtype_policies.get(dtype)
    except (ValueError, TypeError):
        return check.that(False, "dtype", dtype, "None, or a Keras dtype policy such as 'mixed_bfloat16'")


@contextlib.contextmanager
def global_policy(policy):
    """Keras' global dtype policy, for a while; None: as it is."""
    previous = keras.config.dtype_policy()
    if policy is not None:
        keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def is_sides(value):
    """Whether it is a positive integer, or two of them."""
    values = value if _is_sequence(value) and len(value) == 2 else (value,)
    return all(_is_int(v) and v >= 1 for v in values)


def _is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_sequence(value):
    return isinstance(value, (tuple, list))


def nearest(name, names):
    """The end of a sentence about an unknown name: which one was meant, where one is near; else nothing."""
    near = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
