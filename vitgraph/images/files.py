"""Which files are images, and which of them can't be read whole."""

import collections
import concurrent.futures
import os
import pathlib
import sys

import keras

from vitgraph.images.reading import by_pillow, decode_as_stored, has_pillow, is_pillows
from vitgraph.images.verdicts import File

_BY_PILLOW = (".tif", ".tiff", ".avif")
READABLE = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", *(_BY_PILLOW if has_pillow() else ()))


def image_files(folder):
    """(image files, paths of all other files) at any depth that aren't hidden, each sorted by path."""
    images, others = [], []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                if not entry.is_symlink():
                    inside = image_files(entry.path)
                    images += inside[0]
                    others += inside[1]
            elif entry.name[0] != ".":
                if entry.name[entry.name.rfind(".") :].lower() in READABLE:  # there may be millions
                    images.append(file_at(entry.path))
                else:
                    others.append(pathlib.Path(entry.path))
    return images, others


def file_at(path):
    """A path (a text: there may be millions) as a `File`."""
    try:
        about = os.stat(path)  # noqa: PTH116
    except OSError:  # there is none, or it is a link that leads nowhere
        return File(path, -1, -1)
    return File(path, about.st_size, about.st_mtime_ns)


def is_image(path):
    """Whether a path has an image's ending and isn't hidden."""
    return path.suffix.lower() in READABLE and path.name[0] != "." and not path.is_dir()


def counted(paths):
    """How many files of which endings, in words; "" for none."""
    endings = collections.Counter(path.suffix.lower() for path in paths)
    said = ", ".join(f"{count} {ending or 'without one'}" for ending, count in endings.most_common())
    return said + (f" (pip install pillow to read {', '.join(_BY_PILLOW)})" if endings.keys() & {*_BY_PILLOW} else "")


def printable(path):
    """A path as a text that any stream takes, also where its bytes aren't UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def why_unreadable(files):
    """For each `File` why it can't be decoded whole, or None. Shows a progress bar where there are many.

    Several are tried at once: decoding leaves Python's lock alone.
    """
    shows = len(files) > 1000 and sys.stderr.isatty()
    bar = keras.utils.Progbar(len(files), unit_name="image") if shows else None
    found = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for i, why in enumerate(pool.map(_why_unreadable, files), start=1):
            found.append(why)
            if bar is not None and (i % 100 == 0 or i == len(files)):
                bar.update(i)
    return found


def _why_unreadable(file):
    """Why a file can't be decoded whole and with its own colours; None if it can."""
    import tensorflow as tf

    path = pathlib.Path(file.path)
    if file.path != printable(file.path):
        return "a name that isn't UTF-8"
    if path.exists() and not path.is_file():
        return "no regular file"
    try:
        content = path.read_bytes()
        if not content:
            return "empty"
        if is_pillows(content):
            return _why_not_by_pillow(content)
        if content[8:16] == b"WEBPVP8X" and len(content) > 20 and content[20] & 2:
            # TensorFlow 2.21, asked for the first picture only, writes beyond that picture's memory.
            return "an animated WebP"
        if content[:2] == b"BM" and _has_palette(content):  # indices into the palette would be taken for grey levels
            return "a BMP with a palette of colours"
        if content[:3] == b"\xff\xd8\xff":  # all bytes are read, but only one pixel in 8 x 8 is computed
            tf.io.decode_jpeg(content, channels=3, ratio=8, dct_method="INTEGER_FAST", fancy_upscaling=False)
        else:
            decode_as_stored(content)
    except (tf.errors.InvalidArgumentError, OSError) as error:
        text = getattr(error, "message", None) or str(error)
        return text.split("[Op")[0].split("}} ")[-1].splitlines()[0][:80]
    return None


def _why_not_by_pillow(content):
    if not has_pillow():
        return "a TIFF or an AVIF: pip install pillow"
    try:
        by_pillow(content)
    except Exception as error:  # each of Pillow's formats has errors of its own
        return (str(error) or type(error).__name__).splitlines()[0][:80]
    return None


def _has_palette(bmp):
    """Whether a BMP of one byte per pixel is compressed, or has another palette than the grey levels 0 to 255."""
    begin, bits, packing = (int.from_bytes(bmp[i : i + n], "little") for i, n in ((14, 4), (28, 2), (30, 4)))
    greys = b"".join(bytes((i, i, i)) for i in range(256))
    colours = b"".join(bmp[14 + begin + 4 * i :][:3] for i in range(256))
    return bits == 8 and (packing != 0 or colours != greys)
