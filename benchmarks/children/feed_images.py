"""One loader of images in a process of its own: JSON requests on standard input, JSON answers, one line each.

{"candidate", "recipe", "folder", "batch", "workers"} -> makes the loader, and its first batches
{"steps": n} -> wall seconds of n batches, CPU seconds of this process and its workers; peak memory so far
"""

import multiprocessing
import time

import numpy as np

from benchmarks.children.serving import resident, serve

SIZE = 224
REPEATS = 1000  # the photographs follow each other so often: no epoch ends while it is measured
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

CROP_PCT = 0.9
RECIPES = {
    "evaluation": None,
    "crop-flip": {"crop_scale": (0.08, 1.0), "flip": 0.5},
    "deit": {
        "crop_scale": (0.08, 1.0),
        "flip": 0.5,
        "auto_augment": "rand-m9-mstd0.5-inc1",
        "erasing": 0.25,
        "mixup": 0.8,
        "cutmix": 1.0,
    },
    "mae": {"crop_scale": (0.2, 1.0), "flip": 0.5},
}
"""Arguments of `Augmentation`; None: how an image is evaluated."""

_state: dict = {}


def answer(**request):
    return (run if "steps" in request else begin)(**request)


def begin(candidate, recipe, folder, batch, workers):
    loader = iter(CANDIDATES[candidate](RECIPES[recipe], folder, batch, workers))
    shape = tuple(np.asarray(next(loader)[0]).shape)
    if sorted(shape) != sorted((batch, SIZE, SIZE, 3)):
        raise ValueError(f"images of shape {shape}; allowed: {batch} of {SIZE} x {SIZE} in three channels")
    _state.update(loader=loader, batch=batch)
    return {"versions": [_version(candidate)]}


def vitgraph(numbers, folder, batch, workers):
    """Ours; `tf.data` has as many threads as it wants."""
    from vitgraph.images import Augmentation
    from vitgraph.training import batches

    return batches(
        _many(folder),
        batch_size=batch,
        image_size=SIZE,
        augmentation=Augmentation(**(numbers or {})),
        normalization=(MEAN, STD),
        training=numbers is not None,
        crop_pct=CROP_PCT,
        seed=0,
        epoch=0,
    )


def timm(numbers, folder, batch, workers):
    import torch
    from timm.data import FastCollateMixup, create_dataset, create_loader

    images = create_dataset("", folder)
    images.reader.samples *= REPEATS
    options = {"is_training": False, "crop_pct": CROP_PCT}
    if numbers is not None:
        options = {"is_training": True, "color_jitter": 0.0, "scale": numbers["crop_scale"], "hflip": numbers["flip"]}
        options |= {"auto_augment": numbers.get("auto_augment"), "re_prob": numbers.get("erasing", 0.0)}
        options |= {"re_mode": "pixel"}
    if numbers is not None and "mixup" in numbers:
        classes = len(images.reader.class_to_idx)
        options["collate_fn"] = FastCollateMixup(numbers["mixup"], numbers["cutmix"], num_classes=classes)
    return create_loader(
        images, SIZE, batch, interpolation="bicubic", num_workers=workers, device=torch.device("cpu"), **options
    )


def decoding(numbers, folder, batch, workers):
    """Nothing but decoding, to the bit as Pillow does."""
    import tensorflow as tf

    def decode(path):
        pixels = tf.io.decode_jpeg(tf.io.read_file(path), dct_method="INTEGER_ACCURATE")
        return tf.zeros((SIZE, SIZE, 3), tf.uint8) + pixels[0, 0, 0]

    data = tf.data.Dataset.from_tensor_slices(_many(folder).source)
    return data.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(batch).map(lambda pixels: (pixels,))


CANDIDATES = {"vitgraph": vitgraph, "timm": timm, "decoding": decoding}


def _many(folder):
    from vitgraph.images import Images, from_folder

    found = from_folder(folder)
    source, labels = np.tile(found.source, REPEATS), np.tile(found.labels, REPEATS)
    return Images(source, labels, found.class_names, found.num_classes)


def _version(candidate):
    from importlib.metadata import version

    name = "timm" if candidate == "timm" else "tensorflow"
    return f"{name} {version(name)}"


def run(steps):
    loader = _state["loader"]
    _drain(loader, _state["batch"] * 1e-4)
    wall, cpu = time.perf_counter(), _cpu_seconds()
    for _ in range(steps):
        next(loader)
    return {
        "wall_s": time.perf_counter() - wall,
        "cpu_s": _cpu_seconds() - cpu,
        "memory_mib": resident(),
    }


def _drain(loader, seconds):
    """Takes the batches that were made while others had their turn: those that are there in less than so long."""
    for _ in range(1000):
        start = time.perf_counter()
        next(loader)
        if time.perf_counter() - start > seconds:
            break


def _cpu_seconds():
    """Of this process and of those that it has started."""
    import psutil

    processes = [psutil.Process(), *(psutil.Process(child.pid) for child in multiprocessing.active_children())]
    return sum(sum(process.cpu_times()[:2]) for process in processes)


if __name__ == "__main__":
    serve(answer)
