"""One candidate exports its net in a process of its own: JSON requests on standard input, JSON answers, a line each.

{"candidate", "model", "form", "folder"} -> the file, its size, the images it was compared on and the net's answers
"""

import pathlib
import time

import numpy as np

from benchmarks import candidates
from benchmarks.children.serving import serve

IMAGES = 4
"""Random images that files are compared on."""

CALIBRATION = 16
"""Random images that the ranges of int8 come from."""


_state: dict = {}


def answer(candidate, model, form, folder):
    """Builds the net, once; exports it in one form and keeps what it answers to some images."""
    if "network" not in _state:
        _state["network"] = build(candidate, model)
        keep_answers(_state["network"], pathlib.Path(folder, "answers.npz"))
    network = _state["network"]
    path = pathlib.Path(folder, form if form == "saved_model" else f"{form}.tflite")
    start = time.perf_counter()
    if form == "saved_model":
        saved_model(network, path, candidate)
    else:
        litert(network, path, form, candidate)
    took = time.perf_counter() - start
    files = path.rglob("*") if path.is_dir() else [path]
    return {
        "path": str(path),
        "images": str(pathlib.Path(folder, "answers.npz")),
        "bytes": sum(file.stat().st_size for file in files if file.is_file()),
        "export_s": took,
        "parameters": candidates.parameters(network),
    }


def keep_answers(network, path):
    """Writes some random images and what the net answers to them."""
    images = random_images(network.input_shape[1], IMAGES, seed=0)
    answers = [np.asarray(network(image[None], training=False), "float32") for image in images]
    np.savez(path, images=images, answers=np.concatenate(answers))


def build(candidate, model):
    """The candidate's net with random weights; "vitgraph_folded" is ours with batch norms folded."""
    name = candidate.removesuffix("_folded")
    candidates.load(name, "tensorflow")
    seed(name)
    network = getattr(candidates, name)(model, None, None)
    if candidate.endswith("_folded"):
        from vitgraph import fold_batchnorm

        network = fold_batchnorm(network)
    return network


def seed(candidate):
    import importlib

    importlib.import_module("tf_keras" if candidate == "kecam" else "keras").utils.set_random_seed(0)


def random_images(side, count, seed):
    """(count, side, side, 3) of normal noise, as normalised images are."""
    return np.random.default_rng(seed).standard_normal((count, side, side, 3)).astype("float32")


def saved_model(network, path, candidate):
    """Writes a SavedModel for one image with the candidate's own exporter."""
    if candidate.startswith("vitgraph"):
        from vitgraph import export

        export.to_saved_model(network, path, batch_size=1)
    elif candidate == "kecam":
        import tensorflow as tf

        tf.saved_model.save(network, str(path), signatures=kecam_call(network))
    else:
        network.export(str(path), input_signature=signature(network), verbose=False)


def litert(network, path, form, candidate):
    """Writes a LiteRT file for one image: ours with our exporter, all else with TensorFlow's converter."""
    if candidate.startswith("vitgraph"):
        from vitgraph import export

        side = network.input_shape[1]
        ranges = {"images": random_images(side, CALIBRATION, seed=1)} if form == "int8" else {}
        export.to_litert(network, path, form=form, batch_size=1, **ranges)
    elif candidate == "kecam":
        path.write_bytes(kecam_litert(network, form))
    else:
        options = converter_options(form, network.input_shape[1])
        network.export(str(path), format="litert", input_signature=signature(network), verbose=False, **options)


def converter_options(form, side):
    """What the converter is told. What has no kernel in "int8" stays float, and so do input and output."""
    import tensorflow as tf

    def representative_dataset():
        for image in random_images(side, CALIBRATION, seed=1):
            yield [image[None]]

    ops = tf.lite.OpsSet
    if form == "float32":
        return {"target_spec": {"supported_ops": [ops.TFLITE_BUILTINS]}}
    options = {"optimizations": [tf.lite.Optimize.DEFAULT]}
    if form == "float16":
        return {**options, "target_spec": {"supported_ops": [ops.TFLITE_BUILTINS], "supported_types": [tf.float16]}}
    if form == "dynamic_int8":
        return {**options, "target_spec": {"supported_ops": [ops.TFLITE_BUILTINS]}}
    supported = [ops.TFLITE_BUILTINS_INT8, ops.TFLITE_BUILTINS]
    return {**options, "representative_dataset": representative_dataset, "target_spec": {"supported_ops": supported}}


def signature(network):
    """Of one image."""
    import keras

    (tensor,) = network.inputs
    return [keras.InputSpec(shape=(1, *tensor.shape[1:]), dtype=tensor.dtype, name=tensor.name)]


def kecam_call(network):
    """Keras 2's net as a function of one image."""
    import tensorflow as tf

    spec = tf.TensorSpec((1, *network.input_shape[1:]), "float32", "images")
    return tf.function(lambda images: network(images, training=False)).get_concrete_function(spec)


def kecam_litert(network, form):
    """A LiteRT file's bytes, by way of a SavedModel as Keras 3 does it."""
    import tempfile

    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(network, folder, signatures=kecam_call(network))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        for name, value in converter_options(form, network.input_shape[1]).items():
            if name == "target_spec":
                for key, choice in value.items():
                    setattr(converter.target_spec, key, choice)
            else:
                setattr(converter, name, value)
        return converter.convert()


if __name__ == "__main__":
    serve(answer)
