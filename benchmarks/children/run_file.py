"""One exported file in a process of its own: JSON requests on standard input, JSON answers, a line each.

{"path", "images", "threads"} -> seconds to load it, how far its answers are from the net's
{"steps": n} -> wall and CPU seconds of n images, after one that isn't counted; peak memory so far
"""

import pathlib
import time

import numpy as np

from benchmarks.children.serving import resident, serve, timed

_state: dict = {}


def answer(**request):
    return run(**request) if "steps" in request else load(**request)


def load(path, images, threads):
    """Loads the file and compares its answers with the net's."""
    start = time.perf_counter()
    path = pathlib.Path(path)
    call = saved_model(path) if path.is_dir() else litert(path, threads)
    took = time.perf_counter() - start
    with np.load(images) as kept:
        given, wanted = kept["images"], kept["answers"]
    answers = np.concatenate([call(image[None]) for image in given])
    if not np.isfinite(answers).all():
        raise ValueError("answers are not finite")
    _state.update(call=call, image=given[:1])
    return {"load_s": took, "difference": float(np.abs(answers - wanted).max() / np.abs(wanted).max())}


def litert(path, threads):
    """The file as a function: an image (1, H, W, 3) -> answers (1, classes)."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()

    def call(image):
        interpreter.set_tensor(source["index"], image)
        interpreter.invoke()
        return interpreter.get_tensor(target["index"])

    return call


def saved_model(path):
    """The same of a SavedModel, by TensorFlow; its threads are those of the process."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]

    def call(image):
        (given,) = serve(**{name: tf.constant(image)}).values()
        return given.numpy()

    call.keep = loaded  # the signature alone doesn't keep the weights
    return call


def run(steps):
    """Wall and CPU seconds of so many images, and the peak of memory so far."""
    call, image = _state["call"], _state["image"]
    return {**timed(lambda wait: call(image), steps), "memory_mib": resident()}


if __name__ == "__main__":
    serve(answer)
