"""What an encoder learns in pre-training: k-NN and a linear probe on its features, before and after.

    python -m examples.objectives

The images are scikit-learn's handwritten digits; pre-training sees the training set, without labels.
"""

import argparse
import time

import keras
import numpy as np

import vitgraph
from vitgraph.blocks import RandomResizedCrop

SIZE = 32  # side of the images in pixels; the digits' own is 8

NUMBERS = {"patch_size": 8, "dim": 64, "depth": 3, "num_heads": 4, "mlp_ratio": 2}
"""Arguments of a ViT: 16 patches of 8 x 8 pixels, which are 2 x 2 of the digits' own."""


def vit():
    """The encoder of most rows."""
    return vitgraph.build_vit((SIZE, SIZE, 1), include_top=False, pooling="avg", **NUMBERS)


def swin():
    """A hierarchical encoder: patches of 2 x 2 pixels, windows of 4 x 4, a last map of 8 x 8."""
    return vitgraph.build_swin(
        (SIZE, SIZE, 1), include_top=False, pooling="avg", patch_size=2, dim=16, depths=(2, 2), num_heads=(1, 2),
        mlp_ratios=(2, 2), window_sizes=4,
    )  # fmt: skip


def crops(least):
    return RandomResizedCrop(SIZE, (least, 1.0), (0.8, 1.25))


ROWS = {
    "masked_autoencoder": (lambda: vitgraph.masked_autoencoder(vit(), 0.5, 64, 1, 4), 100, 1e-3),
    "masked_patch_prediction": (lambda: vitgraph.masked_patch_prediction(vit(), mean=0.5, std=0.5), 60, 1e-3),
    "simmim": (lambda: vitgraph.simmim(vit(), mask_patch_size=8), 50, 2e-3),
    "simmim_swin": (lambda: vitgraph.simmim(swin(), mask_patch_size=4), 20, 2e-3),
    "byol": (lambda: vitgraph.byol(vit(), 32, 128, momentum=0.98, augment=crops(0.4)), 30, 1e-3),
    "byol_swin": (lambda: vitgraph.byol(swin(), 32, 128, momentum=0.98, augment=crops(0.4)), 10, 1e-3),
    "dino": (
        lambda: vitgraph.dino(
            vit(), 256, 128, 32, local_crops=2, momentum=0.98, augment=crops(0.5), augment_local=crops(0.25)
        ),
        30,
        1e-3,
    ),
}
"""{name: (function () -> objective, epochs, learning rate)}."""


def digits():
    """(images (B, 32, 32, 1) from -1 to 1, classes): the training set, and the same held out."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    images = data.images[..., None].astype("float32") / 8 - 1
    images = keras.ops.convert_to_numpy(keras.ops.image.resize(images, (SIZE, SIZE), data_format="channels_last"))
    x, x_held, y, y_held = train_test_split(images, data.target, test_size=0.3, stratify=data.target, random_state=0)
    return (x, y), (x_held, y_held)


def probes(encoder, train, held_out):
    """The fractions of held-out images that 5 nearest neighbours and logistic regression classify correctly."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = [representations(encoder, images) for images, _ in (train, held_out)]
    classifiers = KNeighborsClassifier(5, metric="cosine"), LogisticRegression(max_iter=2000)
    return [
        make_pipeline(StandardScaler(), classifier).fit(features[0], train[1]).score(features[1], held_out[1])
        for classifier in classifiers
    ]


def representations(encoder, images):
    """The encoder's features, one vector per image: (B, C)."""
    features = encoder.predict(images, batch_size=256, verbose=0)
    return features.reshape(len(features), -1, features.shape[-1]).mean(axis=1)


def learn(name, seed, train, held_out, epochs=None):
    """[k-NN, linear probe] before and after, and the seconds that pre-training took."""
    build, usual_epochs, rate = ROWS[name]
    keras.utils.set_random_seed(seed)
    model = build()
    before = probes(model.encoder, train, held_out)
    epochs = epochs or usual_epochs
    steps = epochs * (len(train[0]) // 128)
    schedule = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=rate, warmup_steps=steps // 10)
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=0.05))
    start = time.perf_counter()
    model.fit(train[0], batch_size=128, epochs=epochs, verbose=0)
    return before, probes(model.encoder, train, held_out), time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"rows, of {', '.join(ROWS)}; default: all")
    parser.add_argument("--epochs", type=int, metavar="N", help="instead of each row's own number")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="runs per row, averaged; default: 3")
    args = parser.parse_args()
    train, held_out = digits()
    print("| objective | k-NN before | after | linear probe before | after | seconds |\n|---|---:|---:|---:|---:|---:|")
    for name in args.names or ROWS:
        runs = [learn(name, seed, train, held_out, args.epochs) for seed in range(args.seeds)]
        before, after, seconds = map(np.array, zip(*runs, strict=True))
        cells = [f"{100 * x.mean():.1f} ± {100 * x.std():.1f}" for i in (0, 1) for x in (before[:, i], after[:, i])]
        print(f"| {name} | {' | '.join(cells)} | {seconds.mean():.0f} |", flush=True)


if __name__ == "__main__":
    main()
