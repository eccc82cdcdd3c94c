"""Milliseconds of the depthwise convolution in each of its forms, and of its gradients with it, in Keras' own backend.

On TensorFlow the native operation in a graph and under XLA, and the shifted sum under XLA; on JAX the latter two. The
forms take turns, and what is shown are medians. Maps are about as large as a net has them: half a million numbers each.
"""

import argparse
import itertools
import statistics
import time

from benchmarks.options import numbers
from benchmarks.progress import Progress

FORMS = {
    "tensorflow": {"graph, native": ("_native", False), "XLA, native": ("_native", True), "XLA": ("_shifted", True)},
    "jax": {"XLA, native": ("_native", True), "XLA": ("_shifted", True)},
}
"""{backend: {form: (method of `DepthwiseConv2D`, compiled by XLA)}}; the last is what ours is under XLA."""

NUMBERS = 2**19
"""Of an image's map, about."""


def compiled(layer, method, jit, with_gradients):
    """The layer's method, and the gradients of its sum by map and kernel if wanted, as a function of a map."""
    import keras

    forward = getattr(layer, method)
    if keras.backend.backend() == "jax":
        import jax

        def loss(x, kernel):
            with keras.StatelessScope(state_mapping=[(layer.kernel, kernel)]):
                return forward(x).sum()

        function = jax.jit(jax.grad(loss, (0, 1)) if with_gradients else lambda x, kernel: forward(x))
        return lambda x: jax.block_until_ready(function(x, layer.kernel.value))

    import tensorflow as tf

    def gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(forward(x))
        return tape.gradient(y, [x, layer.kernel.value])

    function = tf.function(gradients if with_gradients else forward, jit_compile=jit, autograph=False)

    def run(x):
        for y in tf.nest.flatten(function(x)):
            y[..., :1].numpy()  # waits for an accelerator

    return run


def measure(shape, kernel, step, dilation, dtype, rounds):
    """{form: (milliseconds forward, with gradients)}."""
    import keras
    import numpy as np

    from vitgraph.blocks import DepthwiseConv2D

    layer = DepthwiseConv2D(kernel, step, use_bias=False, dilation_rate=dilation, dtype=dtype)
    layer.build(shape)
    x = keras.ops.cast(keras.ops.convert_to_tensor(np.random.default_rng(0).random(shape, "float32")), dtype)
    forms = FORMS[keras.backend.backend()].items()
    runs = {(form, both): compiled(layer, *how, both) for form, how in forms for both in (False, True)}
    took: dict = {name: [] for name in runs}
    for turn, (name, run) in itertools.product(range(rounds + 1), runs.items()):
        start = time.perf_counter()
        run(x)
        if turn:  # the first compiles
            took[name].append(time.perf_counter() - start)
    return {form: tuple(1000 * statistics.median(took[form, both]) for both in (False, True)) for form, _ in forms}


def side(channels):
    """Rows and columns of a map, a multiple of seven."""
    return max(7, round((NUMBERS / channels) ** 0.5 / 7) * 7)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.depthwise", description=__doc__.splitlines()[0])
    parser.add_argument("--kernels", type=numbers, default=[3, 5, 7], help="positions along a side, with commas")
    parser.add_argument("--strides", type=numbers, default=[1, 2], help="steps, with commas")
    parser.add_argument("--dilations", type=numbers, default=[1, 2], help="with commas; above 1 only for a step of 1")
    parser.add_argument("--channels", type=numbers, default=[16, 64, 256, 1024, 4096], help="with commas")
    parser.add_argument("--batch", type=int, default=8, help="maps")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--rounds", type=int, default=9, help="turns of every form")
    options = parser.parse_args(arguments)
    for name in ("kernels", "strides", "dilations", "channels"):
        if not getattr(options, name) or min(getattr(options, name)) < 1:
            parser.error(f"--{name}: {getattr(options, name)}; allowed: whole numbers from 1 on, with commas")
    if min(options.batch, options.rounds) < 1:
        parser.error(f"--batch {options.batch} --rounds {options.rounds}; allowed: 1 or more")
    return options


def main(arguments=None):
    options = parse(arguments)
    import keras

    backend = keras.backend.backend()
    if backend not in FORMS:
        raise SystemExit(f"KERAS_BACKEND={backend}; allowed: {', '.join(FORMS)}")
    choices = (options.kernels, options.strides, options.dilations, options.channels)
    rows = [row for row in itertools.product(*choices) if row[1] == 1 or row[2] == 1]
    progress = Progress(len(rows))
    forms = list(FORMS[backend])
    print(f"| kernel, step, dilation | map | {' | '.join(forms)} |\n|---|---|{'---:|' * len(forms)}", flush=True)
    for kernel, step, dilation, channels in rows:
        progress.say(f"{kernel} x {kernel}, {channels} channels")
        shape = (options.batch, side(channels), side(channels), channels)
        took = measure(shape, kernel, step, dilation, options.dtype, options.rounds)
        progress.clear()
        cells = " | ".join(f"{forward:.1f} ({both:.1f})" for forward, both in took.values())
        print(f"| {kernel}, {step}, {dilation} | {' x '.join(map(str, shape))} | {cells} |", flush=True)
        progress.step()


if __name__ == "__main__":
    main()
