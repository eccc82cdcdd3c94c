"""MixUp (arXiv:1710.09412) and CutMix (arXiv:1905.04899) as timm's `Mixup`: each image with its mirror in the batch.

What is drawn for a whole epoch is drawn at once, by NumPy, and goes with the batches.
"""

import numpy as np


def draw_mixes(act, steps, batch_size, size, random):
    """{"kept": share of the own image, "box": (top, bottom, left, right) from the other one}, (steps, 1 or B, ...).

    Args:
        act: an `Augmentation` with MixUp or CutMix.
        steps: number of batches.
        batch_size: B.
        size: (H, W).
        random: NumPy's generator.
    """
    count = {"batch": 1, "pair": batch_size // 2, "elem": batch_size}[act.mix_mode]
    shape = (steps, count)
    cuts = bool(act.cutmix or act.cutmix_minmax)
    is_cut = random.random(shape) < (act.switch_prob if act.mixup and cuts else cuts)
    alpha = np.where(is_cut, 1.0 if act.cutmix_minmax else act.cutmix, act.mixup)
    kept = random.beta(alpha, alpha)
    kept = np.where(random.random(shape) < act.mix_prob, kept, 1.0)
    is_cut &= kept < 1
    box = _box_between(size, act.cutmix_minmax, random, shape) if act.cutmix_minmax else _box(size, kept, random)
    box *= is_cut[..., None]
    cut_out = (box[..., 1] - box[..., 0]) * (box[..., 3] - box[..., 2])
    kept = np.where(is_cut, 1 - cut_out / (size[0] * size[1]), kept)
    if act.mix_mode == "pair":  # both images of a pair, and the middle one of an odd batch by itself
        middle = batch_size % 2
        kept = np.concatenate([kept, np.ones((steps, middle)), kept[:, ::-1]], axis=1)
        box = np.concatenate([box, np.zeros((steps, middle, 4), box.dtype), box[:, ::-1]], axis=1)
    return {"kept": kept.astype("float32"), "box": box.astype("int32")}


def mix(images, labels, kept, box):
    """A batch (B, H, W, C) and its labels (B, classes), mixed by what `draw_mixes` has drawn for it."""
    import tensorflow as tf

    height, width, channels = images.shape[1:]
    rows = tf.reshape(images, (-1, height, width * channels))
    top, bottom, left, right = (edge[:, None] for edge in tf.unstack(box, axis=-1))
    y, x = np.arange(height), np.repeat(np.arange(width), channels)
    in_rows, in_columns = ((n >= a) & (n < b) for n, a, b in ((y, top, bottom), (x, left, right)))
    cut = tf.cast(in_rows, tf.float32)[:, :, None] * tf.cast(in_columns, tf.float32)[:, None]
    is_cut = tf.reduce_any(bottom > top, axis=1)
    own = tf.where(is_cut[:, None, None], 1 - cut, kept[:, None, None])
    other = tf.reverse(rows, [0])
    mixed = other + own * (rows - other)
    labels = kept[:, None] * labels + (1 - kept[:, None]) * tf.reverse(labels, [0])
    return tf.reshape(mixed, tf.shape(images)), labels


def _box(size, kept, random):
    """A box of a random centre with 1 - `kept` of the area, cut off at the image's edges."""
    edges = []
    for side in size:
        length = (side * np.sqrt(1 - kept)).astype(int)
        centre = random.integers(0, side, kept.shape)
        edges += [np.clip(centre - length // 2, 0, side), np.clip(centre + (length + 1) // 2, 0, side)]
    return np.stack(edges, axis=-1)


def _box_between(size, minmax, random, shape):
    edges = []
    for side in size:
        least, most = (int(side * part) for part in minmax)
        length = random.integers(least, max(most, least + 1), shape)
        first = random.integers(0, side - length + 1)
        edges += [first, first + length]
    return np.stack(edges, axis=-1)
