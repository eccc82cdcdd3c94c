"""A model for serving: weights as constants, batch norms folded, in the form that is fastest on this machine."""

import contextlib
import itertools
import time
from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np

from vitgraph import contract as c
from vitgraph.export.checking import compared, named, noise, tolerance
from vitgraph.export.graphs import copied, in_float32, input_shape, is_shaped, modes, outputs_of
from vitgraph.graphs.folding import fold_batchnorm

_ROUNDS = 5


class Frozen:
    """A frozen model as a function: images (B, H, W, C) of the input's dtype -> what the model gives, as NumPy arrays.

    Attributes:
        form: "graph", TensorFlow's own kernels, or "xla".
        precision: "float32" or "bfloat16", which it computes in.
        difference: the largest absolute difference from the model's answers in the trials.
        seconds: {"graph float32": seconds per batch, ...} of the forms that were tried; {} if there was one only.
    """

    def __init__(
        self, run: Callable[[Any], list[Any]], structure: Any, form: str, difference: float, seconds: dict[str, float]
    ):
        self._run = run
        self._structure = structure
        self.form, self.precision = form.split()
        self.difference = difference
        self.seconds = seconds

    def __call__(self, images: Any) -> Any:
        return keras.tree.pack_sequence_as(self._structure, self._run(images))


@c.public
def freeze(
    model: c.ImageModel,
    batch_size: c.Count | None = None,
    precision: Literal["float32", "bfloat16"] = "float32",
    *,
    image_size: c.ImageSize | None = None,
) -> Frozen:
    """Makes a function for serving on this machine, whose answers are the model's.

    The weights are those of now: what is trained later doesn't reach it. Batch norms are folded into the layers beside
    them. With a known batch and image size both TensorFlow's graph, its arithmetic as written, so that oneDNN's fused
    norms apply, and XLA are tried once, and the faster one is kept. With an open one it is the graph, since XLA would
    compile for each size anew.

    Args:
        model: a built `keras.Model` with one input (B, H, W, C), with Keras on TensorFlow.
        precision: "float32"; or "bfloat16", which tries that as well, and takes what is fastest. It is on processors
            that multiply bfloat16 (AMX, AVX-512 BF16), and then agrees with the model within 9 % of the largest value.

    Returns:
        A `Frozen`. It raises a ValueError for images of another shape or dtype.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; answers that differ from the model's.

    Example:
        >>> net = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2, num_classes=5)
        >>> vitgraph.export.freeze(net)(numpy.zeros((2, 32, 32, 3), "float32")).shape
        (2, 5)
    """
    on = keras.backend.backend()
    c.require(on == "tensorflow", "model", f"a model with Keras on TensorFlow, not on {on}")
    require_constants(model)
    shape = input_shape(model, batch_size, image_size)
    plain = in_float32(model)
    alike = folded(plain)
    nets = {"float32": alike or plain}
    if precision == "bfloat16" and alike is not None:
        nets["bfloat16"] = copied(alike, _in_bfloat16)
    ways = {"graph": _graph, "xla": _xla} if alike is not None and None not in shape else {"graph": _graph}
    forms, differences, trials = {}, {}, noise(model, shape)
    for (kind, net), (way, make) in itertools.product(nets.items(), ways.items()):
        run = make(net, shape)
        with _skipping_what_does_not_compile(way):
            allowed = tolerance({kind} | modes(model))
            differences[f"{way} {kind}"] = compared("freeze", model, _named(run, model), trials, allowed)
            forms[f"{way} {kind}"] = run
    seconds = _seconds(forms, trials[0]) if len(forms) > 1 else {}
    best = min(seconds, key=seconds.__getitem__, default=next(iter(forms)))
    run = _checking_images(forms[best], shape, model.inputs[0].dtype)
    return Frozen(run, outputs_of(model), best, differences[best], seconds)


def _in_bfloat16(layer):
    return type(layer).from_config({**layer.get_config(), "dtype": "bfloat16"})


def _named(run, model):
    """A form's answers by the names of the model's outputs."""
    return lambda images: dict(zip(named(outputs_of(model)), run(images), strict=True))


@contextlib.contextmanager
def _skipping_what_does_not_compile(way):
    """XLA hasn't every operation of TensorFlow; the graph has."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
        if way != "xla":
            raise


def require_constants(model):
    """Refuses a model whose weights can't be constants of a graph."""
    c.require(4 * model.count_params() < 2**31 - 2**20, "model", "less than 2 GiB of weights, as a graph's constants")


def folded(model):
    """A copy of the model with batch norms folded; None for one that can't be copied so, as a quantised one."""
    try:
        return fold_batchnorm(model)
    except ValueError:
        return None


def frozen_graph(function, spec):
    """A function of one tensor as a graph without variables."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(tf.function(function, autograph=False).get_concrete_function(spec))


def _graph(model, shape):
    """The model as a graph of constants, in a session, which alone has settings of its own."""
    import tensorflow as tf

    with _arithmetic_as_written():
        frozen = frozen_graph(_outputs(model), tf.TensorSpec(shape, model.inputs[0].dtype))
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(frozen.graph.as_graph_def(), name="")
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.arithmetic_optimization = _OFF
    session = tf.compat.v1.Session(graph=graph, config=config)
    fetches = [graph.get_tensor_by_name(tensor.name) for tensor in frozen.outputs]
    return session.make_callable(fetches, feed_list=[graph.get_tensor_by_name(frozen.inputs[0].name)])


def _xla(model, shape):
    """The model compiled. Its weights stay variables: of constants XLA would compute with at compile time."""
    import tensorflow as tf

    run = tf.function(_outputs(model), jit_compile=True, autograph=False)
    return lambda images: [value.numpy() for value in run(tf.constant(images))]


def _outputs(model):
    """The model as a function: images -> its outputs, in a list, not below float32."""
    import tensorflow as tf

    def outputs(images):
        values = named(model(images, training=False)).values()
        return [tf.cast(x, tf.float32) if x.dtype in (tf.bfloat16, tf.float16) else x for x in values]

    return outputs


_OFF = 2
"""`RewriterConfig.OFF`, in TensorFlow's protocol buffers."""


@contextlib.contextmanager
def _arithmetic_as_written():
    """Norms are written for oneDNN while this is off; see `blocks.normalization.LayerNorm`."""
    import tensorflow as tf

    before = tf.config.optimizer.get_experimental_options().get("arithmetic_optimization", True)
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"arithmetic_optimization": before})


def _checking_images(run, shape, dtype):
    """The same function, that refuses what the model doesn't take."""

    def answer(images):
        if not is_shaped(images, shape, dtype):
            raise ValueError(f"frozen: images={c.shown(images)}; allowed: an array {tuple(shape)} of {dtype}")
        return run(np.asarray(images))

    return answer


def _seconds(forms, images):
    """{form: the least seconds of a call}; they take turns."""
    seconds = dict.fromkeys(forms, float("inf"))
    for _ in range(_ROUNDS):
        for name, run in forms.items():
            start = time.perf_counter()
            run(images)
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds
