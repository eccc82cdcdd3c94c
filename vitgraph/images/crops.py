"""A picture of any size -> one of a net's size: the central crop of evaluation, the random crop of training."""

import numpy as np

_TRIES = 10


def central_crop(pixels, size, interpolation="bicubic", crop_pct=1.0, crop_mode="center"):
    """The middle of the resized picture, as timm evaluates: (h, w, C) -> (H, W, C).

    Args:
        pixels: uint8.
        size: (H, W).
        interpolation: "bicubic" or "bilinear".
        crop_pct: sides of the crop, relative to those of the resized picture.
        crop_mode: what is resized: "center": the shorter side, keeping proportions; "squash": both sides.
    """
    import tensorflow as tf

    if tuple(pixels.shape[:2]) == size and crop_pct == 1:
        return pixels
    height, width = (int(n / crop_pct) for n in size)
    h, w = tf.unstack(tf.shape(pixels)[:2])
    if crop_mode == "center" and height == width:
        height, width = tf.maximum(height, h * width // w), tf.maximum(width, w * height // h)
    elif crop_mode == "center":  # timm rounds here, where torchvision rounds down above
        factor = tf.maximum(height / h, width / w)
        height, width = (tf.cast(tf.round(tf.cast(n, tf.float64) * factor), tf.int32) for n in (h, w))
    scale = [a / b for a, b in zip((height, width), (h, w), strict=True)]
    corner = [tf.round((a - b) / 2) for a, b in zip((height, width), size, strict=True)]
    # Pillow resizes the rows and then the columns, and clips between the two.
    rows = _resized(pixels, (h, size[1]), interpolation, (1.0, scale[1]), (0.0, corner[1]))
    return _resized(rows, size, interpolation, (scale[0], 1.0), (corner[0], 0.0))


def random_crop(pixels, size, scale, ratio, seed, interpolation="bicubic"):
    """A random part of the picture, resized: (h, w, C) -> (H, W, C), as torchvision's `RandomResizedCrop`.

    Ten rectangles are drawn, uniform in area and in the logarithm of width / height, and the first that fits is taken;
    where none does, the largest in the middle whose proportions are allowed.

    Args:
        pixels: uint8.
        size: (H, W).
        scale: (least, most) share of the picture's area.
        ratio: (least, most) width / height.
        seed: two integers; equal ones give equal crops.
        interpolation: "bicubic" or "bilinear".
    """
    import tensorflow as tf

    corner, extent = random_box(tf.shape(pixels)[:2], scale, ratio, seed)
    part = tf.slice(pixels, (*tf.unstack(corner), 0), (*tf.unstack(extent), -1))
    scale = [a / b for a, b in zip(size, tf.unstack(extent), strict=True)]
    return _resized(part, size, interpolation, scale)


def random_box(shape, scale, ratio, seed):
    """((top, left), (height, width)) of a random crop; see `random_crop`."""
    import tensorflow as tf

    shape = tf.cast(shape, tf.float64)
    height, width = tf.unstack(shape)
    draws = tf.random.stateless_uniform((2, _TRIES + 1), seed, dtype=tf.float64)
    area = height * width * (scale[0] + (scale[1] - scale[0]) * draws[0])
    proportion = tf.exp(np.log(ratio[0]) + np.log(ratio[1] / ratio[0]) * draws[1])
    extents = tf.round(tf.stack([tf.sqrt(area / proportion), tf.sqrt(area * proportion)], axis=1))
    fits = tf.reduce_all((extents >= 1) & (extents <= shape), axis=1)[:_TRIES]
    largest = tf.round(tf.stack([tf.minimum(height, width / ratio[0]), tf.minimum(width, height * ratio[1])]))
    found = tf.reduce_any(fits)
    extent = tf.where(found, extents[tf.argmax(fits)], largest)
    corner = tf.where(found, tf.floor(draws[:, _TRIES] * (shape - extent + 1)), (shape - extent) // 2)
    return tf.cast(corner, tf.int32), tf.cast(extent, tf.int32)


def _resized(pixels, size, interpolation, scale, corner=(0.0, 0.0)):
    """What begins at `corner` of the picture times `scale`, each (down, across), smoothly where it shrinks.

    Cubic curves overshoot: values are clipped, and rounded as timm does.
    """
    import tensorflow as tf

    scale, corner = (tf.stack([tf.cast(n, tf.float32) for n in pair]) for pair in (scale, corner))
    kernel = {"bicubic": "keyscubic", "bilinear": "triangle"}[interpolation]
    # As `tf.image.resize` with antialias, which would make the rest of the picture, too.
    values = tf.raw_ops.ScaleAndTranslate(
        images=pixels[None], size=size, scale=scale, translation=-corner, kernel_type=kernel, antialias=True
    )
    return tf.cast(tf.round(tf.clip_by_value(values[0], 0.0, 255.0)), tf.uint8)
