"""One candidate in a process of its own: JSON requests on stdin, JSON answers on stdout, one line each.

{"candidate": ..., "model": ..., "mode": ..., "batch": ..., "size": ...} -> build and compile seconds, parameters
{"steps": n} -> wall and CPU seconds of n steps, after one that isn't counted; peak memory so far
"""

import json
import os
import sys
import time

import numpy as np


def main():
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    step = images = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "candidate" in request:
                step, images, answer = build(**request)
            else:
                answer = run(step, images, request["steps"])
        except Exception as error:  # the parent puts it into the table
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=out, flush=True)


def build(candidate, model, mode, batch, size):
    """Imports, builds, makes the first call: (step, images, figures)."""
    from benchmarks import candidates

    builder = getattr(candidates, candidate)
    __import__({"kecam": "keras_cv_attention_models"}.get(candidate, candidate))  # no part of building a model
    start = time.perf_counter()
    network, step = builder(model, mode)
    built = time.perf_counter()
    images = np.random.default_rng(0).random((batch, size, size, 3), dtype="float32")
    scores = step(images)
    compiled = time.perf_counter()
    if scores.shape != (batch, 1000) or not np.allclose(scores.sum(-1), 1, atol=1e-3):
        raise ValueError(f"scores of shape {scores.shape} are no probabilities of 1000 classes")
    return step, images, {"build_s": built - start, "compile_s": compiled - built, "parameters": parameters(network)}


def parameters(network):
    if hasattr(network, "count_params"):
        return int(network.count_params())
    return sum(p.numel() for p in network.parameters())


def run(step, images, steps):
    step(images)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step(images)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall_s": wall, "cpu_s": cpu, **memory()}


def memory():
    """Peaks of this process so far, in MiB."""
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = {"memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
        peak["device_mib"] = sys.modules["torch"].cuda.max_memory_allocated() / 2**20
    elif "tensorflow" in sys.modules and sys.modules["tensorflow"].config.list_physical_devices("GPU"):
        peak["device_mib"] = sys.modules["tensorflow"].config.experimental.get_memory_info("GPU:0")["peak"] / 2**20
    return peak


if __name__ == "__main__":
    main()
