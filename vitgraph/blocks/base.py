"""The base class of every layer in this package."""

import inspect

import keras

PACKAGE = "vitgraph"


class Block(keras.layers.Layer):
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
        """Unless a subclass says otherwise, the output has the shape of the first input."""
        return input_shape


def own_arguments(cls):
    """The names of a constructor's arguments, but for those that it hands on."""
    parameters = inspect.signature(cls.__init__).parameters.values()
    return [p.name for p in parameters if p.name != "self" and p.kind is not p.VAR_KEYWORD]


def sizes(x):
    """Height and width of a map (B, H, W, C): integers where the graph knows them, scalar tensors elsewhere."""
    return keras.ops.shape(x)[1:3]


def is_static(*values):
    return all(isinstance(value, int) for value in values)


def pad_end(x, bottom, right):
    """Zeros below and to the right of a map (B, H, W, C), as many rows and columns as said."""
    return pad_map(x, (0, bottom), (0, right))


def pad_map(x, rows, columns):
    """Zeros around a map (B, H, W, C): `rows` above and below it, `columns` to its left and right."""
    if is_static(*rows, *columns) and not any((*rows, *columns)):
        return x
    height, width = sizes(x)
    padded = keras.ops.pad(x, ((0, 0), rows, columns, (0, 0)))
    if is_static(height, width):
        return padded
    # A padding known at run time only makes exporters forget the number of channels, and convolutions need it.
    return keras.ops.reshape(padded, (-1, height + sum(rows), width + sum(columns), x.shape[-1]))


def pair(value):
    """`7` -> (7, 7); a sequence of two -> a tuple of two integers."""
    return (int(value), int(value)) if isinstance(value, int) else tuple(int(v) for v in value)


def dense_rows(x):
    """rows (M, C), shape, so that x is reshape(rows, shape), where x comes from a `Dense` layer; elsewhere x, None.

    In a TensorFlow graph such a layer multiplies (M, C), reshapes and then adds its bias. Here the bias is added before
    the reshape, where TensorFlow computes it with the product in one operation, and often what follows as well; the
    first addition is then unused, and dropped.
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


def on_cpu():
    """Whether there is no accelerator that the backend would compute on."""
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
