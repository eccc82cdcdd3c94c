"""What a teacher adds: a student with few labels, alone and with a teacher that has seen more.

    python -m examples.distillation

The images are scikit-learn's handwritten digits, in random crops. The teacher, a small convolutional net, learns from
the whole training set; the student, a DeiT, from a part of it, with the same images, labels and steps in every row.
"""

import argparse

import keras
import numpy as np
import tensorflow as tf

import vitgraph
from examples.objectives import NUMBERS, SIZE, crops, digits

CLASSES = 10
ROWS = {
    "labels alone": None,
    "soft": {"temperature": 3.0, "alpha": 0.5, "reduction": "batchmean"},
    "hard": {"alpha": 0.5, "hard": True},
}
"""{row: arguments of `vitgraph.distill`; None: no teacher}."""


def student():
    return vitgraph.build_deit((SIZE, SIZE, 1), num_classes=CLASSES, distilled=True, **NUMBERS)


def teacher():
    layers = keras.layers
    convolutions = [layers.Conv2D(width, 3, strides=2, activation="relu") for width in (16, 32, 64)]
    head = [layers.GlobalAveragePooling2D(), layers.Dense(CLASSES, "softmax")]
    return keras.Sequential([keras.Input((SIZE, SIZE, 1)), *convolutions, *head], name="teacher")


def fitted(model, images, labels, epochs, rate=1e-3):
    """The model, trained on random crops that differ in every epoch."""
    data, crop = tf.data.Dataset.from_tensor_slices((images, labels)), crops(0.5)
    data = data.shuffle(len(images), seed=0).batch(64).map(lambda x, y: (crop(x), y))
    loss = None if isinstance(model, vitgraph.objectives.Objective) else "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.05), loss)
    model.fit(data, epochs=epochs, verbose=0)
    return model


def accuracy(model, images, labels):
    """The percentage of images that a model classifies correctly."""
    return 100 * np.mean(model.predict(images, batch_size=256, verbose=0).argmax(-1) == labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, default=200, metavar="N", help="labels of the student; default: 200")
    parser.add_argument("--epochs", type=int, default=60, metavar="N", help="epochs of the student; default: 60")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="runs per row, averaged; default: 3")
    args = parser.parse_args()
    (images, labels), held_out = digits()
    few = images[: args.labels], labels[: args.labels]
    figures = {name: [] for name in ("teacher", *ROWS)}
    for seed in range(args.seeds):
        keras.utils.set_random_seed(seed)
        knows_all = fitted(teacher(), images, labels, 30, 3e-3)
        figures["teacher"].append(accuracy(knows_all, *held_out))
        for name, options in ROWS.items():
            keras.utils.set_random_seed(seed)
            model = student() if options is None else vitgraph.distill(student(), knows_all, **options)
            figures[name].append(accuracy(fitted(model, *few, args.epochs), *held_out))
    print("| | held-out accuracy, % |\n|---|---:|")
    for name, runs in figures.items():
        print(f"| {name} | {np.mean(runs):.1f} ± {np.std(runs):.1f} |")


if __name__ == "__main__":
    main()
