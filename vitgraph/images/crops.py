"""A picture of any size -> an image of a net's size: the central crop of evaluation, the random crop of training."""

from typing import Any, NamedTuple

import numpy as np

_TRIES = 10
_KERNELS = {"bicubic": ("keyscubic", 2.0), "bilinear": ("triangle", 1.0)}  # TensorFlow's name, reach in pixels


class View(NamedTuple):
    """What an image shows of a picture; each is (down, across).

    Args:
        corner: where the part of the picture begins that is needed, in pixels.
        extent: the size of that part.
        scale: by how much that part is enlarged; None: it is the image as it is.
        offset: where the image begins in the part that was enlarged.
        in_two: whether columns are resized before rows and clipped in between, as Pillow does.
    """

    corner: Any
    extent: Any
    scale: Any = None
    offset: Any = (0.0, 0.0)
    in_two: bool = False


def central_view(shape, size, interpolation="bicubic", crop_pct=1.0, crop_mode="center"):
    """The middle of the resized picture, as timm evaluates.

    Args:
        shape: (height, width) of the picture, numbers or tensors.
        size: (H, W) of the image.
        interpolation: "bicubic" or "bilinear".
        crop_pct: sides of the crop, relative to those of the resized picture.
        crop_mode: what is resized: "center": the shorter side, keeping proportions; "squash": both sides.
    """
    import tensorflow as tf

    h, w = shape
    is_known = isinstance(h, int) and isinstance(w, int)
    if is_known and (h, w) == size and crop_pct == 1:
        return View((0, 0), size)
    height, width = (int(n / crop_pct) for n in size)
    if crop_mode == "center" and height == width:
        height, width = tf.maximum(height, h * width // w), tf.maximum(width, w * height // h)
    elif crop_mode == "center":  # timm rounds here, where torchvision rounds down above
        factor = tf.reduce_max([tf.cast(height / h, tf.float64), tf.cast(width / w, tf.float64)])
        height, width = (tf.cast(tf.round(tf.cast(n, tf.float64) * factor), tf.int32) for n in (h, w))
    scale = tf.stack([tf.cast(a / b, tf.float64) for a, b in zip((height, width), (h, w), strict=True)])
    offset = tf.stack([tf.cast(tf.round((a - b) / 2), tf.float64) for a, b in zip((height, width), size, strict=True)])
    reach = _KERNELS[interpolation][1] * tf.maximum(1 / scale, 1) + 1
    shape = tf.cast(tf.stack(shape), tf.float64)
    first = tf.clip_by_value(tf.floor(offset / scale - reach), 0, shape - 1)
    last = tf.clip_by_value(tf.math.ceil((offset + size) / scale + reach), first + 1, shape)
    scale, offset = tf.cast(scale, tf.float32), tf.cast(offset - first * scale, tf.float32)
    return View(tf.cast(first, tf.int32), tf.cast(last - first, tf.int32), scale, offset, True)


def random_view(shape, size, scale, ratio, seed):
    """A random part of the picture, as torchvision's `RandomResizedCrop`.

    Ten rectangles are drawn, uniform in area and in the logarithm of width / height, and the first that fits is taken;
    where none does, the largest in the middle whose proportions are allowed.

    Args:
        shape: (height, width) of the picture.
        size: (H, W) of the image.
        scale: (least, most) share of the picture's area.
        ratio: (least, most) width / height.
        seed: two integers; equal ones give equal crops.
    """
    import tensorflow as tf

    corner, extent = random_box(shape, scale, ratio, seed)
    return View(corner, extent, tf.constant(size, tf.float32) / tf.cast(extent, tf.float32), in_two=True)


def random_box(shape, scale, ratio, seed):
    """((top, left), (height, width)) of a random crop; see `random_view`."""
    import tensorflow as tf

    shape = tf.cast(tf.stack(shape), tf.float64)
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


def resized(pixels, view, size, interpolation):
    """The part of a picture that a view needs -> the image, (H, W, C), uint8; smoothly where it shrinks.

    Cubic curves overshoot: values are clipped, and rounded as timm does.
    """
    import tensorflow as tf

    if view.scale is None:
        return pixels
    (down, across), (top, left) = tf.unstack(view.scale), tf.unstack(tf.convert_to_tensor(view.offset))
    if view.in_two:
        pixels = _scaled(pixels, (tf.shape(pixels)[0], size[1]), interpolation, (1.0, across), (0.0, left))
        across, left = 1.0, 0.0
    return _scaled(pixels, size, interpolation, (down, across), (top, left))


def _scaled(pixels, size, interpolation, scale, offset):
    """As `tf.image.resize` with antialias, which would make the rest of the picture, too."""
    import tensorflow as tf

    values = tf.raw_ops.ScaleAndTranslate(
        images=pixels[None],
        size=size,
        scale=scale,
        translation=-tf.stack(offset),
        kernel_type=_KERNELS[interpolation][0],
        antialias=True,
    )
    return tf.cast(tf.round(tf.clip_by_value(values[0], 0.0, 255.0)), tf.uint8)


def central_crop(pixels, size, interpolation="bicubic", crop_pct=1.0, crop_mode="center"):
    """The image of `central_view`, of a whole picture (h, w, C), uint8."""
    import tensorflow as tf

    shape = tuple(pixels.shape[:2])
    shape = tf.unstack(tf.shape(pixels)[:2]) if None in shape else shape
    view = central_view(shape, size, interpolation, crop_pct, crop_mode)
    return resized(cut(pixels, view.corner, view.extent), view, size, interpolation)


def cut(pixels, corner, extent):
    """A part of a picture."""
    return pixels[corner[0] : corner[0] + extent[0], corner[1] : corner[1] + extent[1]]
