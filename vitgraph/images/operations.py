"""Operations on the colours and the shape of one image, each equal to Pillow's: (H, W, C), uint8 -> the same.

They are TensorFlow's, without state, for `tf.data`. Pillow's own functions, which timm and torchvision call, are named
where there is one.
"""

import functools

import numpy as np


def invert(pixels):
    """`ImageOps.invert`."""
    import tensorflow as tf

    return tf.bitwise.invert(pixels)


def solarize(pixels, threshold):
    """`ImageOps.solarize`: values from `threshold` on are inverted."""
    import tensorflow as tf

    bright = tf.cast(pixels, tf.int16) >= tf.cast(threshold, tf.int16)
    return tf.bitwise.bitwise_xor(pixels, 255 * tf.cast(bright, tf.uint8))


def solarize_add(pixels, addend):
    """Values under 128 become larger, by at most 128."""
    import tensorflow as tf

    return pixels + tf.cast(addend, tf.uint8) * tf.cast(pixels < 128, tf.uint8)


def posterize(pixels, bits):
    """`ImageOps.posterize`: the first `bits` of each value; of 0 bits everything is black, as in earlier Pillows."""
    import tensorflow as tf

    mask = 256 - tf.bitwise.left_shift(1, 8 - tf.clip_by_value(bits, 0, 8))
    return tf.bitwise.bitwise_and(pixels, tf.cast(mask, tf.uint8))


def autocontrast(pixels):
    """`ImageOps.autocontrast`: each channel's values are spread from 0 to 255."""
    import tensorflow as tf

    height, width, channels = pixels.shape
    rows = tf.reshape(pixels, (height, -1))
    low, high = (
        tf.cast(f(tf.reshape(f(rows, axis=0), (width, channels)), axis=0), tf.float64)
        for f in (tf.reduce_min, tf.reduce_max)
    )
    scale = tf.where(high > low, 255 / tf.maximum(high - low, 1), 1)
    offset = tf.where(high > low, -low * scale, 0)
    scale, offset = (tf.tile(values, (width,)) for values in (scale, offset))
    spread = tf.cast(rows, tf.float64) * scale + offset
    return tf.reshape(tf.cast(tf.maximum(spread, 0), tf.uint8), pixels.shape)


def equalize(pixels):
    """`ImageOps.equalize`: each channel's values become equally frequent."""
    import tensorflow as tf

    height, width, channels = pixels.shape
    rows = tf.cast(tf.reshape(pixels, (height, -1)), tf.int32) + tf.tile(256 * tf.range(channels), (width,))
    counts = tf.math.bincount(tf.reshape(rows, (-1,)), minlength=256 * channels, maxlength=256 * channels)
    counts = tf.reshape(counts, (channels, 256))
    brightest = tf.reduce_max(tf.where(counts > 0, tf.range(256), 0), axis=1)
    last = tf.gather(counts, brightest, batch_dims=1)
    step = (height * width - last[:, None]) // 255
    table = (step // 2 + tf.cumsum(counts, axis=1, exclusive=True)) // tf.maximum(step, 1)
    table = tf.where(step > 0, tf.minimum(table, 255), tf.range(256))
    return tf.reshape(tf.gather(tf.reshape(tf.cast(table, tf.uint8), (-1,)), rows), pixels.shape)


def brightness(pixels, factor):
    """`ImageEnhance.Brightness`."""
    import tensorflow as tf

    return _blended(tf.zeros((), tf.float32), pixels, factor)


def contrast(pixels, factor):
    """`ImageEnhance.Contrast`."""
    import tensorflow as tf

    return _blended(tf.floor(tf.reduce_mean(grey(pixels)) + 0.5), pixels, factor)


def color(pixels, factor):
    """`ImageEnhance.Color`."""
    return pixels if pixels.shape[-1] == 1 else _blended(grey(pixels), pixels, factor)


def sharpness(pixels, factor):
    """`ImageEnhance.Sharpness`."""
    import tensorflow as tf

    height, width, n = pixels.shape
    if min(height, width) < 3:  # its border stays as it is
        return pixels
    rows = tf.reshape(pixels, (height, -1))
    values = tf.cast(rows, tf.float32)
    sums = values[:-2] + values[1:-1] + values[2:]
    smooth = (sums[:, : -2 * n] + sums[:, n:-n] + sums[:, 2 * n :] + 4 * values[1:-1, n:-n]) / 13
    changed = _blended(tf.floor(smooth + 0.5), rows[1:-1, n:-n], factor)
    middle = tf.concat([rows[1:-1, :n], changed, rows[1:-1, -n:]], axis=1)
    return tf.reshape(tf.concat([rows[:1], middle, rows[-1:]], axis=0), pixels.shape)


def gaussian_blur(pixels, radius):
    """`ImageFilter.GaussianBlur` for a radius up to 2: three times the mean of a box, along rows and along columns."""
    import tensorflow as tf

    height, _, n = pixels.shape
    variance = tf.cast(radius, tf.float32) ** 2 / 3
    whole = tf.floor((tf.sqrt(12 * variance + 1) - 1) / 2)
    reach = whole + (2 * whole + 1) * (whole * (whole + 1) - 3 * variance) / (6 * (variance - (whole + 1) ** 2))
    near = 1 / (2 * reach + 1)
    edge = (1 - near * (2 * whole + 1)) / 2
    first, second = tf.where(whole == 0, edge, near), tf.where(whole == 0, 0.0, edge)

    def boxed(v, axis, step):
        """One mean along an axis, beyond whose ends the outermost pixels go on."""
        ends = [v[:1], v[-1:]] if axis == 0 else [v[:, :step], v[:, -step:]]
        v = tf.concat([ends[0], ends[0], v, ends[1], ends[1]], axis)
        a, b, c, d, e = (
            v[k * step or None : (k - 4) * step or None]
            if axis == 0
            else v[:, k * step or None : (k - 4) * step or None]
            for k in range(5)
        )
        return tf.floor(near * c + first * (b + d) + second * (a + e) + 0.5)

    values = tf.cast(tf.reshape(pixels, (height, -1)), tf.float32)
    for axis, step in ((1, n), (0, 1)):
        for _ in range(3):
            values = boxed(values, axis, step)
    return tf.reshape(tf.cast(values, tf.uint8), pixels.shape)


def hue(pixels, turn):
    """Hues are turned by `turn` of the circle, as torchvision does with Pillow's "HSV"."""
    import tensorflow as tf

    if pixels.shape[-1] != 3:
        return pixels
    values = tf.cast(pixels, tf.float32)
    high, low = tf.reduce_max(values, axis=-1), tf.reduce_min(values, axis=-1)
    span = tf.maximum(high - low, 1)
    red, green, blue = tf.unstack((high[..., None] - values) / span[..., None], axis=-1)
    r, g, _ = tf.unstack(values, axis=-1)
    angle = tf.where(r == high, blue - green, tf.where(g == high, 2 + red - blue, 4 + green - red))
    own = tf.where(high > low, tf.floor(tf.math.floormod(angle / 6 + 1, 1) * 255), 0)
    saturation = tf.where(high > low, tf.floor(span / tf.maximum(high, 1) * 255), 0) / 255
    turned = tf.math.floormod(own + tf.cast(tf.cast(turn * 255, tf.int32), tf.float32), 256) * 6 / 255
    sixth = tf.floor(turned)
    part = turned - sixth
    p, q, t = (tf.round(high * (1 - saturation * f)) for f in (1.0, part, 1 - part))
    corners = [(high, t, p), (q, high, p), (p, high, t), (p, q, high), (t, p, high), (high, p, q)]
    made = tf.stack([tf.stack(corner, axis=-1) for corner in corners])
    chosen = tf.one_hot(tf.cast(sixth, tf.int32) % 6, 6, axis=0)[..., None]
    return tf.cast(tf.reduce_sum(made * chosen, axis=0), tf.uint8)


def grey(pixels):
    """`Image.convert("L")`, in each channel: (H, W, C), float32 of whole numbers."""
    import tensorflow as tf

    values = tf.cast(pixels, tf.float32)
    if pixels.shape[-1] == 1:
        return values
    return tf.floor((tf.matmul(values, [[19595.0] * 3, [38470.0] * 3, [7471.0] * 3]) + 2**15) / 2**16)


def shear_x(pixels, factor, interpolation, fill):
    """`Image.transform` with (1, factor, 0, 0, 1, 0)."""
    import tensorflow as tf

    rows = tf.range(pixels.shape[0], dtype=tf.float32) + 0.5
    return _rows_shifted(pixels, tf.cast(factor, tf.float32) * rows, interpolation, fill)


def translate_x(pixels, distance, interpolation, fill):
    """`Image.transform` with (1, 0, distance, 0, 1, 0)."""
    import tensorflow as tf

    distances = tf.fill(pixels.shape[:1], tf.cast(distance, tf.float32))
    return _rows_shifted(pixels, distances, interpolation, fill)


def shear_y(pixels, factor, interpolation, fill):
    """`Image.transform` with (1, 0, 0, factor, 1, 0)."""
    return _transposed(shear_x, pixels, factor, interpolation, fill)


def translate_y(pixels, distance, interpolation, fill):
    """`Image.transform` with (1, 0, 0, 0, 1, distance)."""
    return _transposed(translate_x, pixels, distance, interpolation, fill)


def rotate(pixels, degrees, interpolation, fill):
    """`Image.rotate`."""
    import tensorflow as tf

    return _rotation(tuple(pixels.shape), interpolation, tuple(fill))(pixels, tf.cast(degrees, tf.float64))


@functools.cache
def _rotation(shape, interpolation, fill):
    """Rotation of images of this shape, compiled: one operation at a time, its sums would take four times as long."""
    import tensorflow as tf

    kinds = tf.TensorSpec(shape, tf.uint8), tf.TensorSpec((), tf.float64)
    rotation = functools.partial(_rotated, interpolation=interpolation, fill=fill)
    return tf.function(rotation, input_signature=kinds, autograph=False, jit_compile=True)


def _rotated(pixels, degrees, interpolation, fill):
    import tensorflow as tf

    height, width, channels = pixels.shape
    angle = -degrees * np.pi / 180
    cos, sin = tf.cos(angle), tf.sin(angle)
    x, y = (np.arange(n) + 0.5 - n / 2 for n in (width, height))
    across, down = cos * x + width / 2 + (sin * y)[:, None], -sin * x + height / 2 + (cos * y)[:, None]
    inside = (across >= 0) & (across < width) & (down >= 0) & (down < height)
    columns, column_weights = _taps(tf.reshape(tf.cast(across, tf.float32), (-1,)) - 0.5, interpolation)
    rows, row_weights = _taps(tf.reshape(tf.cast(down, tf.float32), (-1,)) - 0.5, interpolation)
    columns = [tf.clip_by_value(column, 0, width - 1) for column in columns]
    flat, parts = tf.reshape(tf.cast(pixels, tf.float32), (-1, channels)), []
    for row, row_weight in zip(rows, row_weights, strict=True):
        first = tf.clip_by_value(row, 0, height - 1) * width
        parts += [
            tf.gather(flat, first + column) * (row_weight * column_weight)[:, None]
            for column, column_weight in zip(columns, column_weights, strict=True)
        ]
    made = tf.cast(tf.clip_by_value(tf.add_n(parts), 0, 255), tf.uint8)
    inside = tf.reshape(tf.repeat(tf.reshape(inside, (-1, 1)), channels, axis=1), pixels.shape)
    return _filled(tf.reshape(made, pixels.shape), inside, fill)


def _rows_shifted(pixels, distances, interpolation, fill):
    """Each pixel (x, y) is what was at (x + distances[y], y)."""
    import tensorflow as tf

    height, width, n = pixels.shape
    firsts, weights = _taps(distances, interpolation)
    columns = tf.range(width + len(firsts) - 1) + firsts[0][:, None]
    numbers = tf.clip_by_value(columns, 0, width - 1) + width * tf.range(height)[:, None]
    taken = tf.reshape(tf.gather(tf.reshape(pixels, (-1, n)), numbers), (height, -1))
    if len(firsts) > 1:
        values = tf.cast(taken, tf.float32)
        parts = [values[:, k * n : (k + width) * n] * weight[:, None] for k, weight in enumerate(weights)]
        taken = tf.cast(tf.clip_by_value(tf.add_n(parts), 0, 255), tf.uint8)
    source = np.repeat(np.arange(width, dtype="float32") + 0.5, n) + distances[:, None]
    inside = tf.reshape((source >= 0) & (source < width), pixels.shape)
    return _filled(tf.reshape(taken, pixels.shape), inside, fill)


def _taps(source, interpolation):
    """(numbers, weights) of the pixels that make up what is at `source`, where a pixel's number is its centre."""
    import tensorflow as tf

    if interpolation == "nearest":
        return [tf.cast(tf.floor(source + 0.5), tf.int32)], [tf.ones_like(source)]
    first = tf.floor(source)
    d = source - first
    if interpolation == "bilinear":
        weights = [1 - d, d]
    else:  # Pillow's `transform` has cubic curves with -1 where its `resize` has -0.5
        first -= 1
        weights = [d * (-1 + d * (2 - d)), 1 + d * d * (d - 2), d * (1 + d * (1 - d)), d * d * (d - 1)]
    first = tf.cast(first, tf.int32)
    return [first + k for k in range(len(weights))], weights


def _transposed(operation, pixels, *args):
    import tensorflow as tf

    return tf.transpose(operation(tf.transpose(pixels, (1, 0, 2)), *args), (1, 0, 2))


def _blended(base, pixels, factor):
    """`Image.blend`: as far from `base` as `factor` says, cut off to whole numbers."""
    import tensorflow as tf

    mixed = base + tf.cast(factor, tf.float32) * (tf.cast(pixels, tf.float32) - base)
    return tf.cast(tf.clip_by_value(mixed, 0, 255), tf.uint8)


def _filled(pixels, inside, fill):
    """The colour `fill`, one number per channel, where `inside` says no."""
    import tensorflow as tf

    fills = np.broadcast_to(np.asarray(fill, "uint8"), pixels.shape)
    inside = tf.cast(inside, tf.uint8)  # `where` is slower than these products
    return pixels * inside + fills * (1 - inside)
