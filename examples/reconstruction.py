"""A masked autoencoder on two photographs: it draws parts that it has never seen, from a quarter of their patches.

    python -m examples.reconstruction docs/reconstruction.png

The photographs are scikit-learn's. Crops of their left parts are trained on; the picture shows their right parts.
"""

import argparse
import time

import keras
import numpy as np

import vitgraph
from vitgraph.plots import plot_reconstruction

SIZE, PATCH = 64, 8
MEAN, STD = 0.5, 0.25
SHARE = 0.8  # of each photograph's width is trained on


def photographs():
    """Two arrays (427, 640, 3), floats from 0 to 1."""
    from sklearn.datasets import load_sample_image

    return [load_sample_image(name).astype("float32") / 255 for name in ("china.jpg", "flower.jpg")]


def crops(photograph, count, random):
    """`count` random crops (count, SIZE, SIZE, 3), half of them mirrored."""
    height, width, _ = photograph.shape
    rows, columns = (random.integers(0, side - SIZE + 1, count) for side in (height, width))
    cut = [photograph[i : i + SIZE, j : j + SIZE] for i, j in zip(rows, columns, strict=True)]
    return np.stack([crop[:, ::-1] if random.random() < 0.5 else crop for crop in cut])


def autoencoder():
    encoder = vitgraph.build_vit(
        (SIZE, SIZE, 3), include_top=False, patch_size=PATCH, dim=128, depth=4, num_heads=4, mlp_ratio=2
    )
    vitgraph.objectives.sincos_positions(encoder)
    return vitgraph.masked_autoencoder(encoder, 0.75, decoder_dim=96, decoder_depth=2, decoder_heads=4, seed=0)


def errors(model, images):
    """Mean squared errors over the hidden patches: of the images' mean colour, and of what the decoder draws."""
    masked, drawn, mask = model.reconstruct(images)
    hidden = np.kron(mask, np.ones((1, PATCH, PATCH)))[..., None] > 0
    return [float(np.square(x - images)[np.broadcast_to(hidden, images.shape)].mean()) for x in (masked, drawn)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="the picture to write")
    parser.add_argument("--seconds", type=float, default=120, help="seconds of training; default: 120")
    args = parser.parse_args()
    keras.utils.set_random_seed(0)
    random, photos = np.random.default_rng(0), photographs()
    edge = round(photos[0].shape[1] * SHARE)
    model = autoencoder()
    model.compile(keras.optimizers.AdamW(1.5e-3, weight_decay=0.05))
    start, epochs = time.perf_counter(), 0
    while time.perf_counter() - start < args.seconds:
        images = np.concatenate([crops(photo[:, :edge], 512, random) for photo in photos])
        model.fit((images - MEAN) / STD, batch_size=64, verbose=0)
        epochs += 1
    held_out = np.concatenate([crops(photo[:, edge:], 64, random) for photo in photos])
    mean, drawn = errors(model, (held_out - MEAN) / STD)
    print(f"{epochs} epochs of 1024 crops; error over the hidden patches: mean colour {mean:.3f}, drawn {drawn:.3f}")
    chosen = np.concatenate([held_out[:2], held_out[64:66]])
    plot_reconstruction(model, chosen, args.path, mean=MEAN, std=STD)


if __name__ == "__main__":
    main()
