"""Peak memory and time of a training step, with activations kept and with activations computed again on the way back.

Each form runs in a process of its own. On the CPU the peak is the process's own, less what it had before the first
step; on JAX it is what XLA's memory analysis of the compiled step says it takes beside weights and images.
"""

import argparse
import json
import os
import subprocess
import sys
import time

FORMS = ("kept", "again")


def measure(model, size, batch, form, steps):
    """{"mib", "step_s"} of one form, in this process."""
    import keras
    import numpy as np

    import vitgraph
    from vitgraph.blocks import GELU, LayerNorm
    from vitgraph.blocks.attention.core import AttentionCore

    def build():
        return vitgraph.create(model, input_shape=(size, size, 3), classifier_activation=None)

    net = build()
    if form == "again":
        # In TensorFlow's graphs it fails for layers that are told whether they train, as attention is.
        kinds = (GELU, LayerNorm, *([] if keras.backend.backend() == "tensorflow" else [AttentionCore]))
        names = [layer.name for layer in net.layers if isinstance(layer, kinds)]
        with keras.RematScope(mode="list_of_layers", layer_names=names):
            net = build()
    images = np.random.default_rng(0).random((batch, size, size, 3), "float32")
    labels = np.zeros(batch, "int32")
    if keras.backend.backend() == "jax":
        return jax_step(net, images, labels, steps)
    net.compile(keras.optimizers.SGD(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = resident()
    net.train_on_batch(images, labels)
    start = time.perf_counter()
    for _ in range(steps):
        net.train_on_batch(images, labels)
    return {"mib": resident() - before, "step_s": (time.perf_counter() - start) / steps}


def jax_step(net, images, labels, steps):
    import jax
    import keras

    fixed = [v.value for v in net.non_trainable_variables]

    def loss(weights, images, labels):
        scores, _ = net.stateless_call(weights, fixed, images, training=True)
        return keras.ops.mean(keras.ops.sparse_categorical_crossentropy(labels, scores, from_logits=True))

    weights = [v.value for v in net.trainable_variables]
    step = jax.jit(jax.grad(loss)).lower(weights, images, labels).compile()
    jax.block_until_ready(step(weights, images, labels))
    start = time.perf_counter()
    for _ in range(steps):
        jax.block_until_ready(step(weights, images, labels))
    return {"mib": step.memory_analysis().temp_size_in_bytes / 2**20, "step_s": (time.perf_counter() - start) / steps}


def resident():
    """The largest memory of this process so far, in MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--model", default="vit_small_patch16_224", help="a published name")
    parser.add_argument("--size", type=int, default=384, help="side of the images, in pixels")
    parser.add_argument("--batch", type=int, default=8, help="images a step")
    parser.add_argument("--steps", type=int, default=2, help="steps that are timed")
    parser.add_argument("--form", choices=FORMS, help="this one only, as JSON")
    args = parser.parse_args()
    if args.form:
        print(json.dumps(measure(args.model, args.size, args.batch, args.form, args.steps)))
        return
    print(f"| {args.model}, {args.size} x {args.size}, batch {args.batch} | peak MiB | step s |\n|---|---:|---:|")
    for form in FORMS:
        command = [sys.executable, "-m", "benchmarks.memory", "--form", form]
        for name in ("model", "size", "batch", "steps"):
            command += [f"--{name}", str(getattr(args, name))]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        figures = json.loads(done.stdout.splitlines()[-1])
        print(f"| activations {form} | {figures['mib']:.0f} | {figures['step_s']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
