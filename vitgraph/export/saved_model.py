"""SavedModels: with the model's variables, or frozen."""

import functools
import pathlib

import keras

from vitgraph import contract as c
from vitgraph.blocks import Stage
from vitgraph.export.checking import Report, named, noise, signature_of, write_checked
from vitgraph.export.frozen import folded, frozen_graph, require_constants
from vitgraph.export.graphs import input_shape, outputs_of
from vitgraph.graphs.pyramid import pyramid


@c.public
def to_saved_model(
    model: c.ImageModel,
    path: c.Path,
    *,
    frozen: bool = False,
    features: bool = False,
    batch_size: c.Count | None = None,
    image_size: c.ImageSize | None = None,
) -> Report:
    """Writes a TensorFlow SavedModel.

    Its signature "serving_default" is the model: images -> scores, or whatever the model's outputs are.

    Args:
        model: a built `keras.Model` with one input (B, H, W, C), of any dtype policy, quantised or not.
        path: the folder to write; a SavedModel that is there is replaced.
        frozen: write weights as constants, with batch norms folded, as `freeze` does: serving is faster, and the
            weights can't be trained any more. Needs Keras on TensorFlow.
        features: add a second signature, "features", with the maps of all levels, as `pyramid` has them; for graphs of
            this package.

    Returns:
        A `Report`.

    Raises:
        ValueError, TypeError: an argument that isn't allowed; answers that differ from the model's by more than half of
            the digits that it computes with (3e-4 of the largest value, in float32).
        OSError: the folder of `path` is missing, or `path` is something other than a SavedModel.

    Example:
        >>> net = vitgraph.build_vit((32, 32, 3), dim=16, depth=1, num_heads=2, num_classes=5)
        >>> vitgraph.export.to_saved_model(net, "net").difference < 1e-4
        True
    """
    path = pathlib.Path(path)
    shape = input_shape(model, batch_size, image_size)
    is_ours = any(isinstance(layer, Stage) for layer in model.layers)
    c.require(is_ours or not features, "features", "False for a model that isn't a graph of this package")
    on_tensorflow = keras.backend.backend() == "tensorflow"
    c.require(on_tensorflow or not frozen, "frozen", f"False with Keras on {keras.backend.backend()}")
    if frozen:
        require_constants(model)
    if path.exists() and not (path / "saved_model.pb").is_file():
        raise FileExistsError(f"to_saved_model: {path} exists and isn't a SavedModel; it is left alone")
    endpoints = {"serving_default": model, **({"features": pyramid(model)} if features else {})}
    if frozen:
        endpoints = {name: folded(graph) or graph for name, graph in endpoints.items()}
    write = write_frozen if frozen else _write
    return write_checked("to_saved_model", model, path, functools.partial(write, endpoints, shape), noise(model, shape))


def _write(endpoints, shape, place):
    archive = keras.export.ExportArchive()
    archive.track(endpoints["serving_default"])  # the other graphs have no weights of their own
    for name, model in endpoints.items():
        archive.add_endpoint("serve" if name == "serving_default" else name, model.__call__, signature_of(model, shape))
    archive.write_out(str(place), verbose=False)


def write_frozen(endpoints, shape, place):
    """Writes a SavedModel of {signature: model} whose weights are constants."""
    import tensorflow as tf

    signatures = {name: _signature(model, shape) for name, model in endpoints.items()}
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # SiLU's: a frozen graph has none
    tf.saved_model.save(tf.Module(), str(place), signatures=signatures, options=options)


def _signature(model, shape):
    """The frozen model as a function with the names that Keras' exporter gives inputs and outputs."""
    import tensorflow as tf

    (tensor,) = model.inputs
    spec = tf.TensorSpec(shape, tensor.dtype, tensor.name)
    graph = frozen_graph(lambda images: list(named(model(images, training=False)).values()), spec)
    names = list(named(outputs_of(model)))

    def serve(images):
        return dict(zip(names, keras.tree.flatten(graph(images)), strict=True))

    return tf.function(serve, autograph=False).get_concrete_function(spec)
