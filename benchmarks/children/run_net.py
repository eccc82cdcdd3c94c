"""One candidate in a process of its own: JSON requests on standard input, JSON answers, one line each.

{"candidate", "model", "mode", "task", "dtype", "batch", "size", "own"} -> build and compile seconds, parameters
{"steps": n} -> wall and CPU seconds of n steps, after one that isn't counted; peak memory so far
{"net": name, "size"} -> sizes in pixels, FLOPs of an image
{"product": framework, "dtype", "seconds"} -> FLOP/s of a matrix product
"""

import contextlib
import inspect
import math
import time

import numpy as np

from benchmarks import candidates, steps
from benchmarks.children.serving import resident, serve, timed
from benchmarks.processes import backend_of

CLASSES = 1000
_state: dict = {}


def answer(**request):
    """Does what is asked; which that is tells the request's first key."""
    return {"candidate": build, "steps": run, "net": net, "product": product}[next(iter(request))](**request)


def build(candidate, model, mode, task, dtype, batch, size, own):
    """Imports, builds, makes the first step and checks what it gives. `own`: whether that is the net's own size."""
    start = time.perf_counter()
    versions = candidates.load(candidate, backend_of(mode, candidate), mode)
    imported = time.perf_counter()
    network = network_of(candidate, model, mode, task, dtype, None if own else size)
    built = time.perf_counter()
    random = np.random.default_rng(0)
    images = random.random((batch, size, size, 3), dtype="float32")
    labels = random.integers(0, CLASSES, batch).astype("int32")
    step = steps.make(network, mode, task, dtype, images, labels)
    before = sums(step) if task == "training" else None
    ready = time.perf_counter()
    first = step.read(step.run())
    figures = {
        "versions": versions,
        "import_s": imported - start,
        "build_s": built - imported,
        "compile_s": time.perf_counter() - ready,
        "parameters": candidates.parameters(network),
    }
    figures |= check_training(network, step, first, before) if task == "training" else check_scores(first, batch, dtype)
    _state.update(step=step, framework=backend_of(mode, candidate))
    return figures


def network_of(candidate, model, mode, task, dtype, size):
    """The candidate's net, in Keras' dtype policy for the task, as the mode wants it."""
    if candidate == "vitgraph" and mode == "xla_native":
        from vitgraph.blocks.convolution import convolution

        convolution.under_xla = lambda: False
    if candidate == "kecam":
        import tf_keras

        tf_keras.mixed_precision.set_global_policy(steps.policy(task, dtype))
    elif candidate != "timm":
        import keras

        keras.config.set_dtype_policy(steps.policy(task, dtype))
    network = getattr(candidates, candidate)(model, size, "softmax" if task == "inference" else None)
    if mode.endswith("folded"):
        from vitgraph import fold_batchnorm

        network = fold_batchnorm(network)
    return network


def own_size(model):
    """Side of the images, in pixels, that a published variant is made for.

    Raises:
        ValueError: an unknown name.
    """
    from vitgraph.registry import variant

    builder, row = variant(model)
    return row.get("input_shape", inspect.signature(builder).parameters["input_shape"].default)[0]


def check_scores(scores, batch, dtype):
    """Inference gives probabilities.

    Raises:
        ValueError: it doesn't.
    """
    allowed = 1e-3 if dtype == "float32" else 3e-2
    if scores.shape != (batch, CLASSES) or not np.allclose(scores.sum(-1), 1, atol=allowed):
        raise ValueError(f"scores of shape {scores.shape} are no probabilities of {CLASSES} classes")
    return {}


def check_training(network, step, first, before):
    """Training has the loss of a net that knows nothing, changes its weights and then the loss.

    Raises:
        ValueError: it doesn't, or something in it is random.
    """
    random = candidates.rates(network)
    if random:
        raise ValueError(f"random in training: {', '.join(random[:3])}")
    losses = [float(first)] + [float(step.read(step.run())) for _ in range(2)]
    if not all(map(math.isfinite, losses)) or abs(losses[0] - math.log(CLASSES)) > 2:
        raise ValueError(f"losses {losses}; allowed: finite, at first within 2 of {math.log(CLASSES):.1f}")
    if losses[0] == losses[-1]:
        raise ValueError(f"the loss stays at {losses[0]}")
    changed = [a != b for a, b in zip(before, sums(step), strict=True)]
    # With a layer scale of 1e-5, as CaiT begins, some weights' steps are less than a rounding.
    if not changed[0] or sum(changed) < 0.5 * len(changed):
        raise ValueError(f"{sum(changed)} of {len(changed)} weights change; allowed: the first and half of all")
    return {"losses": losses, "weights": len(changed), "changed": sum(changed)}


def sums(step):
    """A number for each weight that tells whether it changes, without a copy of all of them."""
    return [float(np.abs(np.asarray(array, "float64")).sum()) for array in step.weights()]


def run(steps):
    """Wall and CPU seconds of so many steps, and peaks of memory so far."""
    step = _state["step"]
    return {**timed(lambda wait: step.read(step.run()) if wait else step.run(), steps), **memory()}


def memory():
    """Peaks of this process so far, in MiB: of its own memory, and of the accelerator's where it uses one."""
    peak, device = {"memory_mib": resident()}, device_bytes(_state["framework"])
    return peak if device is None else {**peak, "device_mib": device / 2**20}


def device_bytes(framework):
    """The peak of a framework's memory on an accelerator; None where it uses none."""
    if framework == "jax":
        import jax

        return None if jax.default_backend() == "cpu" else jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]
    if framework == "torch":
        import torch

        return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_memory_info("GPU:0")["peak"] if gpus else None


def net(net, size):
    """{"size", "own", "flops"} of a published net of ours; "flops" is None where PyTorch, which counts, is missing."""
    own = own_size(net)
    figures = {"size": size or own, "own": own, "flops": None}
    with contextlib.suppress(ImportError):
        figures["flops"] = flops(net, size or own)
    return figures


def flops(net, size):
    """FLOPs of one image: two for each multiplication in matrix products and convolutions, element-wise work left out.

    Counted while the net runs on Keras' PyTorch backend, which must be this process's.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    model = candidates.vitgraph(net, None if size == own_size(net) else size, None)
    images = torch.zeros(1, size, size, 3)
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(images, training=False)
    return counter.get_total_flops()


def product(product, dtype, seconds):
    """The best rate of a square matrix product in so many seconds, sides of 1024 to 8192, in FLOP/s."""
    best, end, side = 0.0, time.perf_counter() + seconds, 1024
    while side <= 8192:
        multiply = PRODUCTS[product](side, dtype)
        multiply(1)
        count, took = 1, 0.0
        while took < 0.05 * seconds:  # so long that starting it doesn't count
            start = time.perf_counter()
            multiply(count)
            took, count = time.perf_counter() - start, 2 * count
        best = max(best, 2 * side**3 * (count // 2) / took)
        if time.perf_counter() > end:
            break
        side *= 2
    return {"flops_per_s": best, "framework": product, "device": device_name(product)}


def _tensorflow_product(side, dtype):
    import tensorflow as tf

    x = tf.cast(tf.random.uniform((side, side)), dtype)
    multiply = tf.function(lambda: tf.matmul(x, x), autograph=False)

    def repeat(count):
        for _ in range(count):
            y = multiply()
        y[0, 0].numpy()

    return repeat


def _jax_product(side, dtype):
    import jax
    import jax.numpy as jnp

    x = jax.random.uniform(jax.random.key(0), (side, side)).astype(dtype)
    multiply = jax.jit(jnp.matmul)

    def repeat(count):
        for _ in range(count):
            y = multiply(x, x)
        y.block_until_ready()

    return repeat


def _torch_product(side, dtype):
    import torch

    torch.set_float32_matmul_precision("high")
    x = torch.rand(side, side, device="cuda" if torch.cuda.is_available() else "cpu").to(getattr(torch, dtype))

    def repeat(count):
        with torch.inference_mode():
            for _ in range(count):
                y = x @ x
            y[0, 0].item()

    return repeat


PRODUCTS = {"tensorflow": _tensorflow_product, "jax": _jax_product, "torch": _torch_product}


def device_name(framework):
    """What the framework computes on, in its own words."""
    if framework == "jax":
        import jax

        return jax.devices()[0].device_kind
    if framework == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(devices[0]).get("device_name", "GPU") if devices else "cpu"


if __name__ == "__main__":
    serve(answer)
