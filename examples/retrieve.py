"""Finds like images: a ViT learns seven handwritten digits, and finds like ones among the three it hasn't seen.

    python -m examples.retrieve --out out/retrieve

The digits are scikit-learn's. What is compared is the class token before the head, by its angle.
"""

import argparse
import pathlib

import keras
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import vitgraph

UNSEEN = (7, 8, 9)


def embeddings(model, images):
    """(N, C) of length 1: what the head of a classifier sees."""
    values = keras.Model(model.input, model.get_layer("head").input).predict(images, verbose=0)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def draw(images, neighbours, path, queries=6):
    """One row per query: the image, and the nearest others."""
    figure = Figure((6, queries))
    for row in range(queries):
        for column, number in enumerate((row, *neighbours[row][:5])):
            axes = figure.add_subplot(queries, 6, 6 * row + column + 1)
            axes.imshow(images[number, ..., 0], cmap="gray_r")
            axes.set_axis_off()
            if row == 0:
                axes.set_title("query" if column == 0 else f"nearest {column}", size=8)
    figure.savefig(path)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15, metavar="N", help="default: 15")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/retrieve"), help="folder for pictures")
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    digits = load_digits()
    images, labels = (digits.images[..., None] / 8 - 1).astype("float32"), digits.target
    unseen = np.isin(labels, UNSEEN)

    model = vitgraph.build_vit((8, 8, 1), num_classes=7, patch_size=2, dim=48, depth=3, num_heads=3)
    model.compile(keras.optimizers.AdamW(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images[~unseen], labels[~unseen], 64, args.epochs, verbose=2)

    likeness = (lambda x: x @ x.T)(embeddings(model, images[unseen]))
    np.fill_diagonal(likeness, -np.inf)  # an image isn't its own neighbour
    neighbours = np.argsort(-likeness, axis=1)
    draw(images[unseen], neighbours, args.out / "neighbours.png")
    right = labels[unseen][neighbours] == labels[unseen][:, None]
    figure, five = float(right[:, 0].mean()), float(right[:, :5].mean())
    print(f"of {unseen.sum()} images of unseen classes the nearest is of the same class for {figure:.1%};")
    print(f"of the five nearest, {five:.1%} are; pictures in {args.out}")
    return figure


if __name__ == "__main__":
    main()
