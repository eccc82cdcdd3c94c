"""Bytes of a file, or a row of an array -> pixels, in TensorFlow's graph."""


def decode(content):
    """Bytes of an image file -> (H, W, 3), uint8.

    Files are decoded with the number of channels that they have: TensorFlow can't convert every kind while decoding.
    """
    import tensorflow as tf

    pixels = tf.cond(
        tf.io.is_jpeg(content),
        lambda: tf.io.decode_jpeg(content, dct_method="INTEGER_ACCURATE"),  # the default is less exact than Pillow's
        lambda: tf.io.decode_image(content, expand_animations=False),
    )
    pixels = tf.ensure_shape(pixels, (None, None, None))
    is_grey = tf.shape(pixels)[-1] < 3
    pixels = tf.cond(is_grey, lambda: tf.repeat(pixels[..., :1], 3, axis=-1), lambda: pixels[..., :3])
    return tf.ensure_shape(pixels, (None, None, 3))


def read(images, part, channels):
    """One of some `Images` -> (H, W, channels), uint8.

    Args:
        images: the `Images`.
        part: {"index": its number, "path": its file, where images are files}.
        channels: one of `possible_channels` of the images' own number.
    """
    import tensorflow as tf

    if images.are_files:
        pixels = decode(tf.io.read_file(part["path"]))
    else:
        pixels = tf.numpy_function(lambda i: images.source[i], [part["index"]], tf.uint8)
        pixels = tf.ensure_shape(pixels, images.source.shape[1:])
    return _with_channels(pixels, channels)


def possible_channels(own):
    """The numbers of channels that images with `own` channels can be read with."""
    return {own} | ({3} if own in (1, 2, 4) else set()) | ({1} if own in (3, 4) else set())


def _with_channels(pixels, channels):
    import tensorflow as tf

    if pixels.shape[-1] == channels:
        return pixels
    if channels == 1:
        return tf.image.rgb_to_grayscale(pixels[..., :3])
    return pixels[..., :3] if pixels.shape[-1] == 4 else tf.repeat(pixels[..., :1], 3, axis=-1)
