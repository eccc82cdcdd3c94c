"""Bytes of a file, or a row of an array -> pixels, in TensorFlow's graph."""

import importlib.util
import io
import struct

import numpy as np

from vitgraph.images.crops import cut

_BY_PILLOW = 0  # in place of an orientation


def has_pillow():
    return importlib.util.find_spec("PIL") is not None


def decode(content, upright=True):
    """Bytes of an image file -> (H, W, 3), uint8, turned as its EXIF orientation says unless `upright` is False.

    Files are decoded with the number of channels that they have: TensorFlow can't convert every kind while decoding.
    """
    import tensorflow as tf

    orientation = tf.numpy_function(_orientation, [content], tf.int32, stateful=False)
    pixels = tf.cond(
        orientation == _BY_PILLOW,
        lambda: tf.numpy_function(by_pillow, [content, upright], tf.uint8, stateful=False),
        lambda: decode_as_stored(content),
    )
    pixels = tf.cond(
        (orientation > 1) & upright,
        lambda: tf.numpy_function(_upright, [pixels, orientation], tf.uint8, stateful=False),
        lambda: pixels,
    )
    return tf.ensure_shape(pixels, (None, None, 3))


def decode_part(content, find):
    """As `decode`, but only a part of the picture.

    Most photographs, JPEGs without EXIF, are neither decoded as a whole nor touched by Python, whose lock would make
    threads wait for each other.

    Args:
        find: function from the picture's (height, width) to a `View` of it.

    Returns:
        The part's pixels, (h, w, 3), and the view.
    """
    import tensorflow as tf

    is_plain = tf.io.is_jpeg(content) & ~tf.strings.regex_full_match(content, r"\C*Exif\C*")
    whole = tf.cond(is_plain, lambda: tf.zeros((0, 0, 3), tf.uint8), lambda: decode(content))
    shape = tf.cond(is_plain, lambda: tf.io.extract_jpeg_shape(content)[:2], lambda: tf.shape(whole)[:2])
    view = find(tf.unstack(shape))
    corner, extent = tf.convert_to_tensor(view.corner), tf.convert_to_tensor(view.extent)

    def decoded():
        # Colours are stored for pairs of columns, and those at the edges of what is decoded lack a neighbour.
        first = tf.maximum(corner - (0, 2), 0)
        last = tf.minimum(corner + extent + (0, 2), shape)
        window = tf.concat([first, last - first], 0)
        pixels = tf.image.decode_and_crop_jpeg(content, window, dct_method="INTEGER_ACCURATE")
        return _three_channels(cut(pixels, corner - first, extent))

    pixels = tf.cond(is_plain, decoded, lambda: cut(whole, corner, extent))
    return tf.ensure_shape(pixels, (None, None, 3)), view


def decode_as_stored(content):
    """As `decode`, of what TensorFlow can decode, and without turning it."""
    import tensorflow as tf

    pixels = tf.cond(
        tf.io.is_jpeg(content),
        lambda: tf.io.decode_jpeg(content, dct_method="INTEGER_ACCURATE"),  # the default is less exact than Pillow's
        lambda: tf.io.decode_image(content, expand_animations=False),
    )
    return _three_channels(pixels)


def _three_channels(pixels):
    """Grey values three times; the first three channels of more."""
    import tensorflow as tf

    pixels = tf.ensure_shape(pixels, (None, None, None))
    is_grey = tf.shape(pixels)[-1] < 3
    return tf.cond(is_grey, lambda: tf.repeat(pixels[..., :1], 3, axis=-1), lambda: pixels[..., :3])


def is_pillows(content):
    """Whether a file is a TIFF or an AVIF, which TensorFlow can't decode."""
    return content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") or content[4:12] in (b"ftypavif", b"ftypavis")


def by_pillow(content, upright=True):
    """As `decode`, of what TensorFlow can't decode."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(_bytes(content))) as image:
        if image.mode.startswith(("I", "F")):
            raise OSError(f"numbers beyond 8 bits ({image.mode})")
        return np.asarray((ImageOps.exif_transpose(image) if upright else image).convert("RGB"))


def _orientation(content):
    """How a picture is turned, by EXIF: 1 (upright) to 8; or `_BY_PILLOW`."""
    content = _bytes(content)
    return np.int32(_BY_PILLOW if is_pillows(content) else _tag(_exif(content)))


def _bytes(content):
    """Outside of a graph TensorFlow gives an array that holds them."""
    return content if isinstance(content, bytes) else content.item()


def _upright(pixels, orientation):
    pixels = pixels.swapaxes(0, 1) if orientation >= 5 else pixels
    pixels = pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels
    return np.ascontiguousarray(pixels[::-1] if orientation in (3, 4, 7, 8) else pixels)


def _exif(content):
    """The EXIF block of a JPEG, PNG or WebP; b"" where there is none."""
    if content[:3] == b"\xff\xd8\xff":
        parts = _parts(
            content, 2, ">xBH", lambda marker, size: (marker == 0xE1, 4, size - 2 if marker != 0xDA else -1, 0)
        )
    elif content[:4] == b"\x89PNG":
        parts = _parts(content, 8, ">I4s", lambda size, kind: (kind == b"eXIf", 8, size, 4))
    elif content[:4] == b"RIFF":
        parts = _parts(content, 12, "<4sI", lambda kind, size: (kind == b"EXIF", 8, size, size % 2))
    else:
        return b""
    found = (part.removeprefix(b"Exif\0\0") for part in parts)
    return next((part for part in found if part[:2] in (b"II", b"MM")), b"")


def _parts(content, at, layout, described):
    """The parts of a file that may be EXIF: `described` says of a header (whether, its length, size, padding)."""
    while at + struct.calcsize(layout) <= len(content):
        may_be, head, size, padding = described(*struct.unpack_from(layout, content, at))
        if size < 0:
            return
        if may_be:
            yield content[at + head : at + head + size]
        at += head + size + padding


def _tag(exif):
    """The orientation that an EXIF block says."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2], "<")
    try:
        (begin,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, begin)
        entries = (struct.unpack_from(f"{order}HHIH", exif, begin + 2 + 12 * i) for i in range(count))
        return next((value for tag, _, _, value in entries if tag == 0x112 and 1 <= value <= 8), 1)
    except struct.error:  # no block, or a damaged one
        return 1


def read(images, part, channels, find):
    """The part of one of some `Images` that is needed.

    Args:
        images: the `Images`.
        part: {"index": its number, "path": its file, where images are files}.
        channels: one of `possible_channels` of the images' own number.
        find: function from the picture's (height, width) to a `View` of it.

    Returns:
        The part's pixels, (h, w, channels), uint8, and the view.
    """
    import tensorflow as tf

    if images.are_files:
        pixels, view = decode_part(tf.io.read_file(part["path"]), find)
    else:
        pixels = tf.numpy_function(lambda i: images.source[i], [part["index"]], tf.uint8)
        pixels = tf.ensure_shape(pixels, images.source.shape[1:])
        view = find(images.source.shape[1:3])
        if view.scale is not None:
            pixels = cut(pixels, view.corner, view.extent)
    return with_channels(pixels, channels), view


def possible_channels(own):
    """The numbers of channels that images with `own` channels can be read with."""
    return {own} | ({3} if own in (1, 2, 4) else set()) | ({1} if own in (3, 4) else set())


def with_channels(pixels, channels):
    """Grey levels for colours, or the other way round; see `possible_channels`."""
    import tensorflow as tf

    if pixels.shape[-1] == channels:
        return pixels
    if channels == 1:
        return tf.image.rgb_to_grayscale(pixels[..., :3])
    return pixels[..., :3] if pixels.shape[-1] == 4 else tf.repeat(pixels[..., :1], 3, axis=-1)
