"""A picture of any size -> one of a net's size: the central crop of evaluation, the random crop of training."""


def central_crop(pixels, size, interpolation="bicubic", crop_pct=1.0, crop_mode="center"):
    """The middle of the resized picture, as timm evaluates: (h, w, C) -> (H, W, C).

    Args:
        pixels: float32 from 0 to 255.
        size: (H, W).
        interpolation: "bicubic" or "bilinear".
        crop_pct: sides of the crop, relative to those of the resized picture.
        crop_mode: what is resized: "center": the shorter side, keeping proportions; "squash": both sides.
    """
    import tensorflow as tf

    if tuple(pixels.shape[:2]) == size and crop_pct == 1:
        return pixels
    height, width = (int(n / crop_pct) for n in size)
    if crop_mode == "center":
        h, w = tf.unstack(tf.shape(pixels)[:2])
        height, width = tf.maximum(height, h * width // w), tf.maximum(width, w * height // h)
    corner = [tf.cast(tf.round((a - b) / 2), tf.int32) for a, b in zip((height, width), size, strict=True)]
    return tf.slice(_resized(pixels, (height, width), interpolation), (*corner, 0), (*size, pixels.shape[-1]))


def random_crop(pixels, size, scale, ratio, seed, interpolation="bicubic"):
    """A random part of the picture, resized: (h, w, C) -> (H, W, C).

    Args:
        pixels: float32 from 0 to 255.
        size: (H, W).
        scale: (least, most) share of the picture's area.
        ratio: (least, most) width / height.
        seed: two integers; equal ones give equal crops.
        interpolation: "bicubic" or "bilinear".
    """
    import tensorflow as tf

    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(pixels), tf.zeros((1, 0, 4)), seed, aspect_ratio_range=ratio, area_range=scale,
        use_image_if_no_bounding_boxes=True, min_object_covered=0.0,
    )  # fmt: skip
    return _resized(tf.slice(pixels, begin, extent), size, interpolation)


def _resized(pixels, size, interpolation):
    """Resized, smoothly where it shrinks. Cubic curves overshoot: values are clipped, and rounded as timm does."""
    import tensorflow as tf

    return tf.round(tf.clip_by_value(tf.image.resize(pixels, size, interpolation, antialias=True), 0.0, 255.0))
