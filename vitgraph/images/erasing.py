"""Random Erasing (arXiv:1708.04896), as timm does it: boxes of an image become noise or a colour."""

import numpy as np

from vitgraph.images import seeds

_TRIES = 10


def erase(pixels, share, mode, count, area, ratio, seed):
    """(H, W, C), normalised -> the same; equal seeds, two integers, give equal boxes.

    Args:
        pixels: float32, with mean 0 and standard deviation 1 over a data set.
        share: probability that there are boxes.
        mode: "pixel": normal noise; "rand": a normal colour per box; "const": zeros.
        count: (least, most) boxes of an image.
        area: (least, most) area of all boxes together, relative to the image's.
        ratio: (least, most) height / width of a box.
        seed: two integers.
    """
    import tensorflow as tf

    draws = tf.random.stateless_uniform((2 + count[1], 2, _TRIES + 1), seed, dtype=tf.float64)
    boxes = count[0] + tf.cast(draws[0, 0, 0] * (count[1] - count[0] + 1), tf.int32)

    def erased():
        made = pixels
        for k in range(count[1]):
            corner, extent, found = _box(made.shape, boxes, area, ratio, draws[2 + k])
            paint = lambda m=made, c=corner, e=extent, k=k: _painted(m, c, e, mode, seeds.part(seed, 10 + k))  # noqa: E731
            made = tf.cond(found & (k < boxes), paint, lambda m=made: m)
            made = tf.ensure_shape(made, pixels.shape)
        return made

    return tf.cond(draws[1, 0, 0] < share, erased, lambda: pixels)


def _box(shape, boxes, area, ratio, draws):
    """(top and left, height and width, whether one of the tries fits)."""
    import tensorflow as tf

    sides = np.array(shape[:2], "float64")
    areas = (area[0] + (area[1] - area[0]) * draws[0, :_TRIES]) * sides.prod() / tf.cast(boxes, tf.float64)
    proportions = tf.exp(np.log(ratio[0]) + np.log(ratio[1] / ratio[0]) * draws[1, :_TRIES])
    extents = tf.round(tf.stack([tf.sqrt(areas * proportions), tf.sqrt(areas / proportions)], axis=1))
    fits = tf.reduce_all(extents < sides, axis=1)
    extent = extents[tf.argmax(fits)]
    corner = tf.floor(draws[:, _TRIES] * (sides - extent + 1))
    return tf.cast(corner, tf.int32), tf.cast(extent, tf.int32), tf.reduce_any(fits)


def _painted(pixels, corner, extent, mode, seed):
    import tensorflow as tf

    height, width, channels = pixels.shape
    (top, left), (h, w) = tf.unstack(corner), tf.unstack(extent)
    around = [[top, height - top - h], [left, width - left - w], [0, 0]]
    shape = {"pixel": (h, w, channels), "rand": (1, 1, channels), "const": (1, 1, channels)}[mode]
    paint = tf.zeros(shape) if mode == "const" else tf.random.stateless_normal(shape, seed)
    kept = 1 - tf.pad(tf.ones((h, w, channels)), around)
    return pixels * kept + tf.pad(paint + tf.zeros((h, w, channels)), around)
