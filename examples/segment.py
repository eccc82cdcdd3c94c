"""Segments drawn shapes: keras-cv's SegFormer around a plain ViT, which `with_levels` gives a pyramid.

python -m examples.segment --out out/segment
"""

import argparse
import pathlib

import keras
import keras_cv
import numpy as np

import vitgraph
from examples.shapes import NAMES, shapes

CLASSES = ("background", *NAMES)


def segmenter():
    vit = vitgraph.build_vit((64, 64, 3), include_top=False, patch_size=8, dim=64, depth=3, num_heads=4)
    levels = vitgraph.with_levels(vit, ("P2", "P3", "P4", "P5"))
    backbone = vitgraph.interop.as_mit(levels)
    return keras_cv.models.SegFormer(num_classes=len(CLASSES), backbone=backbone, projection_filters=32)


def mean_iou(truth, predicted):
    """Intersection over union, of each class over all pixels, averaged."""
    metric = keras.metrics.MeanIoU(len(CLASSES))
    metric.update_state(truth, predicted)
    return float(metric.result())


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=500, metavar="N", help="images to train on; default: 500")
    parser.add_argument("--epochs", type=int, default=12, metavar="N", help="default: 12")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/segment"), help="folder for pictures")
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    seen, held_out = shapes(args.images, seed=0), shapes(50, seed=1)

    model = segmenter()
    model.compile(keras.optimizers.AdamW(2e-3), "sparse_categorical_crossentropy")
    model.fit(seen.images, seen.masks, 16, args.epochs, verbose=2)

    predicted = model.predict(held_out.images, verbose=0).argmax(-1)
    for i in range(3):
        masks = {"truth": held_out.masks[i], "predicted": predicted[i]}
        vitgraph.plots.plot_masks(held_out.images[i], masks, args.out / f"masks_{i}.png", class_names=CLASSES)
    figure, pixels = mean_iou(held_out.masks, predicted), float(np.mean(predicted == held_out.masks))
    print(f"held-out mean IoU {figure:.1%}, {pixels:.1%} of pixels right; pictures in {args.out}")
    return figure


if __name__ == "__main__":
    main()
