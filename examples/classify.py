"""Classifies drawn shapes: trains a small ViT, and shows its curves, its mistakes and where it looks.

python -m examples.classify --out out/classify
"""

import argparse
import pathlib

import keras
import numpy as np
from sklearn.metrics import confusion_matrix

import vitgraph
from examples.shapes import NAMES, shapes


def classifier():
    numbers = {"patch_size": 8, "dim": 64, "depth": 3, "num_heads": 4, "class_token": False, "global_pool": "avg"}
    return vitgraph.build_vit((64, 64, 3), num_classes=len(NAMES), **numbers)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000, metavar="N", help="images to train on; default: 1000")
    parser.add_argument("--epochs", type=int, default=20, metavar="N", help="default: 20")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/classify"), help="folder for pictures")
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    seen, held_out = shapes(args.images, seed=0), shapes(200, seed=1)

    model = classifier()
    model.compile(keras.optimizers.AdamW(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    validation = held_out.images, held_out.classes
    history = model.fit(seen.images, seen.classes, 32, args.epochs, validation_data=validation, verbose=2).history

    scores = model.predict(held_out.images, verbose=0)
    vitgraph.plots.plot_history(history, args.out / "history.png")
    counts = confusion_matrix(held_out.classes, scores.argmax(-1), labels=range(len(NAMES)))
    vitgraph.plots.plot_confusion(counts, args.out / "confusion.png", class_names=NAMES)
    options = {"class_names": NAMES, "mean": 0.0, "std": 1.0}
    vitgraph.plots.plot_gradcam(model, held_out.images[0], args.out / "gradcam.png", **options)
    accuracy = float(np.mean(scores.argmax(-1) == held_out.classes))
    print(f"held-out accuracy {accuracy:.1%}; pictures in {args.out}")
    return accuracy


if __name__ == "__main__":
    main()
