"""One net is built in a process of its own: one JSON request on standard input, one JSON answer.

{"candidate", "model", "mode", "weights"} -> seconds of each part, peak memory; `weights` is where a file may be written
"""

import pathlib
import time

import numpy as np

from benchmarks import candidates, steps
from benchmarks.children.serving import resident, serve
from benchmarks.processes import backend_of

PARTS = ("import_s", "build_s", "compile_s", "call_s")


def answer(candidate, model, mode, weights):
    """{seconds of each part, peak memory} of one net, in this process, which has done nothing else yet."""
    times = [time.perf_counter()]
    versions = candidates.load(candidate, backend_of(mode))
    times.append(time.perf_counter())
    network = getattr(candidates, candidate)(model, None, "softmax")
    times.append(time.perf_counter())
    step = step_of(network, mode)
    for _ in range(2):
        step.read(step.run())
        times.append(time.perf_counter())
    seconds = [after - before for before, after in zip(times, times[1:], strict=False)]
    figures = dict(zip(PARTS, seconds, strict=False)) | {"memory_mib": resident()}
    figures |= {"versions": versions, "parameters": candidates.parameters(network)}
    return figures | (load(network, weights) if candidate == "vitgraph" else {})


def step_of(network, mode):
    """Inference on one image of zeros."""
    side = network.input_shape[1] if hasattr(network, "input_shape") else timm_side(network)
    images = np.zeros((1, side, side, 3), "float32")
    return steps.make(network, mode, "inference", "float32", images, np.zeros(1, "int32"))


def timm_side(network):
    """Side of the images, in pixels, that timm's net is made for."""
    return network[0].default_cfg["input_size"][-1]


def load(network, weights):
    """Seconds to load the net's weights from a file that it has just written, and the file's size."""
    from vitgraph import load_weights, save_weights

    path = pathlib.Path(weights)
    save_weights(network, path)
    start = time.perf_counter()
    load_weights(network, path)
    figures = {"load_s": time.perf_counter() - start, "file_mib": path.stat().st_size / 2**20}
    path.unlink()
    return {**figures, "load_memory_mib": resident()}


if __name__ == "__main__":
    serve(answer)
