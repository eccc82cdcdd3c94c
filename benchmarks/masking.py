"""Time of a masked autoencoder's training step by the share of patches that its encoder is not shown.

The first row hides one patch. The decoder, which sees all positions, costs the same in every row.
"""

import argparse
import time


def measure(model, batch, ratio, steps, decoder):
    """(tokens that the encoder sees, least seconds of a step)."""
    import keras
    import numpy as np

    import vitgraph

    encoder = vitgraph.create(model, include_top=False)
    objective = vitgraph.masked_autoencoder(encoder, ratio, *decoder)
    objective.compile(keras.optimizers.SGD(1e-4))
    images = np.random.default_rng(0).random((batch, *encoder.input_shape[1:]), "float32")
    objective.train_on_batch(images)
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        objective.train_on_batch(images)
        times.append(time.perf_counter() - start)
    return objective.graph.get_layer("keep").output.shape[1], min(times)


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.masking", description=__doc__)
    parser.add_argument("--model", default="vit_small_patch16_224", help="a published name of a plain net")
    parser.add_argument("--batch", type=int, default=8, help="images a step")
    parser.add_argument("--steps", type=int, default=5, help="steps, of which the fastest counts")
    parser.add_argument("--decoder", default="128,1,4", help="its width, blocks and heads")
    parser.add_argument("--ratios", default="0.005,0.25,0.5,0.75,0.9")
    args = parser.parse_args()
    decoder = [int(n) for n in args.decoder.split(",")]
    print(f"| {args.model}, batch {args.batch}: hidden | tokens | step s | of the first |\n|---:|---:|---:|---:|")
    first = None
    for ratio in map(float, args.ratios.split(",")):
        tokens, seconds = measure(args.model, args.batch, ratio, args.steps, decoder)
        first = first or seconds
        print(f"| {ratio:.1%} | {tokens} | {seconds:.3f} | {seconds / first:.2f} |", flush=True)


if __name__ == "__main__":
    main()
