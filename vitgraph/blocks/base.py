"""The base class of every layer in this package."""

import inspect
from collections.abc import Sequence

import keras

PACKAGE = "vitgraph"


class Layer(keras.layers.Layer):
    """A Keras layer whose configuration is its constructor's signature.

    A subclass stores each constructor argument under its own name, takes plain values only, and is registered for
    saving when it is defined, so that a `.keras` file needs nothing but `import vitgraph` to be read back.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        keras.saving.register_keras_serializable(package=PACKAGE)(cls)

    def get_config(self):
        own = {name: getattr(self, name) for name in own_arguments(type(self))}
        return {**super().get_config(), **own}

    def compute_output_shape(self, input_shape):
        """The shape of the first input, unless a subclass overrides this."""
        return input_shape


def own_arguments(cls):
    """The names of a constructor's arguments, without those that it passes on."""
    parameters = inspect.signature(cls.__init__).parameters.values()
    return [p.name for p in parameters if p.name != "self" and p.kind is not p.VAR_KEYWORD]


def sizes(x):
    """Height and width of a map (B, H, W, C): integers where the graph knows them, otherwise scalar tensors."""
    return keras.ops.shape(x)[1:3]


def is_static(*values: object) -> bool:
    """Whether all are integers, and none a size that is known only at run time."""
    return all(isinstance(value, int) for value in values)


def pad_end(x, bottom, right):
    """Adds rows of zeros at the bottom of a map (B, H, W, C) and columns of zeros at its right."""
    return pad_map(x, (0, bottom), (0, right))


def pad_map(x, rows, columns):
    """Adds zeros around a map (B, H, W, C): `rows` (above, below) and `columns` (left, right)."""
    if is_static(*rows, *columns) and not any((*rows, *columns)):
        return x
    height, width = sizes(x)
    padded = keras.ops.pad(x, ((0, 0), rows, columns, (0, 0)))
    if is_static(height, width):
        return padded
    # If the padding is known only at run time, exporters forget the number of channels, which convolutions need.
    return keras.ops.reshape(padded, (-1, height + sum(rows), width + sum(columns), x.shape[-1]))


def pair(value: int | Sequence[int]) -> tuple[int, ...]:
    """`7` -> (7, 7); a sequence of two -> a tuple of two integers."""
    return (int(value), int(value)) if isinstance(value, int) else tuple(int(v) for v in value)


def dense_rows(x):
    """If x is the output of a `Dense` layer in a TensorFlow graph: its 2-D rows, and the shape that restores x.

    Otherwise (x, None). Such a layer multiplies (M, C), reshapes and then adds its bias. Here the bias is added before
    the reshape, where TensorFlow fuses it with the product, and often with the operation that follows. The layer's own
    addition is then unused and dropped.
    """
    if keras.backend.backend() != "tensorflow":
        return x, None
    import tensorflow as tf

    if not tf.is_symbolic_tensor(x) or x.op.type != "BiasAdd" or x.op.inputs[0].op.type != "Reshape":
        return x, None
    product, shape = x.op.inputs[0].op.inputs
    if product.op.type != "MatMul":
        return x, None
    own = x.shape[1:]
    return tf.nn.bias_add(product, x.op.inputs[1]), (-1, *own) if is_static(*own) else shape


def look_up(table, index, axis=0):
    """The entries of a weight along an axis, in the order of `index` (N,), with a gradient that is dense.

    TensorFlow's gradient of a gather is a list of slices in which an index stands many times. Keras' optimizers square
    such slices one by one (3.15, Adam and AdamW), not their sum. A reshape between the two makes the gradient dense.
    """
    table = keras.ops.convert_to_tensor(table)
    shape = [-1 if n is None else n for n in table.shape]
    return keras.ops.take(keras.ops.reshape(table, shape), index, axis=axis)


def on_cpu():
    """Whether the backend computes on the CPU, because there is no accelerator."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "cpu"
    import tensorflow as tf

    return not any(tf.config.list_logical_devices(kind) for kind in ("GPU", "TPU"))


def under_xla():
    """Whether what is being traced is compiled by XLA: JAX always is, TensorFlow inside `jit_compile=True`."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        return backend == "jax"
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util

    if tf.executing_eagerly():
        return False
    return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
