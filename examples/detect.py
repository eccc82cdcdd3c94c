"""Detects drawn shapes: keras-cv's YOLOv8 around a small PVT v2.

python -m examples.detect --out out/detect
"""

import argparse
import pathlib

import keras
import keras_cv
import numpy as np

import vitgraph
from examples.shapes import NAMES, shapes


def detector():
    pvt = vitgraph.build_pvt_v2(
        (64, 64, 3), include_top=False, dims=(16, 32, 64), depths=(1, 1, 2), num_heads=(1, 2, 4),
        mlp_ratios=4, sr_ratios=(4, 2, 1),
    )  # fmt: skip
    backbone = vitgraph.with_levels(pvt, ("P3", "P4", "P5"))  # three stages have P2 to P4
    return keras_cv.models.YOLOV8Detector(
        num_classes=len(NAMES), bounding_box_format="xyxy", backbone=backbone, fpn_depth=1
    )


def overlap(boxes, others):
    """Intersection over union of each box (N, 4) with the one beside it."""
    sides = np.minimum(boxes, others)[:, 2:] - np.maximum(boxes, others)[:, :2]
    areas = [np.prod(x[:, 2:] - x[:, :2], axis=1) for x in (boxes, others)]
    both = np.prod(np.maximum(sides, 0), axis=1)
    return both / np.maximum(sum(areas) - both, 1e-6)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=800, metavar="N", help="images to train on; default: 800")
    parser.add_argument("--epochs", type=int, default=15, metavar="N", help="default: 15")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/detect"), help="folder for pictures")
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    seen, held_out = shapes(args.images, seed=0), shapes(100, seed=1)

    model = detector()
    optimizer = keras.optimizers.AdamW(2e-3, global_clipnorm=10.0)
    model.compile(optimizer=optimizer, box_loss="ciou", classification_loss="binary_crossentropy", run_eagerly=True)
    labels = {"boxes": seen.boxes[:, None], "classes": seen.classes[:, None]}
    model.fit(seen.images, labels, batch_size=16, epochs=args.epochs, verbose=2)

    found = {name: np.array(values) for name, values in model.predict(held_out.images, verbose=0).items()}
    best = np.where(found["classes"] >= 0, found["confidence"], -1).argmax(axis=1)[:, None]  # each image has one shape
    boxes = np.take_along_axis(found["boxes"], best[..., None], axis=1)[:, 0]
    kinds, confidence = (np.take_along_axis(found[name], best, axis=1)[:, 0] for name in ("classes", "confidence"))
    for i in range(3):
        options = {"classes": kinds[i : i + 1], "scores": confidence[i : i + 1], "class_names": NAMES}
        vitgraph.plots.plot_boxes(held_out.images[i], boxes[i : i + 1], args.out / f"boxes_{i}.png", **options)
    overlaps, right = overlap(boxes, held_out.boxes), kinds == held_out.classes
    figure = float(np.mean((overlaps > 0.5) & right))
    print(f"found {figure:.1%} of held-out shapes (IoU over 0.5, right class), mean IoU {overlaps.mean():.1%}")
    print(f"pictures in {args.out}")
    return figure


if __name__ == "__main__":
    main()
